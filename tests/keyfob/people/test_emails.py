"""E-mail addresses: which are taken, and which are one."""

from __future__ import annotations

import pytest

from keyfob.errors import Invalid
from keyfob.management.validation import clean_email
from keyfob.people.record import folded_email

SAME = [
    ("Ana@Example.com", "ana@example.COM"),
    ("ÉMILE@example.com", "émile@example.com"),
    ("e\u0301mile@example.com", "\u00e9mile@example.com"),
]
DIFFERENT = [
    ("\u017fam@example.com", "sam@example.com"),
    ("stra\u00dfe@example.com", "strasse@example.com"),
    ("\ufb01n@example.com", "fin@example.com"),
    ("\u0131an@example.com", "ian@example.com"),
    ("\u0130an@example.com", "ian@example.com"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_upper_and_lower_case_are_one_address(one: str, other: str) -> None:
    """However the keyboard composed it."""
    assert folded_email(one) == folded_email(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_letters_that_only_look_alike_are_two(one: str, other: str) -> None:
    """Nobody becomes somebody else by a letter that folding turns into theirs."""
    assert folded_email(one) != folded_email(other)


@pytest.mark.parametrize("sign", ["\u200b", "\u00ad", "\u2060", "\u212a", "\u1fef"])
def test_an_address_holds_nothing_unseen(sign: str) -> None:
    """Whoever pasted it is told which character is wrong; a Kelvin sign is no K."""
    with pytest.raises(Invalid, match=f"U\\+{ord(sign):04X}"):
        clean_email(f"an{sign}a@example.com")


def test_blanks_around_an_address_are_not_part_of_it() -> None:
    """Not even those that do not break."""
    assert "ana@example.com" == clean_email("\u00a0 ana@example.com\u00a0")
