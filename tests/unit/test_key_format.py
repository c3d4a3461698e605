from __future__ import annotations

import re
import secrets
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.key_format import (
    ALPHABET,
    BODY_LENGTH,
    LONGEST,
    RING_CHAR_AT,
    KeyText,
    base62,
    checksum,
    compose,
    display,
    from_base62,
    key_id_of,
    new_key_id,
    new_secret,
    parse_key,
)

ID = "7Qx2mB9tKd03LpWz"
SECRET = ALPHABET[:43]
TAG = "27gEOnQ19lja8S"
GOOD = f"kf_api_{ID}_{SECRET}a{TAG}1ycLqD"  # its checksum was computed by other means
CONTRACT = re.compile(r"\bkf_(api|computer|scim|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b")

words = st.from_regex(r"[a-z][a-z0-9]{1,15}", fullmatch=True)
letters = st.sampled_from(ALPHABET)


def letters_of(length: int) -> st.SearchStrategy[str]:
    return st.text(letters, min_size=length, max_size=length)


def resummed(text: str) -> str:
    """The same text with a checksum that is right."""
    return text[:-6] + checksum(text[:-6])


def a_key(key_type: str = "api", brand: str = "kf") -> KeyText:
    return compose(
        key_type=key_type,
        key_id=new_key_id(),
        secret=new_secret(),
        ring_char="a",
        tag=lambda _: TAG,
        brand=brand,
    )


@pytest.mark.parametrize("key_type", ["api", "computer", "scim", "admin"])
def test_kf_01_a_thousand_keys_match_the_published_pattern(key_type: str) -> None:
    """Whatever random characters a key has, secret scanners find it and Keyfob can read it."""
    keys = [a_key(key_type) for _ in range(1000)]

    assert [] == [key.key_id for key in keys if not CONTRACT.fullmatch(key.text)]
    assert keys == [parse_key(key.text) for key in keys]
    assert 1000 == len({key.key_id for key in keys}) == len({key.secret for key in keys})


def test_a_key_is_taken_apart_field_by_field() -> None:
    """Each field of the drawing is found where the drawing shows it."""
    key = parse_key(GOOD)

    assert KeyText("kf", "api", ID, GOOD) == key
    assert key is not None
    assert (SECRET, "a", TAG, "1ycLqD") == (key.secret, key.ring_char, key.tag, key.checksum)
    assert GOOD[: GOOD.index(TAG)] == key.tagged
    assert (f"kf_api_{ID}", "a") == (key.display, GOOD[RING_CHAR_AT])


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
    "brand in upper case": "KF" + GOOD[2:],
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
    "bell": GOOD[:40] + "\a" + GOOD[41:],
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


FIELDS = {"brand": 1, "type": 4, "id": 9, "secret": 30, "ring": 67, "tag": 70}


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


def test_the_longest_key_is_read_and_one_character_more_is_not() -> None:
    """The length that is refused unseen is above the longest brand and type that can be configured."""
    longest = a_key(key_type="t" * 16, brand="b" * 16)

    assert LONGEST == len(longest.text)
    assert longest == parse_key(longest.text, brand="b" * 16)


def test_a_key_of_another_brand_is_no_key() -> None:
    """Two Keyfobs with their own brands never take each other's keys."""
    acme = a_key(brand="acme").text

    assert None is parse_key(acme)
    assert None is parse_key(GOOD, brand="acme")
    assert "acme" == getattr(parse_key(acme, brand="acme"), "brand", None)


@pytest.mark.parametrize("brand", ["", "k", ".*", "kf_api", "KF", "[a-z]+"])
def test_a_brand_that_cannot_be_matches_nothing(brand: str) -> None:
    """A brand is compared, never read as a pattern."""
    assert None is parse_key(GOOD, brand=brand)


@settings(deadline=None)
@given(words, words, letters_of(16), letters_of(43), letters, letters_of(14))
def test_what_is_composed_is_parsed(brand: str, key_type: str, key_id: str, secret: str, char: str, tag: str) -> None:
    """Every key that can be written can be read, and reading gives the same fields."""
    key = compose(key_type=key_type, key_id=key_id, secret=secret, ring_char=char, tag=lambda _: tag, brand=brand)

    assert key == parse_key(key.text, brand=brand)
    assert (brand, key_type, key_id, secret, char, tag) == (
        key.brand,
        key.key_type,
        key.key_id,
        key.secret,
        key.ring_char,
        key.tag,
    )


@settings(deadline=None)
@given(st.text(max_size=130))
def test_no_text_makes_parsing_fail(text: str) -> None:
    """Whatever is presented, the answer is a key or None, never an exception."""
    assert parse_key(text) is None
    assert key_id_of(text) in {None, text}


def test_the_tag_is_asked_for_everything_before_it() -> None:
    """The tag covers brand, type, id, secret and ring character."""
    asked: list[str] = []

    def tag(tagged: str) -> str:
        asked.append(tagged)
        return TAG

    key = compose(key_type="api", key_id=ID, secret=SECRET, ring_char="a", tag=tag)

    assert [f"kf_api_{ID}_{SECRET}a"] == asked == [key.tagged]


WRONG_FIELDS = [
    {"key_type": "a"},
    {"key_type": "API"},
    {"key_type": "a_b"},
    {"key_id": ID[1:]},
    {"secret": SECRET + "0"},
    {"ring_char": ""},
    {"secret": SECRET[1:], "ring_char": "aa"},
    {"brand": "k"},
    {"key_id": ID[1:] + "\u0663"},
]


@pytest.mark.parametrize("wrong", WRONG_FIELDS, ids=str)
def test_no_key_is_written_that_could_not_be_read(wrong: dict[str, str]) -> None:
    """A field without its shape is an error where the key is made, not when it is first used."""
    fields = {"key_type": "api", "key_id": ID, "secret": SECRET, "ring_char": "a", "brand": "kf"} | wrong

    with pytest.raises(ValueError, match="shape"):
        compose(**fields, tag=lambda _: TAG)


@pytest.mark.parametrize("text", [ID, f"kf_api_{ID}", f"kf_computer_{ID}", GOOD, GOOD[:-1] + "0"])
def test_an_id_is_found_in_all_its_forms(text: str) -> None:
    """Paths, the command line and the search take the id, the shown form, and a whole key even if mistyped."""
    assert ID == key_id_of(text)


@pytest.mark.parametrize(
    "text", ["", ID[1:], ID + "0", ID + "\n", f"kf_api_{ID}\n", f"kf__{ID}", f"xx_api_{ID}", f"kf_api_{ID}_", GOOD[:-1]]
)
def test_no_id_is_found_in_anything_else(text: str) -> None:
    """Another brand, a cut key or a line end is not taken for an id."""
    assert None is key_id_of(text)


def test_the_shown_form_follows_the_brand() -> None:
    """What is shown of a key reads the same in a parsed key and in a record."""
    assert f"acme_api_{ID}" == display("api", ID, "acme") == a_shown(brand="acme")


def a_shown(brand: str) -> str:
    return compose(key_type="api", key_id=ID, secret=SECRET, ring_char="a", tag=lambda _: TAG, brand=brand).display


def test_ids_and_secrets_are_new_each_time() -> None:
    """16 and 43 characters of the alphabet, never the same twice, every character in use."""
    ids, tails = {new_key_id() for _ in range(500)}, {new_secret() for _ in range(500)}

    assert (500, 500) == (len(ids), len(tails))
    assert ({16}, {43}) == ({len(text) for text in ids}, {len(text) for text in tails})
    assert set(ALPHABET) == set("".join(tails))


def test_randomness_is_the_operating_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    """Characters are chosen by the generator of the operating system, whose state nobody can seed."""
    monkeypatch.setattr(secrets, "choice", lambda letters: letters[61])

    assert ("z" * 16, "z" * 43) == (new_key_id(), new_secret())


@settings(deadline=None)
@given(st.integers(0, 2**80 - 1))
def test_base_62_can_be_read_back(number: int) -> None:
    """14 digits hold every number of 80 bits, most significant first."""
    text = base62(number, 14)

    assert 14 == len(text)
    assert number == sum(ALPHABET.index(char) * 62**place for place, char in enumerate(reversed(text)))
    assert number == from_base62(text)


@pytest.mark.parametrize("foreign", ["\x00", "\x01", " ", "_", "é", "٣", "\U0001d7ce"])
def test_a_character_that_is_no_digit_stands_for_no_number(foreign: str) -> None:
    """Two texts never read as the same number, whatever else Unicode calls a digit."""
    with pytest.raises(ValueError, match="base 62"):
        from_base62(f"12{foreign}34")


@pytest.mark.parametrize("number", [-1, 62**6])
def test_a_number_that_does_not_fit_is_an_error(number: int) -> None:
    """A checksum is never cut."""
    with pytest.raises(ValueError, match="does not fit"):
        base62(number, 6)


def test_se_01_what_is_printed_of_a_key_holds_no_secret() -> None:
    """Neither ``repr`` nor ``str`` nor a format of a parsed key shows its secret, its tag or the whole."""
    key = parse_key(GOOD)

    for printed in (repr(key), str(key), f"{key}", f"{[key]}"):
        assert ID in printed
        assert [] == [part for part in (SECRET, TAG, GOOD, "1ycLqD") if part in printed]
