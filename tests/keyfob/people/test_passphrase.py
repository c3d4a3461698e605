"""Passphrases are long and not common; nothing else is asked of them."""

from __future__ import annotations

import pytest

from keyfob.errors import Invalid
from keyfob.people.passphrase import clean_passphrase, is_common

REFUSED = [
    "passwordpassword",
    "123456789012345",
    "PassWord PassWord",
    "aaaaaaaaaaaaaaa",
    "abcabcabcabcabcabc",
    "qwertyuiopasdfgh",
    "ponmlkjihgfedcba",
    "Correct-Horse-Battery-Staple",
    "98765432109876543210",
    "short but sweet"[:14],
    "x" * 257,
    "somebody.long@example.com",
    "SOMEBODY.long@example.com",
]
TAKEN = [
    "dry moss under nine lamps",
    "nur ein Löffel Honig",
    "               spaces matter               ",
    "x7" * 4 + "-and-then-something-else",
    "fünfzehn Zeichen",
    "日本語のパスフレーズは長くてもよい",
    "1" + "0" * 7 + "-grapes-and-figs",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_short_or_common_is_refused(text: str) -> None:
    """A message says why and never repeats what was entered."""
    with pytest.raises(Invalid) as error:
        clean_passphrase(text, email="somebody.long@example.com")

    assert text not in str(error.value)


@pytest.mark.parametrize("text", TAKEN)
def test_what_is_long_enough_is_taken(text: str) -> None:
    """There are no rules of composition, and every script counts."""
    assert clean_passphrase(text, email="somebody@example.com")


def test_one_passphrase_has_one_form() -> None:
    """However a keyboard composes a letter, the passphrase is the same."""
    composed, decomposed = "f\u00fcnfzehn Zeichen", "fu\u0308nfzehn Zeichen"

    assert clean_passphrase(composed, email=None) == clean_passphrase(decomposed, email=None)


def test_the_list_is_in_the_form_that_is_compared() -> None:
    """An entry that is never compared would be dead."""
    for common in ("iloveyousomuch1", "trustno1trustno1", "administrator123"):
        assert is_common(common)
