"""What users of an application are told of the people who run the installation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.management.key_drafts import KeyDraft
from keyfob.people.record import PersonState
from tests.keyfob_admin.console.conftest import ANA, OTHER_TEAM, TEAM, hidden
from tests.keyfob_admin.embedding.conftest import PREFIX, Application
from tests.keyfob_admin.embedding.test_page import KEYS, made

if TYPE_CHECKING:
    from tests.keyfob_admin.console.conftest import Installation

pytestmark = pytest.mark.both_engines


async def _work_of_an_operator(installation: Installation, changed: str, deleted: str) -> str:
    """Have an owner, at the console, make one key, change another and delete a third; give the new one's id."""
    async with installation.opened() as runtime:
        invited = (await runtime.people.invite("olga@ops.example", team=OTHER_TEAM, role="owner", actor=ANA)).person
        olga = replace(invited, state=PersonState.ACTIVE)
        await runtime.store.change(lambda rows: rows.put_person(olga))
        stored = await runtime.store.people.one(olga.id)
        actor = runtime.authority.actor(stored, TEAM, "198.51.100.9")
        assert actor is not None
        made_by_her = await runtime.lifecycle.create(TEAM, KeyDraft("new", permissions=("items:read",)), actor=actor)
        await runtime.lifecycle.update(TEAM, changed, {"permissions": ["users:read"]}, actor=actor)
        await runtime.lifecycle.update(TEAM, made_by_her.key.id, {"owner": "team"}, actor=actor)
        await runtime.lifecycle.disable(TEAM, deleted, actor=actor)
        await runtime.lifecycle.delete(TEAM, deleted, actor=actor)
        return made_by_her.key.id


def test_operators_are_an_administrator(application: Application) -> None:
    """No page, search or export names a person of the console, or their addresses; colleagues are named."""
    with application.visitor("ann") as ann:
        changed, deleted = made(ann, "changed"), made(ann, "deleted")
        new = asyncio.run(_work_of_an_operator(application.installation, changed, deleted))
        pages = [
            ann.get(f"{KEYS}/{new}"),
            ann.get(f"{KEYS}/{new}/permissions"),
            ann.get(f"{KEYS}/{changed}/permissions"),
            ann.get(f"{KEYS}/{changed}/activity"),
            ann.get(f"{PREFIX}/activity?action=key.deleted"),
            ann.post(f"{PREFIX}/find", data={**hidden(ann.get(KEYS).text), "text": deleted}),
            ann.get(f"{PREFIX}/activity/export.csv?action=key.created"),
            ann.get(f"{PREFIX}/activity/export.ndjson?action=key.created"),
        ]
        for page in pages:
            assert "An administrator" in page.text, page.url
            assert "olga" not in page.text, page.url
            assert "198.51.100.9" not in page.text, page.url
        assert "Ann Smith" in pages[3].text
        assert "Ann Smith" in pages[7].text
