"""Types of key that a configuration changes: how many of them there may be, what is taken, and what is no more."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.console.conftest import (
    ANA,
    OTHER_TEAM,
    TEAM,
    LiveConsole,
    Visitor,
    change,
    installed,
    running,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def configured(folder: Path, **settings: Any) -> Iterator[tuple[LiveConsole, Visitor]]:
    """A console under *settings*, and somebody who may do everything."""
    installation = asyncio.run(installed(folder, **settings))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        yield LiveConsole(url, installation), visitor


def test_a_type_of_several_keys_is_no_type_of_one(tmp_path: Path) -> None:
    """Where a team may have fifty keys of a type, the choice says so, and the menu of a row offers to copy one."""
    with configured(tmp_path, key_types={"api": {"per_team": 50}}) as (live, visitor):
        key, _ = live.make("one of many")
        said = words(visitor.get("/keys/new").text)
        assert "call your HTTP API. At most 50 per team. Team computer key" in said
        assert f"/keys/{key.id}/duplicate" in visitor.get("/keys").text


def test_a_copy_that_cannot_be_made_is_off_from_the_start(tmp_path: Path) -> None:
    """Where the plan lacks the type or the team has all of them, the key's page says so before a form is filled in."""
    with configured(tmp_path, key_types={"api": {"per_team": 1}}) as (live, visitor):
        key, _ = live.make("the only one")
        said = words(visitor.get(f"/keys/{key.id}").text)
        assert "A public API key already exists. Delete it to create a new one." in said
    (tmp_path / "plans").mkdir()
    with configured(tmp_path / "plans") as (live, visitor):
        key, _ = live.make("suspended")
        change(live.installation, lambda runtime: runtime.teams.update(TEAM, {"plan": "teams"}, actor=ANA))
        page = visitor.get(f"/keys/{key.id}").text
        assert "The plan of this team, teams, doesn't include keys of this type." in words(page)
        assert f'href="/keys/{key.id}/duplicate"' not in page


@pytest.mark.parametrize("page", ["", "/permissions", "/activity", "/edit", "/duplicate", "/replace", "/disable"])
def test_keys_of_a_type_that_the_configuration_has_no_more_can_still_be_ended(tmp_path: Path, page: str) -> None:
    """The list and the key's pages show them by the type's name; they keep what they hold, and are disabled there."""
    robot = {"robot": {"label": "Robot key", "per_team": "many", "permissions": ["items:read"]}}
    made = asyncio.run(
        installed(tmp_path, key_types=robot, plans={"enterprise": {"key_types": ["api", "computer", "robot"]}})
    )
    key, _ = asyncio.run(made.make("old robot", key_type="robot", permissions=None))
    settings = replace(made.settings, key_types={}, plans={})
    with running(replace(made, settings=settings)) as url, Visitor(url) as visitor:
        visitor.sign_in(made.admin_key)
        assert "old robot" in words(visitor.get("/keys").text)
        shown = visitor.get(f"/keys/{key.id}{page}")
        assert (200, True) == (shown.status_code, "old robot" in words(shown.text))
        if not page:
            assert "The configuration has no keys of this type any more." in words(shown.text)
            assert 303 == visitor.send_form(f"/keys/{key.id}/edit", name="older robot").status_code
            assert 303 == visitor.send_form(f"/keys/{key.id}/disable").status_code
            assert "older robot Disabled" in words(visitor.get(f"/keys/{key.id}").text)


def test_the_secret_of_a_types_only_key_says_what_can_be_done_without_it(tmp_path: Path) -> None:
    """A key of which a team has one cannot be duplicated, so its page says to replace it."""
    with configured(tmp_path) as (_, visitor):
        shown = words(visitor.send_form("/keys/new?type=computer", name="laptops").text)
        assert "You would need to replace the key to get a new secret." in shown
        assert OTHER_TEAM not in shown
