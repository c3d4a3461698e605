from __future__ import annotations

import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob_admin.cli.doctor.files import file_system_of
from tests.keyfob_admin.cli.conftest import PROGRAM, typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.keyfob_admin.cli.conftest import Home


def findings() -> tuple[int, dict[str, list[dict[str, Any]]]]:
    """What doctor finds, by level."""
    said = typed("doctor", "--json")
    by_level: dict[str, list[dict[str, Any]]] = {"ok": [], "warn": [], "fail": []}
    for finding in said.data["findings"]:
        by_level[finding["level"]].append(finding)
    return said.code, by_level


def change(home: Home, statement: str) -> None:
    database = sqlite3.connect(home.folder / "keyfob.db")
    database.execute(statement)
    database.commit()
    database.close()


def test_a_fresh_installation_is_healthy(home: Home) -> None:
    """Nothing fails, and everything that is looked at is named."""
    code, found = findings()

    assert (0, []) == (code, found["fail"])
    seen = {finding["what"] for finding in found["ok"]}
    assert {"configuration", "rules", "keyring", "database", "disk", "workers", "clock", "admin keys"} < seen
    assert 0 == typed("doctor").code


HARM: dict[str, tuple[str, Callable[[Home], object]]] = {
    "keyring open to others": ("keyring", lambda home: (home.folder / "keyfob.keyring").chmod(0o640)),
    "keyring gone": ("keyring", lambda home: (home.folder / "keyfob.keyring").unlink()),
    "database open to others": ("database", lambda home: (home.folder / "keyfob.db").chmod(0o644)),
    "database gone": ("database", lambda home: (home.folder / "keyfob.db").unlink()),
    "database empty": ("database", lambda home: (home.folder / "keyfob.db").write_bytes(b"")),
    "another keyring": (
        "keyring",
        lambda home: change(home, "UPDATE signing_keys SET fingerprint = '0000000000000000'"),
    ),
    "entry missing": ("keyring", lambda home: change(home, "UPDATE signing_keys SET key_char = 'q'")),
    "admin disabled": ("admin keys", lambda home: change(home, "UPDATE keys SET disabled_at = 1")),
    "admin runs out": ("admin keys", lambda home: change(home, "UPDATE keys SET expires_at = 4102444800000000")),
    "clock behind": ("clock", lambda home: change(home, "UPDATE audit_events SET at = 4102444800000000")),
    "plan unknown": ("teams", lambda home: change(home, "UPDATE teams SET plan = 'gold'")),
    "rule unknown": (
        "rules",
        lambda home: home.configure(lambda text: text.replace('= "items:write"', '= "items:wr"')),
    ),
    "signal open to others": ("change signal", lambda home: (home.folder / "keyfob.db-signal").chmod(0o666)),
    "no signal": ("change signal", lambda home: replace_by_folder(home.folder / "keyfob.db-signal")),
}


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(("what", "harm"), HARM.values(), ids=HARM)
def test_what_is_broken_fails_with_its_fix(home: Home, what: str, harm: Callable[[Home], object]) -> None:
    """Each thing that can break is found, named and makes the exit code 3; doctor itself does not break."""
    harm(home)
    code, found = findings()

    assert 3 == code
    assert what in {finding["what"] for finding in found["fail"]}
    assert all(finding["fix"] or finding["detail"] for finding in found["fail"])
    assert 3 == typed("doctor").code


DOUBT: dict[str, tuple[str, str, str]] = {
    "observes": ("configuration", "[middleware]", '[middleware]\nmode = "observe"'),
    "trusts all": ("configuration", "[middleware]", '[middleware]\ntrusted_proxies = ["0.0.0.0/0"]'),
    "plain http": ("configuration", "[admin]", "[admin]\ninsecure_cookies = true"),
    "idle permission": ("rules", "[permissions]", '[permissions]\n"items:idle" = "Nothing"'),
}


@pytest.mark.parametrize(("what", "old", "new"), DOUBT.values(), ids=DOUBT)
def test_what_is_doubtful_is_a_warning(home: Home, what: str, old: str, new: str) -> None:
    """Settings that work, but that somebody should know of, warn and leave the exit code 0."""
    home.configure(lambda text: text.replace(old, new))
    code, found = findings()

    assert 0 == code
    assert what in {finding["what"] for finding in found["warn"]}


def test_an_empty_table_of_rules_is_a_warning(home: Home) -> None:
    """Without rules every request is refused, which somebody should know of."""
    home.configure(lambda text: text.split("[rules]")[0])
    code, found = findings()

    assert 0 == code
    assert any("every request is refused" in finding["detail"] for finding in found["warn"])


GATEWAY = """
[forward_auth.billing]
headers = "x-forwarded"
trusted_proxies = ["{trusted}"]
[forward_auth.billing.rules]
"GET /invoices" = "{needed}"
"""


def test_what_gateways_may_ask_is_named(home: Home) -> None:
    """Each policy of forward-auth is looked at, and told with its path and who may ask."""
    home.configure(lambda text: text + GATEWAY.format(trusted="10.1.0.0/16", needed="items:read"))
    code, found = findings()

    assert (0, []) == (code, found["fail"])
    (told,) = [finding["detail"] for finding in found["ok"] if finding["what"] == "gateway billing"]
    assert "asks at /v1/forward-auth/billing, from 10.1.0.0/16" == told


def test_a_gateway_that_could_be_anybody_is_a_warning(home: Home) -> None:
    """Who trusts every address lets everybody say what is asked for."""
    home.configure(lambda text: text + GATEWAY.format(trusted="0.0.0.0/0", needed="items:read"))
    code, found = findings()

    assert 0 == code
    assert "gateway billing" in {finding["what"] for finding in found["warn"]}


def test_a_policy_that_cannot_be_meant_fails(home: Home) -> None:
    """A rule of a policy that names what there is not fails, with the policy's name."""
    home.configure(lambda text: text + GATEWAY.format(trusted="10.1.0.0/16", needed="items:rea"))
    code, found = findings()

    assert 3 == code
    assert any("[forward_auth.billing.rules]" in finding["detail"] for finding in found["fail"])


def test_a_keyring_on_its_way_is_a_warning(home: Home) -> None:
    """An entry that is not activated yet, and one that is lost, are named with what comes next."""
    typed("keyring", "add")
    assert any("b is not activated" in finding["detail"] for finding in findings()[1]["warn"])
    typed("keyring", "activate")
    typed("keyring", "lost", "a", "--yes")
    code, found = findings()

    assert 0 == code
    assert any("a is lost" in finding["detail"] for finding in found["warn"])


def test_a_password_that_others_can_read_is_a_warning(home: Home) -> None:
    """A store's url with a password belongs into a file of one's own, and is not repeated."""
    url = "postgresql://keyfob:hush@localhost:1/keyfob"
    home.configure(lambda text: text.replace("sqlite:///keyfob.db", url))
    (home.folder / "keyfob.toml").chmod(0o644)
    said = typed("doctor")

    assert "others can read the password" in said.out
    assert "hush" not in said.out + said.err
    (home.folder / "keyfob.toml").chmod(0o600)
    assert "others can read the password" not in typed("doctor").out


def test_settings_may_all_be_in_the_environment(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container needs no file: url and keyring are enough."""
    (home.folder / "keyfob.toml").unlink()
    monkeypatch.setenv("KEYFOB_STORE_URL", "sqlite:///keyfob.db")
    monkeypatch.setenv("KEYFOB_KEYRING_DATA", (home.folder / "keyfob.keyring").read_text())
    (home.folder / "keyfob.keyring").unlink()
    said = typed("doctor")

    assert 0 == said.code
    assert "from the environment" in said.out
    monkeypatch.delenv("KEYFOB_KEYRING_DATA")
    assert 3 == typed("doctor").code


def test_file_systems_are_told_apart() -> None:
    """The kind of the innermost mount is what counts."""
    assert "proc" == file_system_of(Path("/proc/self/status"))
    assert file_system_of(Path("/")) not in {None, "proc"}


def test_keys_that_hold_what_nothing_knows_are_named(home: Home) -> None:
    """A permission that the catalogue has lost is a warning with the key's displayed form."""
    key_id, _ = home.make("ci", "--permission", "items:write")
    home.configure(
        lambda text: text.replace('"items:write" = "Create and change items"\n', "").replace(
            '"POST /items" = "items:write"\n', ""
        )
    )
    code, found = findings()

    assert 0 == code
    assert any(f"kf_api_{key_id}" in finding["detail"] for finding in found["warn"])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


def until_up(url: str, process: subprocess.Popen[str]) -> None:
    for _ in range(200):
        try:
            httpx.get(f"{url}/healthz", timeout=5)
        except httpx.TransportError:
            assert None is process.poll()
            time.sleep(0.1)
        else:
            return
    pytest.fail("the server did not start")


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("way", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_at_the_root_and_ends_in_good_order(home: Home, workers: str, way: signal.Signals) -> None:
    """The admin API is at the root, no header of a stranger's proxy is believed, and a stop ends with 0."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["serve", "--port", str(port), "--workers", workers]
    process = subprocess.Popen([*PROGRAM, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until_up(url, process)
        headers = {"Authorization": f"Bearer {home.admin_key}", "X-Forwarded-For": "203.0.113.9"}
        assert "admin" == httpx.get(f"{url}/v1/whoami", headers=headers).json()["name"]
        assert 401 == httpx.get(f"{url}/v1/whoami").status_code
        counted = 'keyfob_requests_total{reason="missing",verdict="denied"} 1.0'
        while not all(counted in httpx.get(f"{url}/metrics").text for _ in range(5)):
            time.sleep(0.1)  # one worker learns of another's figures within seconds
    finally:
        process.send_signal(way)
        out, words = process.communicate(timeout=30)

    assert (0, "") == (process.returncode, out)
    assert url in words
    assert "Traceback" not in words
    assert home.admin_key not in words
    (admin,) = typed("keys", "list", "--json").data["keys"]
    assert "127.0.0.1" == admin["last_used"]["ip"]


def test_the_command_line_acts_at_once_on_a_running_server(home: Home) -> None:
    """A key that is disabled at the command line is refused by the server's next answer."""
    key_id, secret = home.make("second", "--type", "admin", "--permission", "keys:read")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*PROGRAM, "serve", "--port", str(port)], stderr=subprocess.PIPE, text=True)
    try:
        until_up(url, process)
        headers = {"Authorization": f"Bearer {secret}"}
        assert 200 == httpx.get(f"{url}/v1/whoami", headers=headers).status_code
        assert 0 == typed("keys", "disable", key_id).code
        assert 401 == httpx.get(f"{url}/v1/whoami", headers=headers).status_code
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_mw_01_disable_waits_for_the_workers_of_a_server(home: Home) -> None:
    """With --wait each worker is shown with the time of its word, as a table and as JSON; a command is none of them."""
    first, second = home.make("one")[0], home.make("two")[0]
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = [*PROGRAM, "serve", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True)
    try:
        until_up(url, process)
        while 2 != len(typed("keys", "disable", first, "--wait", "--json").data["workers"]):
            time.sleep(0.1)
        shown = typed("keys", "disable", first, "--wait")
        told = typed("keys", "disable", second, "--wait", "--json").data
    finally:
        process.terminate()
        process.communicate(timeout=30)

    head, *rows = shown.out.splitlines()
    assert ["WORKER", "HOST", "CONFIRMED"] == head.split()
    assert ["is disabled", "No worker acts"] == [
        word for word in ("is disabled", "No worker acts") if word in shown.err
    ]
    assert [worker["id"] for worker in told["workers"]] == [row.split()[0] for row in rows]
    assert [True, True] == [worker["confirmed_at"] is not None for worker in told["workers"]]
    assert [] == typed("keys", "disable", first, "--wait", "--json").data["workers"]
