"""The first page of a new installation shows three steps, which tick themselves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from keyfob.keys.record import LastUse
from keyfob.store.contract.key_store import KeyView, Use
from keyfob_admin.console.first_steps import FirstSteps, first_steps
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, change, words


def test_the_steps_tick_themselves(visitor: Visitor, live: LiveConsole) -> None:
    """Nothing is done at first; then the key is made; then it was used, and all three are."""
    said = words(visitor.get("/keys").text)
    assert "First steps Create a key Call your API with it: curl" in said
    assert "Done:" not in said
    key, _ = live.make("first")
    assert 1 == words(visitor.get("/keys").text).count("Done: ")
    now = datetime.now(UTC)
    change(live.installation, lambda runtime: runtime.store.add_usage({key.id: Use(now, None, {now.date(): 1})}))
    said = words(visitor.get("/keys").text)
    assert "Your first key works" in said
    assert 3 == said.count("Done: ")


def test_the_steps_go_with_the_second_key(visitor: Visitor, live: LiveConsole) -> None:
    """Who has two keys knows the way; a search or a filter never shows the steps."""
    assert "First steps" not in words(visitor.get("/keys?state=active").text)
    live.make("one")
    assert "First steps" in words(visitor.get("/keys").text)
    live.make("two")
    assert "First steps" not in words(visitor.get("/keys").text)


def test_the_steps_go_a_day_after_the_first_key(live: LiveConsole) -> None:
    """Whoever needs but one key is shown the steps until it was used, and is not congratulated for good."""
    key, _ = live.make("the only one")
    old = KeyView(replace(key, created_at=key.created_at - timedelta(days=1)), None)
    assert FirstSteps(made=True, used=False) == first_steps((old,), 1, key.created_at)
    assert first_steps((replace(old, last_used=LastUse(key.created_at, None)),), 1, key.created_at) is None
