from __future__ import annotations

import ast
import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

import keyfob
import keyfob_admin
from keyfob.config.log_format import FallbackHandler, JSONFormatter, TextFormatter, install_fallback
from keyfob_admin import server
from tests.keyfob_admin.cli.conftest import PROGRAM, typed
from tests.keyfob_admin.cli.test_doctor_and_serve import free_port, until_up

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.keyfob_admin.cli.conftest import Home

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (DEBUG|INFO|WARNING|ERROR|CRITICAL) [a-z_.]+ ")
EVENT = re.compile(r"[a-z]+(_[a-z0-9]+)*")
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def refused_by(command: Sequence[str], path: str, *, address: str = "--port={}") -> list[str]:
    """Start a server, ask it without a key, and stop it; what it wrote to stderr, line by line."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*command, address.format(port)], stderr=subprocess.PIPE, text=True)
    try:
        until_up(url, process)
        assert 401 == httpx.get(url + path).status_code
    finally:
        process.terminate()
        _, words = process.communicate(timeout=30)
    return words.splitlines()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ff_40_every_line_of_serve_is_json(home: Home, workers: str) -> None:
    """With --log-format json each line is an object with time, level and event, the first line and refusals too."""
    lines = refused_by([*PROGRAM, "serve", "--log-format", "json", "--workers", workers], "/v1/whoami")
    told = [json.loads(line) for line in lines]

    assert all({"time", "level", "event", "message"} <= set(one) for one in told)
    assert {"serving", "request_refused"} <= {one["event"] for one in told}


def test_ff_40_every_line_of_serve_is_text(home: Home) -> None:
    """With --log-format text each line begins with its time, level and event."""
    lines = refused_by([*PROGRAM, "serve", "--log-format", "text"], "/v1/whoami")

    assert [] == [line for line in lines if LINE.match(line) is None]
    assert any(" INFO serving " in line for line in lines)
    assert any(" INFO request_refused " in line for line in lines)


APP = """
import logging
import os
from keyfob import APIKeyMiddleware

async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

app = APIKeyMiddleware(app, config="keyfob.toml", rules={"GET /healthz": {"public": True}})
watched = APIKeyMiddleware(app, config="keyfob.toml", mode="observe")
chatty = app
"""
UVICORN = [sys.executable, "-m", "uvicorn", "--no-proxy-headers"]


@pytest.mark.parametrize("form", ["text", "json"])
def test_ff_40_log_config_shows_refusals_under_uvicorn(home: Home, form: str) -> None:
    """What log-config prints works with --log-config: every line has time, level and event, and refusals appear."""
    (home.folder / "guarded.py").write_text(APP)
    (home.folder / "log.json").write_text(typed("log-config", "--log-format", form).out)
    lines = refused_by([*UVICORN, "guarded:app", "--log-config", "log.json"], "/items")
    events = [json.loads(line)["event"] if form == "json" else line.split()[2] for line in lines]

    assert "request_refused" in events
    assert "uvicorn.error" in events
    assert form == "json" or all(LINE.match(line) for line in lines)


BIND = "--bind=127.0.0.1:{}"
SERVERS = {
    "uvicorn": (UVICORN, "--port={}"),
    "granian": ([sys.executable, "-m", "granian", "--interface=asgi"], "--port={}"),
    "hypercorn": ([sys.executable, "-m", "hypercorn"], BIND),
    "gunicorn": ([sys.executable, "-m", "gunicorn", "--worker-class=asgi"], BIND),
}


@pytest.mark.parametrize("name", SERVERS)
def test_ff_40_plain_servers_show_warnings_whole(home: Home, name: str) -> None:
    """Where nobody configures logging, a warning of Keyfob's has its time, level and event all the same."""
    (home.folder / "guarded.py").write_text(APP)
    command, address = SERVERS[name]
    lines = refused_by([*command, "guarded:watched"], "/items", address=address)

    assert [True] == [bool(LINE.match(line)) for line in lines if "observe" in line]
    assert not any("request_refused" in line for line in lines)


@pytest.mark.parametrize("name", SERVERS)
def test_ff_40_a_level_is_enough_to_see_refusals(home: Home, name: str) -> None:
    """`logging.getLogger("keyfob").setLevel(logging.INFO)` shows refusals under each plain server, once."""
    (home.folder / "guarded.py").write_text(APP + "\nlogging.getLogger('keyfob').setLevel(logging.INFO)\n")
    command, address = SERVERS[name]
    lines = refused_by([*command, "guarded:app"], "/items", address=address)

    assert [True] == [bool(LINE.match(line)) for line in lines if " request_refused " in line]


def log_calls() -> Iterator[tuple[str, ast.Call]]:
    for package in (keyfob, keyfob_admin):
        for path in Path(package.__path__[0]).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS:
                    owner = ast.unparse(node.func.value)
                    if owner in {"log", "_log", "logger", "logging"} or "getLogger" in owner:
                        yield f"{path.name}:{node.lineno}", node


def event_in(call: ast.Call) -> str:
    """The event that a call names, in ``extra={"event": …}``."""
    extra = next((word.value for word in call.keywords if word.arg == "extra"), None)
    named = ast.literal_eval(extra) if isinstance(extra, ast.Dict) else {}
    return str(named.get("event", ""))


def test_ff_40_every_log_line_of_ours_names_its_event() -> None:
    """Each call that logs says what happened in one word for programs."""
    calls = list(log_calls())

    assert len(calls) > 20
    assert [] == [where for where, call in calls if EVENT.fullmatch(event_in(call)) is None]


def record_of(message: str, *, broken: bool = False) -> logging.LogRecord:
    wrong = ValueError("first\nsecond")
    trace = (ValueError, wrong, None) if broken else None
    return logging.LogRecord("keyfob", logging.ERROR, __file__, 1, message, None, trace)


def test_each_line_of_a_traceback_has_its_own_time_level_and_event() -> None:
    """No line of the text form stands for itself, however many a message or traceback has."""
    lines = TextFormatter().format(record_of("one\ntwo\r\nthree", broken=True)).splitlines()

    assert [] == [line for line in lines if LINE.match(line) is None]
    assert lines[-1].endswith("second")
    assert LINE.match(TextFormatter().format(record_of("")))


def test_json_keeps_a_traceback_on_its_line() -> None:
    """The traceback is a member of the object, and a line break in a message is escaped."""
    line = JSONFormatter().format(record_of("one\ntwo", broken=True))
    told = json.loads(line)

    assert "\n" not in line
    assert ("keyfob", "ERROR", "one\ntwo") == (told["event"], told["level"], told["message"])
    assert "ValueError: first" in told["traceback"]


def test_the_fallback_is_silent_where_logging_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    """Only a line that nobody else would write is written, and only once."""
    install_fallback()
    install_fallback()
    log = logging.getLogger("keyfob")
    (fallback,) = [handler for handler in log.handlers if isinstance(handler, FallbackHandler)]
    before, root = log.propagate, logging.getLogger()
    log.warning("heard by the handlers of pytest")
    log.propagate = False
    try:
        log.warning("heard by nobody")
        fallback.setFormatter(logging.Formatter("%(nothing)s"))
        log.warning("cannot be written")
    finally:
        log.propagate = before
        fallback.setFormatter(TextFormatter())
    written = capsys.readouterr().err

    assert root.handlers
    assert 1 == written.count("heard by")
    assert "heard by nobody" in written
    assert "--- Logging error ---" in written


def test_ff_20_connections_outlive_those_of_gateways() -> None:
    """The server keeps an idle connection for 75 seconds, longer than a gateway does, so the gateway closes first."""
    assert 75 == server._config("keyfob_admin.server:application", "text").timeout_keep_alive


HOSTS = [("0.0.0.0", True), ("::", True), ("127.0.0.1", False), ("localhost", False)]  # noqa: S104 - all addresses


@pytest.mark.parametrize(("host", "everywhere"), HOSTS)
def test_ff_44_serve_says_where_others_reach_it(home: Home, host: str, everywhere: bool) -> None:  # noqa: FBT001 - pytest's
    """Where it listens on every address it says so, with one that other machines can use, or the configured one."""
    arguments = [*PROGRAM, "serve", "--port", "0", "--host", host]
    said = []
    for environment in ({}, {"KEYFOB_ADMIN_URL": "https://keys.example.com"}):
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
        assert process.stderr is not None
        said.append(process.stderr.readline())
        process.terminate()
        process.communicate(timeout=30)

    assert everywhere == (f"every address of this machine ({host})" in said[0])
    assert everywhere != ("http://127.0.0.1:" in said[0] or "http://[::1]:" in said[0])
    assert "The console answers at https://keys.example.com, " in said[1]
