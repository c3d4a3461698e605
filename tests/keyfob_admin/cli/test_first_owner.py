"""`keyfob serve` says how to make the first owner, until one has signed in."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.management.actor import Actor
from keyfob.runtime.runtime import Runtime
from keyfob_admin.sessions import SignIn
from tests.keyfob_admin.cli.conftest import PROGRAM, typed
from tests.keyfob_admin.cli.test_doctor_and_serve import free_port, until_up

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

HINT = "No owner has signed in yet: `keyfob people invite EMAIL --role owner` prints a link for the first one\n"


def said(*arguments: str) -> str:
    """What the server says from its start to its end."""
    port = free_port()
    process = subprocess.Popen([*PROGRAM, "serve", "--port", str(port), *arguments], stderr=subprocess.PIPE, text=True)
    try:
        until_up(f"http://127.0.0.1:{port}", process)
    finally:
        process.terminate()
        words = process.communicate(timeout=60)[1]
    return str(words)


async def join(email: str) -> None:
    """Invite an owner, who joins with the link."""
    runtime = Runtime(load_settings(environ={"KEYFOB_CONFIG": "keyfob.toml"}))
    try:
        await runtime.freshness.ensure()
        made = await runtime.people.invite(email, team="default", role="owner", actor=Actor.command_line("operator"))
        link = await SignIn(runtime).person_link(made.token or "")
        assert link is not None
        await runtime.passphrases.join(link, "dry moss under nine lamps", None)
    finally:
        await runtime.stop()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_without_an_owner_it_says_how_to_make_one(home: Home, workers: str) -> None:
    """It names a command that works as it stands; who is only invited is no owner yet."""
    assert home.admin_key
    assert HINT in said("--workers", workers)
    assert "/invitation/" in typed("people", "invite", "ana@example.com", "--role", "owner").out
    assert HINT in said("--workers", workers)


def test_in_a_log_it_is_an_event(home: Home) -> None:
    """With --log-format it is a line of the log, as the first one is."""
    assert home.admin_key
    events = [json.loads(line)["event"] for line in said("--log-format", "json").splitlines()]
    assert ["serving", "no_owner"] == [event for event in events if event in {"serving", "no_owner"}]


def test_with_an_owner_nothing_is_said(home: Home) -> None:
    """Once an owner has joined, the hint is gone for good."""
    assert home.admin_key
    asyncio.run(join("ana@example.com"))
    assert HINT not in said()


def test_where_people_do_not_sign_in_nothing_is_said(home: Home) -> None:
    """An installation of admin keys alone needs no owner."""
    config = home.folder / "keyfob.toml"
    config.write_text(config.read_text() + "\n[people]\nsign_in = []\n")
    assert HINT not in said()
