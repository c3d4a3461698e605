"""``keyfob rules``."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from keyfob.runtime.runtime import Runtime
from tests.keyfob_admin.cli.conftest import run, typed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.cli.conftest import Home

APP = """
from starlette.applications import Starlette
from starlette.routing import Route

async def endpoint(request): ...

app = Starlette(routes=[Route("/items", endpoint), Route("/items", endpoint, methods=["POST"]){more}])

def make():
    return app

async def plain(scope, receive, send): ...
"""


def test_check_lists_routes_with_what_they_need(home: Home) -> None:
    """By the rules of the configuration; 3 where something does not fit, 0 where all does."""
    rules = '[rules]\n"GET /items" = "items:read"\n"POST /items" = "items:write"\n\n'
    home.configure(lambda text: re.sub(r"\[rules\]\n.*?\n\n", rules, text, count=1, flags=re.DOTALL))
    (home.folder / "fitting.py").write_text(APP.replace("{more}", ""))
    (home.folder / "lacking.py").write_text(APP.replace("{more}", ', Route("/admin", endpoint)'))

    fine, lacking = run("rules", "check", "fitting:app"), run("rules", "check", "lacking:make", "--factory")
    data = run("rules", "check", "lacking:app", "--json").data

    assert (0, ["GET", "/items", "items:read", "GET", "/items"]) == (fine.code, fine.out.splitlines()[1].split())
    assert (3, True) == (lacking.code, "1 without a rule" in lacking.err)
    assert {"method": "GET", "route": "/admin", "rule": None, "public": False, "needed": [], "key_types": []} in data[
        "routes"
    ]
    assert ([], []) == (data["unused_rules"], data["misplaced_routes"])


def test_check_names_a_rule_without_a_route(home: Home) -> None:
    """A rule to which no route answers is named, and that is 3, too."""
    rules = '[rules]\n"/items" = "items:read"\n"GET /misspelt" = "items:read"\n\n'
    home.configure(lambda text: re.sub(r"\[rules\]\n.*?\n\n", rules, text, count=1, flags=re.DOTALL))
    (home.folder / "fitting.py").write_text(APP.replace("{more}", ""))

    checked = run("rules", "check", "fitting:app")

    assert (3, True) == (checked.code, 'No route answers to the rule "GET /misspelt".' in checked.err)


@pytest.mark.parametrize(
    ("application", "code"),
    [("nowhere:app", 1), ("fitting:nothing", 1), ("fitting", 2), (":app", 2), ("fitting:plain", 1)],
)
def test_check_needs_an_application_that_it_can_read(folder: Path, application: str, code: int) -> None:
    """One line says what is wrong, without a traceback."""
    (folder / "fitting.py").write_text(APP.replace("{more}", ""))

    failed = run("rules", "check", application)

    assert (code, False) == (failed.code, "Traceback" in failed.err)
    assert "Try" in failed.err or application in failed.err


OLD = '[rules]\n"GET /items" = "items:read"\n"GET /teams/{team}" = {permission = "items:read", team = "{team}"}\n'
NEW = '[rules]\n"GET /items" = "items:write"\n"/items" = "items:read"\n"GET /teams/{team}" = "items:read"\n'


async def use(home: Home, key_id: str) -> None:
    runtime = Runtime(home.settings)
    runtime.usage.note_admitted(key_id, runtime.now().timestamp(), "192.0.2.1", "GET /items")
    await runtime.usage.flush(runtime.store)
    await runtime.stop()


@pytest.mark.both_engines
def test_diff_names_keys_in_use_that_gain_or_lose_a_route(home: Home) -> None:
    """A key that nobody uses is left out; the requests that would be lost are counted."""
    key_id, _ = home.make("reader", "--permission", "items:read")
    home.make("idle", "--permission", "items:read")
    asyncio.run(use(home, key_id))
    (home.folder / "old.toml").write_text(OLD)
    (home.folder / "new.toml").write_text(NEW)

    same, other = (
        typed("rules", "diff", "old.toml", "old.toml"),
        typed("rules", "diff", "old.toml", "new.toml", "--json"),
    )

    assert (0, 1) == (same.code, len(same.out.splitlines()))
    assert 3 == other.code
    assert {"reader"} == {row["name"] for row in other.data["keys"]}
    assert {("loses", "GET /items", 1), ("gains", "POST /items", 0), ("gains", "WS /items", 0)} <= {
        (row["change"], row["route"], row["requests"]) for row in other.data["keys"]
    }
    assert "GET /teams/{team}" not in {row["route"] for row in other.data["keys"]}
    assert 1 == typed("rules", "diff", "old.toml", "nowhere.toml").code


@pytest.mark.parametrize(
    ("text", "arguments", "words"),
    [
        ("def app(:", ["broken:app"], "SyntaxError"),
        ("raise RuntimeError('no database')", ["broken:app"], "RuntimeError: no database"),
        ("import sys; sys.exit(3)", ["broken:app"], "SystemExit: 3"),
        ("app = 5", ["broken:app", "--factory"], "TypeError"),
    ],
)
def test_an_application_that_cannot_be_made_is_one_line(
    home: Home, text: str, arguments: list[str], words: str
) -> None:
    """What fails in somebody's application is named with its place, and is no finding about its routes."""
    (home.folder / "broken.py").write_text(text)
    failed = run("rules", "check", *arguments)

    assert (1, "", 1) == (failed.code, failed.out, len(failed.err.splitlines()))
    assert failed.err.startswith(f"keyfob: broken:app cannot be imported: {words.partition(':')[0]}")
    assert words in failed.err


def test_a_relative_module_is_wrong_usage(home: Home) -> None:
    """Servers take no module that begins with a dot, either."""
    assert 2 == typed("rules", "check", ".main:app").code
