"""The one-time link, and the command that makes one."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta

from click.testing import CliRunner

from keyfob_admin.cli import main
from keyfob_admin.sign_in.links import make_link
from tests.keyfob_admin.console.conftest import ANA, TEAM, LiveConsole, Visitor, change, hidden, words
from tests.keyfob_admin.console.sessions import is_in, linked


def test_a_link_signs_in_once(live: LiveConsole) -> None:
    """Looking at a link uses nothing; its button signs in; a second press is told that it was used."""
    path = linked(live.installation)
    with Visitor(live.url) as visitor, Visitor(live.url) as second:
        assert 200 == visitor.get(path).status_code
        form = hidden(second.get(path).text)
        assert 303 == visitor.send_form(path).status_code
        assert is_in(visitor)
        answer = second.post(path, data=form)
        assert 410 == answer.status_code
        used = "This link has already been used. Run keyfob console login for a new one."
        assert used in words(answer.text)
        assert used in words(second.get(path).text)
        assert not is_in(second)


def test_a_link_lasts_ten_minutes(live: LiveConsole) -> None:
    """After ten minutes a link is worth nothing."""

    async def make() -> str:
        async with live.installation.opened() as runtime:
            then = runtime.now() - timedelta(minutes=10)
            return await make_link(
                runtime.store, live.installation.admin, then, actor=ANA, signing=runtime.keyring.signing()
            )

    with Visitor(live.url) as visitor:
        assert 410 == visitor.get(f"/login/link/{asyncio.run(make())}").status_code


def test_the_database_has_only_a_digest_of_the_link(live: LiveConsole) -> None:
    """Who reads the database cannot use a link."""
    token = linked(live.installation).rpartition("/")[2]
    store = live.installation.settings.store or ""
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        rows = repr(database.execute("SELECT * FROM sign_in_links").fetchall())
    database.close()
    assert token not in rows


def test_a_link_falls_with_its_key(live: LiveConsole) -> None:
    """A link of a key that was disabled since signs nobody in."""
    key, _ = live.make("second", key_type="admin", permissions=("*",))
    path = linked(live.installation, key)
    with Visitor(live.url) as visitor:
        form = hidden(visitor.get(path).text)
        change(live.installation, lambda runtime: runtime.lifecycle.disable(TEAM, key.id, actor=ANA))
        assert 410 == visitor.post(path, data=form).status_code


def test_the_command_prints_a_link_that_works(live: LiveConsole, config: str) -> None:
    """`keyfob console login` prints the link alone on stdout; it acts as the oldest key that may do everything."""
    ran = CliRunner().invoke(main, ["console", "login", "--config", config, "--url", f"{live.url}/"])
    assert 0 == ran.exit_code
    assert ran.stdout.startswith(f"{live.url}/login/link/")
    assert "signs in as root, once" in ran.stderr
    with Visitor(live.url) as visitor:
        assert 303 == visitor.send_form(ran.stdout.strip().removeprefix(live.url)).status_code
        assert "Signed in as root" in words(visitor.get("/keys").text)


def test_the_command_acts_as_the_key_that_is_named(live: LiveConsole, config: str) -> None:
    """With --as the link acts as another admin key, and refuses one that cannot sign in."""
    key, _ = live.make("auditor", key_type="admin", permissions=("audit:read",))
    plain, _ = live.make("plain")
    named = CliRunner().invoke(main, ["console", "login", "--config", config, "--as", key.id, "--json"])
    assert 0 == named.exit_code
    assert f'"key_id":"{key.id}"' in named.stdout
    refused = CliRunner().invoke(main, ["console", "login", "--config", config, "--as", plain.id])
    assert 5 == refused.exit_code
    missing = CliRunner().invoke(main, ["console", "login", "--config", config, "--as", "0" * 16])
    assert 4 == missing.exit_code
