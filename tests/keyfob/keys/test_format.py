from __future__ import annotations

import re
import secrets

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.keys.format import (
    ALPHABET,
    KEY_CHAR_AT,
    LONGEST,
    KeyText,
    compose,
    display,
    key_id_of,
    new_key_id,
    new_secret,
    parse_key,
)
from tests.keyfob.keys.key_samples import GOOD, ID, SECRET, TAG, a_key

CONTRACT = re.compile(r"\bkf_(?:api|computer|scim|admin)_[0-9A-Za-z]{16}_[0-9A-Za-z]{64}\b")

words = st.from_regex(r"[a-z][a-z0-9]{1,15}", fullmatch=True)
letters = st.sampled_from(ALPHABET)


def letters_of(length: int) -> st.SearchStrategy[str]:
    return st.text(letters, min_size=length, max_size=length)


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
    assert (SECRET, "a", TAG, "1ycLqD") == (key.secret, key.key_char, key.tag, key.checksum)
    assert GOOD[: GOOD.index(TAG)] == key.tagged
    assert (f"kf_api_{ID}", "a") == (key.display, GOOD[KEY_CHAR_AT])


def test_the_longest_key_is_read_and_one_character_more_is_not() -> None:
    """The length that is refused unseen is above the longest prefix and type that can be configured."""
    longest = a_key(key_type="t" * 16, prefix="b" * 16)

    assert LONGEST == len(longest.text)
    assert longest == parse_key(longest.text, prefix="b" * 16)


@settings(deadline=None)
@given(words, words, letters_of(16), letters_of(43), letters, letters_of(14))
def test_what_is_composed_is_parsed(prefix: str, key_type: str, key_id: str, secret: str, char: str, tag: str) -> None:
    """Every key that can be written can be read, and reading gives the same fields."""
    key = compose(key_type=key_type, key_id=key_id, secret=secret, key_char=char, tag=lambda _: tag, prefix=prefix)

    assert key == parse_key(key.text, prefix=prefix)
    assert (prefix, key_type, key_id, secret, char, tag) == (
        key.prefix,
        key.key_type,
        key.key_id,
        key.secret,
        key.key_char,
        key.tag,
    )


def test_the_tag_is_asked_for_everything_before_it() -> None:
    """The tag covers prefix, type, id, secret and key character."""
    asked: list[str] = []

    def tag(tagged: str) -> str:
        asked.append(tagged)
        return TAG

    key = compose(key_type="api", key_id=ID, secret=SECRET, key_char="a", tag=tag)

    assert [f"kf_api_{ID}_{SECRET}a"] == asked == [key.tagged]


WRONG_FIELDS = [
    {"key_type": "a"},
    {"key_type": "API"},
    {"key_type": "a_b"},
    {"key_id": ID[1:]},
    {"secret": SECRET + "0"},
    {"key_char": ""},
    {"secret": SECRET[1:], "key_char": "aa"},
    {"prefix": "k"},
    {"key_id": ID[1:] + "\u0663"},
]


@pytest.mark.parametrize("wrong", WRONG_FIELDS, ids=str)
def test_no_key_is_written_that_could_not_be_read(wrong: dict[str, str]) -> None:
    """A field without its shape is an error where the key is made, not when it is first used."""
    fields = {"key_type": "api", "key_id": ID, "secret": SECRET, "key_char": "a", "prefix": "kf"} | wrong

    with pytest.raises(ValueError, match="malformed"):
        compose(**fields, tag=lambda _: TAG)


@pytest.mark.parametrize("text", [ID, f"kf_api_{ID}", f"kf_computer_{ID}", GOOD, GOOD[:-1] + "0"])
def test_an_id_is_found_in_all_its_forms(text: str) -> None:
    """Paths, the command line and the search take the id, the shown form, and a whole key even if mistyped."""
    assert ID == key_id_of(text)


@pytest.mark.parametrize(
    "text", ["", ID[1:], ID + "0", ID + "\n", f"kf_api_{ID}\n", f"kf__{ID}", f"xx_api_{ID}", f"kf_api_{ID}_", GOOD[:-1]]
)
def test_no_id_is_found_in_anything_else(text: str) -> None:
    """Another prefix, a cut key or a line end is not taken for an id."""
    assert None is key_id_of(text)


def test_the_shown_form_follows_the_prefix() -> None:
    """What is shown of a key reads the same in a parsed key and in a record."""
    assert f"acme_api_{ID}" == display("api", ID, "acme") == a_shown(prefix="acme")


def a_shown(prefix: str) -> str:
    return compose(key_type="api", key_id=ID, secret=SECRET, key_char="a", tag=lambda _: TAG, prefix=prefix).display


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


def test_se_01_what_is_printed_of_a_key_holds_no_secret() -> None:
    """Neither ``repr`` nor ``str`` nor a format of a parsed key shows its secret, its tag or the whole."""
    key = parse_key(GOOD)

    for printed in (repr(key), str(key), f"{key}", f"{[key]}"):
        assert ID in printed
        assert [] == [part for part in (SECRET, TAG, GOOD, "1ycLqD") if part in printed]
