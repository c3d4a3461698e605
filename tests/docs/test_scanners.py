"""The rules of `examples/scanners/`, each in its own scanner: what it reports is the whole key."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with schemathesis, without its types

from keyfob.keyring.keyring import Keyring
from keyfob.keys.format import compose, new_secret
from tests.conftest import require
from tests.docs.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RULES = ROOT / "examples" / "scanners"
CONTRACT = r"\bkf_(?:api|computer|scim|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b"
DOCUMENTED = re.compile(r"kf_\(.*?\)_\S*?\{64\}")
TYPES = ("api", "computer", "scim", "admin")


@pytest.fixture(scope="module")
def keys() -> list[str]:
    """One real key of each type."""
    entry = Keyring.new(datetime.now(UTC)).newest
    made = []
    for number, kind in enumerate(TYPES):
        key = compose(
            key_type=kind, key_id=f"{number:016d}", secret=new_secret(), key_char=entry.char, tag=entry.tag, prefix="kf"
        )
        made.append(key.text)
    return made


def program(name: str) -> str:
    """Where a scanner is: beside the interpreter of the tests, or on the PATH."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None and name == "gitleaks":
        pytest.skip("gitleaks is not installed here: no package brings it; its rule is run by Kingfisher instead")
    if found is None:
        require(name, "its rule in examples/scanners/ is run by it")
    return found


def ran(*command: str | Path) -> Any:
    """What a scanner printed, as JSON; later documents are left out."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout, done.stderr
    return json.JSONDecoder().raw_decode(done.stdout)[0]


def by_kingfisher(rules: str) -> Callable[[Path], list[str]]:
    def scan(folder: Path) -> list[str]:
        options = ["--load-builtins=false", "--no-validate", "--no-update-check", "--format", "json"]
        found = ran(program("kingfisher"), "scan", "--rules-path", RULES / rules, *options, folder)
        return [one["finding"]["snippet"] for one in found["findings"]]

    return scan


def by_gitleaks(folder: Path) -> list[str]:
    options = ["--report-format", "json", "--report-path", "-", "--exit-code", "0", "--no-banner"]
    return [
        one["Secret"]
        for one in ran(program("gitleaks"), "dir", "--config", RULES / "gitleaks.toml", *options, folder)
        if one["RuleID"] == "keyfob-key"
    ]


SCANNERS = {
    "gitleaks": by_gitleaks,
    "gitleaks.toml in Kingfisher": by_kingfisher("gitleaks.toml"),
    "Kingfisher": by_kingfisher("kingfisher.yml"),
}


@pytest.fixture
def leaky(tmp_path: Path, keys: list[str]) -> Path:
    """A folder in which somebody forgot keys, and texts that only look like one."""
    lines = [f'token = "{key}"  # oh dear' for key in keys]
    look_alikes = [keys[0][:-1], keys[0] + "x", "x" + keys[0], keys[0].replace("_api_", "_robot_"), keys[0][:23]]
    (tmp_path / "settings.py").write_text("\n".join([*lines, *(f'text = "{text}"' for text in look_alikes)]) + "\n")
    return tmp_path


@pytest.mark.parametrize("scan", SCANNERS.values(), ids=SCANNERS)
def test_ff_38_scanners_report_the_whole_key(leaky: Path, keys: list[str], scan: Callable[[Path], list[str]]) -> None:
    """Each key is found once and whole, so that hiding what is reported hides the key; nothing else is found."""
    assert sorted(keys) == sorted(scan(leaky))


def test_ff_38_detect_secrets_reports_the_whole_key(leaky: Path, keys: list[str]) -> None:
    """detect-secrets keeps a digest of what it takes for the secret: that of the whole key."""
    plugin = RULES / "detect_secrets_keyfob.py"
    command = [program("detect-secrets"), "scan", "--all-files", "--plugin", str(plugin), "settings.py"]
    done = subprocess.run(command, cwd=leaky, capture_output=True, text=True, check=True, timeout=60)
    found = json.loads(done.stdout)["results"]["settings.py"]
    digests = [hashlib.sha1(key.encode()).hexdigest() for key in keys]  # noqa: S324 - detect-secrets' choice

    assert sorted(digests) == sorted(one["hashed_secret"] for one in found if one["type"] == "Keyfob API key")


def patterns() -> Iterator[tuple[str, str, int]]:
    """Every expression of the rules, and how many groups it may capture."""
    for rule in tomllib.loads((RULES / "gitleaks.toml").read_text())["rules"]:
        yield "gitleaks", rule["regex"], 0
    for rule in yaml.safe_load((RULES / "kingfisher.yml").read_text())["rules"]:
        yield "kingfisher", rule["pattern"], 0
    for detector in yaml.safe_load((RULES / "trufflehog.yml").read_text())["detectors"]:
        yield "trufflehog", detector["regex"]["key"], 1  # it wants one, for the whole key
    (secret,) = re.findall(r"Secret format: +(\S+)", (RULES / "github-custom-pattern.txt").read_text())
    yield "github", secret, 0


@pytest.mark.parametrize(("scanner", "pattern", "groups"), [*patterns()], ids=lambda value: str(value)[:10])
def test_ff_38_no_group_cuts_a_key(keys: list[str], scanner: str, pattern: str, groups: int) -> None:
    """What an expression captures, if anything, is the whole key."""
    compiled = re.compile(pattern)
    found = compiled.search(f'token = "{keys[0]}"')

    assert found is not None
    assert (groups, keys[0]) == (compiled.groups, found[groups])


def test_ff_38_the_documented_expression_has_no_capturing_group() -> None:
    """Wherever the expression is written for people, it is the one of the contract."""
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *RULES.iterdir()]
    written = [found for page in pages if page.is_file() for found in DOCUMENTED.findall(page.read_text())]

    assert len(written) > 5
    assert {CONTRACT.removeprefix(r"\b").removesuffix(r"\b")} == set(written)
