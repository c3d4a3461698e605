"""What a caller misspells costs no more than a few comparisons (FF-48)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Invalid, suggestions
from keyfob.keys.record import Creator, KeyRecord
from keyfob.management.key_drafts import KeyDraft, accepted, patched
from keyfob.policy.catalogue import build_catalogue
from tests.keyfob.management.conftest import START

if TYPE_CHECKING:
    from collections.abc import Sequence

CATALOGUE = build_catalogue(permissions={f"items{number}:read": "x" for number in range(3000)})
WRONG = tuple(f"itmes{number}:raed" for number in range(200))


class Compared:
    """Counts what is compared with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[int, int]] = []

    def __call__(self, name: str, known: Sequence[str], **_: object) -> list[str]:
        if known:
            self.calls.append((len(name), len(known)))
        return []


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> Compared:
    counting = Compared()
    monkeypatch.setattr(suggestions, "get_close_matches", counting)
    return counting


def test_ff_48_the_first_few_wrong_names_get_a_suggestion(compared: Compared) -> None:
    """Two hundred misspelt permissions are all named, and three are compared, with some of the catalogue."""
    with pytest.raises(Invalid) as refusal:
        accepted(KeyDraft("n", permissions=WRONG), plan="enterprise", catalogue=CATALOGUE, now=START)

    assert 200 == len(refusal.value.errors)
    assert suggestions.SUGGESTED == len(compared.calls)
    assert all(known <= 500 for _, known in compared.calls)


def test_ff_48_changes_are_bounded_like_new_keys(compared: Compared) -> None:
    """A patch may name as many wrong permissions as a new key."""
    by = Creator("cli", None, "operator")
    record = KeyRecord("x", "n", "api", "a", "enterprise", (), START, by)
    with pytest.raises(Invalid):
        patched(record, {"permissions": WRONG}, CATALOGUE, now=START)

    assert suggestions.SUGGESTED == len(compared.calls)


@pytest.mark.parametrize("length", [61, 100_000])
def test_ff_48_long_names_are_compared_with_nothing(compared: Compared, length: int) -> None:
    """A name longer than any of ours is a misspelling of none."""
    name = "x" * length

    assert suggestions.nearest(name, ["x"]) is None
    assert not suggestions.is_misspelt(name, ["x"])
    assert "; known are x" == suggestions.did_you_mean(name, ["x"])
    assert [] == compared.calls


def test_ff_48_long_lists_are_cut() -> None:
    """A message lists the first fifty known names."""
    known = [f"name{number:03d}" for number in range(100)]

    assert suggestions.did_you_mean("zzzzzz", known).endswith("name049, …")
    assert "; did you mean name007?" == suggestions.did_you_mean("nmae007", known)
