from __future__ import annotations

import json
import signal
import socket
import subprocess
from typing import TYPE_CHECKING

import httpx
import pytest

from examples.teams_api import PERMISSIONS
from tests.keyfob_admin.setup.conftest import COMMAND, end, start

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.setup.conftest import Running


def test_it_tells_programs_where_everything_is(demo: Running) -> None:
    """One line names the addresses and the keys, and nothing else."""
    assert ["app_url", "admin_url", "console_url", "admin_key", "team", "keys"] == list(demo.told)
    assert ["reader", "writer", "computer", "scim"] == list(demo.told["keys"])
    assert demo.told["app_url"] + "/keyfob" == demo.told["admin_url"] == demo.told["console_url"]


def test_reader_and_writer_hold_what_they_are_called_after(demo: Running) -> None:
    """The reader holds every permission to read, the writer the whole catalogue."""
    found = demo.admin("GET", f"/v1/teams/{demo.told['team']}/keys").json()["keys"]
    held = {key["name"]: set(key["permissions"]) for key in found}

    assert {name for name in PERMISSIONS if name.endswith(":read")} == held["reader"]
    assert set(PERMISSIONS) == held["writer"]
    assert {"*"} == held["demo admin"]


def test_the_admin_api_is_mounted_below_keyfob(demo: Running) -> None:
    """A key made there opens the application, its address has the prefix, and disabling it closes the door at once."""
    body = {"name": "ci", "permissions": ["hello:read"]}
    made = demo.admin("POST", f"/v1/teams/{demo.told['team']}/keys", json=body)
    key = {"Authorization": f"Bearer {made.json()['secret']}"}
    hello = f"{demo.told['app_url']}/hello"

    assert 201 == made.status_code
    assert f"/keyfob/v1/teams/demo/keys/{made.json()['key']['id']}" == httpx.URL(made.headers["Location"]).path
    assert 200 == demo.client.get(hello, headers=key).status_code
    assert 200 == demo.admin("POST", f"/v1/teams/demo/keys/{made.json()['key']['id']}/disable").status_code
    assert 401 == demo.client.get(hello, headers=key).status_code


@pytest.mark.parametrize("path", ["/openapi.json", "/healthz", "/readyz"])
def test_what_needs_no_key_below_keyfob(demo: Running, path: str) -> None:
    """The description and the health of the admin API are open, below the prefix only."""
    assert 200 == demo.client.get(demo.told["admin_url"] + path).status_code


@pytest.mark.parametrize("path", ["/keyfobx", "/keyfo", "/Keyfob/v1/whoami"])
def test_the_prefix_is_a_whole_segment(demo: Running, path: str) -> None:
    """What only begins like the prefix is the application's, which knows no such path."""
    assert 401 == demo.client.get(demo.told["app_url"] + path).status_code
    assert 403 == demo.ask("GET", path, "writer").status_code


def test_the_teams_keys_do_not_open_the_admin_api(demo: Running) -> None:
    """Only an admin key is let in there, whatever another one holds."""
    headers = {"Authorization": f"Bearer {demo.told['keys']['writer']}"}

    assert 403 == demo.client.get(f"{demo.told['admin_url']}/v1/whoami", headers=headers).status_code


@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_good_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: signal.Signals) -> None:
    """Ctrl-C and a service manager's stop both remove the folder, end with 0 and show no traceback."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = start("--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())
    before = list(tmp_path.iterdir())
    process.send_signal(way)
    _, words = process.communicate(timeout=30)

    assert 1 == len(before)
    assert [] == list(tmp_path.iterdir())
    assert (0, False) == (process.returncode, "Traceback" in words)


def test_ff_44_it_prints_three_blocks(tmp_path: Path) -> None:
    """Without --more three things to try fit a small terminal, and --more is named."""
    process = start()
    try:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while "--more" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "the demo ended"
    finally:
        end(process)

    assert ["1.", "2.", "3."] == [line[:2] for line in lines if line[0].isdigit()]
    assert len(lines) < 24


def test_what_it_prints_to_try_works(tmp_path: Path) -> None:
    """Every line that people are told to type does what the words around it say."""
    process = start("--more")
    try:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "keys list --config" not in lines[-1]:
            lines.append(process.stdout.readline().strip())
            assert lines[-1] or process.poll() is None
        script = tmp_path / "try.sh"
        commands = [
            line
            for line in lines
            if line.startswith(("curl", "-d", "READER=", "WRITER=", "COMPUTER=", "ADMIN=", "SCIM="))
        ]
        script.write_text("\n".join(commands).replace("curl -i", "curl -s -o /dev/null -w '\\n%{http_code}\\n'"))
        tried = subprocess.run(["bash", str(script)], capture_output=True, text=True, check=True, timeout=60)
    finally:
        end(process)

    statuses = [line for line in tried.stdout.splitlines() if line.isdigit()]
    assert ["401", "200", "401", "200", "403", "201", "201", "200"] == statuses


def test_a_port_in_use_is_one_line() -> None:
    """Who has something else on the port is told so, and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        tried = subprocess.run([*COMMAND, "--port", port], capture_output=True, text=True, check=False, timeout=30)

    assert (1, "") == (tried.returncode, tried.stdout)
    assert tried.stderr.startswith(f"keyfob: cannot listen on port {port} of 127.0.0.1: ")
    assert 1 == len(tried.stderr.splitlines())


def test_a_demo_serves_beside_another(demo: Running) -> None:
    """Two demos at once have nothing to do with each other: a key of one is unknown to the other."""
    process = start("--json")
    try:
        assert process.stdout is not None
        other = json.loads(process.stdout.readline())
        headers = {"Authorization": f"Bearer {demo.told['keys']['reader']}"}
        assert 401 == httpx.get(f"{other['app_url']}/hello", headers=headers).status_code
    finally:
        end(process)


def test_it_leaves_the_environments_installation_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings in the environment are for the real installation; the demo neither reads nor writes there."""
    monkeypatch.setenv("KEYFOB_STORE_URL", f"sqlite:///{tmp_path}/real.db")
    monkeypatch.setenv("KEYFOB_KEYRING", str(tmp_path / "real.keyring"))
    process = start("--json")
    try:
        assert process.stdout is not None
        told = json.loads(process.stdout.readline())
        headers = {"Authorization": f"Bearer {told['keys']['reader']}"}
        assert 200 == httpx.get(f"{told['app_url']}/hello", headers=headers).status_code
    finally:
        end(process)

    assert [] == list(tmp_path.iterdir())
