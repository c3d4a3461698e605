"""What should be reviewed above the list: keys whose owner left, and how little work the page costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob.store.sqlite.store import SQLiteStore
from tests.keyfob_admin.console.conftest import TEAM, words
from tests.keyfob_admin.console.key_lists import fill, names_on
from tests.keyfob_admin.console.people import CLI, beside, closing, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from keyfob.runtime.runtime import Runtime
    from tests.keyfob_admin.console.conftest import LiveConsole, Visitor

__all__ = ["closing"]


def test_keys_whose_owner_left_are_one_link_away(visitor: Visitor, live: LiveConsole) -> None:
    """They are counted and listed at once, while they work; an owner of another team, who is here, has not left."""
    person, browser = joined(live, "cleo@example.com")
    _, owner = joined(live, "ana@example.com", "owner", team="globex")
    for number in range(2):
        browser.send_form("/keys/new?type=api", name=f"job {number}", permission="items:read", expires="never")
    owner.send_form(f"/keys/new?type=api&team={TEAM}", name="of the owner", permission="items:read", expires="never")

    async def leave(runtime: Runtime) -> None:
        await runtime.offboarding.run(person.id, keys="keep", actor=CLI)

    assert "owners left" not in words(visitor.get("/keys").text)
    beside(live, leave)
    page = visitor.get("/keys").text
    assert "2 owners left" in words(page)
    assert 'href="/keys?review=left"' in page
    assert ["job 1", "job 0"] == names_on(visitor.get("/keys?review=left").text)


def test_a_warm_page_asks_little_however_many_keys_there_are(
    visitor: Visitor, live: LiveConsole, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the statements nor the rows that they bring grow with the keys of the team."""
    rows: list[int] = []
    read = SQLiteStore.read

    async def counting(store: SQLiteStore, *args: Any) -> list[Sequence[Any]]:
        found = await read(store, *args)
        rows.append(len(found))
        return found

    def work() -> tuple[int, int]:
        visitor.get("/keys")  # counts what should be reviewed
        asked = []
        for _ in range(3):  # some things are read every few seconds only
            rows.clear()
            assert 200 == visitor.get("/keys").status_code
            asked.append((len(rows), sum(rows)))
        return min(asked)

    fill(live, 60)
    monkeypatch.setattr(SQLiteStore, "read", counting)
    few = work()
    fill(live, 300)
    assert few == work()
    assert few[0] <= 12
    assert few[1] <= 51 + 50 * 30 + 20
