"""Which keys somebody reaches, and what is said of those that they do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Forbidden, NotFound
from tests.keyfob.management.conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from keyfob.management.actor import Actor
    from keyfob.management.keys import KeyLifecycle
    from tests.keyfob.management.conftest import Office

VERBS: dict[str, Callable[[KeyLifecycle, str, str, Actor], Awaitable[object]]] = {
    "get": (lambda keys, team, key, actor: keys.get(team, key, actor=actor)),
    "update": (lambda keys, team, key, actor: keys.update(team, key, {"name": "x"}, actor=actor)),
    "disable": (lambda keys, team, key, actor: keys.disable(team, key, actor=actor)),
    "enable": (lambda keys, team, key, actor: keys.enable(team, key, actor=actor)),
    "duplicate": (lambda keys, team, key, actor: keys.duplicate(team, key, {}, actor=actor)),
    "delete": (lambda keys, team, key, actor: keys.delete(team, key, actor=actor)),
    "usage by": (lambda keys, team, key, actor: keys.usage.rows(team, key, "rule", actor=actor)),
    "usage": (lambda keys, team, key, actor: keys.usage.days(team, key, actor=actor)),
}
UNKNOWN = "0" * 16


@pytest.mark.parametrize("name", VERBS)
async def test_aa_08_another_teams_key_is_as_if_it_never_was(office: Office, name: str) -> None:
    """By the other team's path or by one's own, the answer is that for an unknown id, and the row is the same."""
    foreign = (await office.key("b")).view.record
    doer = await office.admin("keys:read", "keys:write", "keys:delete", "items:*")
    verb = VERBS[name]

    answers = set()
    for team, key_id in [("b", foreign.id), ("a", foreign.id)]:
        with pytest.raises(NotFound) as foreign_answer:
            await verb(office.keys, team, key_id, doer)
        with pytest.raises(NotFound) as unknown_answer:
            await verb(office.keys, team, UNKNOWN, doer)
        assert str(unknown_answer.value) == str(foreign_answer.value)
        answers.add(str(foreign_answer.value))

    assert foreign == (await office.keys.get("b", foreign.id, actor=ROOT)).record


@pytest.mark.parametrize("name", VERBS)
async def test_a_missing_permission_is_said_before_anything_else(office: Office, name: str) -> None:
    """Forbidden comes first, whether or not there is such a key."""
    nobody = await office.admin("keys:verify")

    for team, key_id in [("a", UNKNOWN), ("b", UNKNOWN), ("nowhere", "no id at all")]:
        with pytest.raises(Forbidden):
            await VERBS[name](office.keys, team, key_id, nobody)


@pytest.mark.parametrize("name", VERBS)
@pytest.mark.parametrize("junk", ["", "no id", "\0" * 16, "\ud800", "x" * 100_000])
async def test_what_is_no_id_is_no_key(office: Office, name: str, junk: str) -> None:
    """Junk in the place of an id never reaches the store."""
    with pytest.raises(NotFound):
        await VERBS[name](office.keys, "a", junk, ROOT)


async def test_who_holds_teams_write_acts_in_every_team(office: Office) -> None:
    """With its other permissions, and only with those."""
    foreign = (await office.key("b")).view.record
    doer = await office.admin("teams:write", "keys:read")

    assert foreign == (await office.keys.get("b", foreign.id, actor=doer)).record
    with pytest.raises(Forbidden):
        await office.keys.disable("b", foreign.id, actor=doer)
