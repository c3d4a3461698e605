"""What an application is told of the key beside its permissions, and the end of a replaced key."""

from __future__ import annotations

import copy
import json
import pickle
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from keyfob.gate.known_key import Entry
from keyfob.gate.verdict import Reason
from keyfob.keys.record import Creator, KeyRecord

NOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
KEY = KeyRecord("7Qx2mB9tKd03LpWz", "CI", "api", "a", "paid", (), NOON, Creator("cli", None, "ada"))


def entry(**changes: Any) -> Entry:
    return Entry(b"digest", replace(KEY, **changes), key_char="a", suspended=False, as_of=1)


def test_the_keys_metadata_lies_over_its_teams() -> None:
    """What both name is the key's, and the application cannot change either."""
    grant = entry(metadata={"a": 1}, team_metadata={"a": 2, "b": True}).granted.grant

    assert ({"a": 1, "b": True}, "paid") == (dict(grant.metadata), grant.plan)
    with pytest.raises(TypeError):
        grant.metadata["a"] = 3  # type: ignore[index]
    with pytest.raises(TypeError):
        entry().granted.grant.metadata["a"] = 3  # type: ignore[index]


@pytest.mark.parametrize("own", [{}, {"a": 1, "b": True}])
def test_a_grant_can_be_copied_and_sent_like_any_other_value(own: dict[str, Any]) -> None:
    """Applications hand a grant on: to a template, a queue, another process, or as JSON."""
    grant = entry(metadata=own).granted.grant

    assert own == asdict(grant)["metadata"] == json.loads(json.dumps(grant.metadata))
    for copied in (copy.deepcopy(grant), pickle.loads(pickle.dumps(grant))):  # noqa: S301 - one of our own
        assert grant == copied
        with pytest.raises(TypeError, match="for reading only"):
            copied.metadata["a"] = 3  # type: ignore[index]
    with pytest.raises(TypeError, match="for reading only"):
        grant.metadata.update(a=3)  # type: ignore[attr-defined]


def test_the_external_id_is_the_keys_or_else_its_teams() -> None:
    """One id reaches the application."""
    found = [
        entry(external_id=own, team_external_id=teams).granted.grant.external_id
        for own, teams in [("k", "t"), ("k", None), (None, "t"), (None, None)]
    ]

    assert ["k", "k", "t", None] == found


def test_a_key_that_ended_when_it_was_replaced_is_dead_by_every_clock() -> None:
    """A worker whose clock is behind refuses it, too; one with an overlap lives until its end."""
    behind = (NOON - timedelta(hours=1)).timestamp()
    ended = entry(replaced_by="x", replaced_at=NOON, expires_at=NOON)
    overlapping = entry(replaced_by="x", replaced_at=NOON, expires_at=NOON + timedelta(hours=1))

    why = ended.why_invalid(behind)
    assert why is not None
    assert Reason.EXPIRED == why.reason
    assert overlapping.why_invalid(behind) is None
    assert ended.ends < behind


def test_only_a_replaced_key_is_announced() -> None:
    """Deprecation is a structured date, Sunset an HTTP date; without an end there is no Sunset."""
    deprecated = (b"deprecation", b"@%d" % NOON.timestamp())
    replaced = {"replaced_by": "x", "replaced_at": NOON}

    assert entry(expires_at=NOON).granted.announcement is None
    assert (deprecated,) == entry(**replaced).granted.announcement
    assert (deprecated, (b"sunset", b"Mon, 05 May 2031 12:00:00 GMT")) == (
        entry(**replaced, expires_at=NOON + timedelta(days=1)).granted.announcement
    )
    silent = Entry(b"d", replace(KEY, **replaced), key_char="a", suspended=False, as_of=1, announces=False)  # type: ignore[arg-type]
    assert silent.granted.announcement is None
