from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.keys.format import BODY_LENGTH, checksum, key_id_of, parse_key
from tests.keyfob.keys.key_samples import GOOD, ID, a_key


def test_kf_02_a_typo_is_told_from_a_key_offline() -> None:
    """Any one character of the body, changed, is noticed without a server."""
    typos = [
        GOOD[:at] + ("0" if GOOD[at] != "0" else "1") + GOOD[at + 1 :]
        for at in range(len(GOOD) - BODY_LENGTH, len(GOOD))
    ]

    assert parse_key(GOOD) is not None
    assert [None] * BODY_LENGTH == [parse_key(typo) for typo in typos]


@settings(deadline=None)
@given(st.data())
def test_two_swapped_characters_are_noticed(data: st.DataObject) -> None:
    """Two neighbours that change places make another checksum."""
    at = data.draw(st.integers(len("kf_api_"), len(GOOD) - 2))
    swapped = GOOD[:at] + GOOD[at + 1] + GOOD[at] + GOOD[at + 2 :]

    assert (GOOD[at] == GOOD[at + 1]) == (parse_key(swapped) is not None)


NOT_THE_EXACT_BYTES = {
    "nothing": "",
    "upper case": GOOD.upper(),
    "lower case": GOOD.lower(),
    "prefix in upper case": "KF" + GOOD[2:],
    "type in upper case": GOOD.replace("api", "API"),
    "double quotes": f'"{GOOD}"',
    "single quotes": f"'{GOOD}'",
    "percent-encoded underscore": GOOD.replace("_", "%5F"),
    "percent-encoded letter": GOOD.replace("Q", "%51"),
    "zero-width space behind": GOOD + "\u200b",
    "zero-width space before": "\u200b" + GOOD,
    "zero-width space inside": GOOD[:30] + "\u200b" + GOOD[30:],
    "byte order mark": "\ufeff" + GOOD,
    "space before": " " + GOOD,
    "space behind": GOOD + " ",
    "line end behind": GOOD + "\n",
    "carriage return behind": GOOD + "\r",
    "null behind": GOOD + "\0",
    "twice": GOOD + GOOD,
    "two with a comma": f"{GOOD},{GOOD}",
    "Bearer before": f"Bearer {GOOD}",
    "other separator": GOOD.replace("_", "-"),
    "full-width underscore": GOOD.replace("_", "\uff3f"),
    "shown form": f"kf_api_{ID}",
    "one character short": GOOD[:-1],
    "one character more": GOOD + "0",
    "signal": GOOD[:40] + "\a" + GOOD[41:],
    "delete": GOOD[:40] + "\x7f" + GOOD[41:],
    "escape": GOOD[:40] + "\x1b" + GOOD[41:],
    "lone surrogate": GOOD[:40] + "\ud800" + GOOD[41:],
}


@pytest.mark.parametrize("text", NOT_THE_EXACT_BYTES.values(), ids=NOT_THE_EXACT_BYTES.keys())
def test_cp_21_only_the_exact_text_is_a_key(text: str) -> None:
    """Case, quotes, escapes, invisible characters and blanks are never forgiven."""
    assert None is parse_key(text)


FOREIGN = {
    "arabic-indic digit": "\u0663",
    "full-width digit": "\uff11",
    "superscript digit": "\u00b2",
    "mathematical digit": "\U0001d7d9",
    "full-width letter": "\uff21",
    "cyrillic a": "\u0430",
    "long s": "\u017f",
    "kelvin sign": "\u212a",
}


FIELDS = {"prefix": 1, "type": 4, "id": 9, "secret": 30, "keyring": 67, "tag": 70}


def resummed(text: str) -> str:
    """The same text with a checksum that is right."""
    return text[:-6] + checksum(text[:-6])


@pytest.mark.parametrize("at", FIELDS.values(), ids=FIELDS.keys())
@pytest.mark.parametrize("char", FOREIGN.values(), ids=FOREIGN.keys())
def test_digits_and_letters_of_other_scripts_are_refused_everywhere(char: str, at: int) -> None:
    """What Unicode calls a digit or folds to a letter is no character of a key, right checksum or not."""
    text = GOOD[:at] + char + GOOD[at + 1 :]

    assert None is parse_key(text)
    assert None is parse_key(resummed(text))
    assert None is key_id_of(text)


@pytest.mark.parametrize("char", FOREIGN.values(), ids=FOREIGN.keys())
def test_digits_and_letters_of_other_scripts_are_no_checksum(char: str) -> None:
    """A checksum is compared character for character."""
    assert None is parse_key(GOOD[:-1] + char)


class Vast:
    """Something of which only the length can be asked."""

    def __len__(self) -> int:
        return 200_000


def test_cp_15_a_vast_text_is_refused_by_its_length_alone() -> None:
    """Nothing but the length of 200 KB is looked at."""
    vast = cast("str", Vast())

    assert None is parse_key(vast)
    assert None is key_id_of(vast)


def test_a_key_of_another_prefix_is_no_key() -> None:
    """Two Keyfobs with their own prefixes never take each other's keys."""
    acme = a_key(prefix="acme").text

    assert None is parse_key(acme)
    assert None is parse_key(GOOD, prefix="acme")
    assert "acme" == getattr(parse_key(acme, prefix="acme"), "prefix", None)


@pytest.mark.parametrize("prefix", ["", "k", ".*", "kf_api", "KF", "[a-z]+"])
def test_a_prefix_that_cannot_be_matches_nothing(prefix: str) -> None:
    """A prefix is compared, never read as a pattern."""
    assert None is parse_key(GOOD, prefix=prefix)


@settings(deadline=None)
@given(st.text(max_size=130))
def test_no_text_makes_parsing_fail(text: str) -> None:
    """Whatever is presented, the answer is a key or None, never an exception."""
    assert parse_key(text) is None
    assert key_id_of(text) in {None, text}
