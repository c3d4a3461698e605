from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.keys.format import compose
from keyfob.keys.scan import Form, mentions

KEY_ID = "7Qx2mB9tKd03LpWz"


def key(prefix: str = "kf") -> str:
    """A whole key with a right checksum."""
    return compose(
        key_type="api", key_id=KEY_ID, secret="s" * 43, key_char="a", tag=lambda _: "0" * 14, prefix=prefix
    ).text


KEY = key()
DAMAGED = KEY[:-1] + ("0" if KEY[-1] != "0" else "1")


@pytest.mark.parametrize(
    "surrounded",
    [
        KEY,
        f"Authorization: Bearer {KEY}\r\n",
        f'{{"key":"{KEY}"}}',
        f"KEY={KEY}&x=1",
        f"https://example.com/{KEY.replace('_', '%5F')}?a=b",
        f"x{KEY}y",
        f"<b>{KEY}</b>",
        f"{KEY}{KEY}",
        f"\u200b{KEY}\u200b",
        KEY.replace("_", r"\_"),
        f"{'A' * 14}{KEY}",
        f"at_once_{'A' * 14}{KEY}",
        f"kf_api_{'A' * 14}{KEY}{KEY}",
    ],
)
def test_a_whole_key_is_found_in_any_surroundings(surrounded: str) -> None:
    """Quotes, markup, percent-encoding and letters beside it hide no key."""
    assert {(Form.WHOLE, KEY)} == {(mention.form, mention.text) for mention in mentions(surrounded)}


@pytest.mark.parametrize(
    ("text", "form"),
    [
        (DAMAGED, Form.DAMAGED),
        (f"kf_api_{KEY_ID}", Form.DISPLAY),
        (f"key kf_api_{KEY_ID}_… was refused", Form.DISPLAY),
        (f"id={KEY_ID};", Form.BARE),
    ],
)
def test_other_forms_are_told_apart(text: str, form: Form) -> None:
    """A wrong checksum, a display form and a bare id are each found as what they are, by the same id."""
    assert [(form, KEY_ID)] == [(mention.form, mention.key_id) for mention in mentions(text)]


@pytest.mark.parametrize("text", ["", "a", KEY_ID[:-1], KEY_ID + "0", f"other_api_{KEY_ID}", "kf_api_", "_" * 500])
def test_what_is_no_key_is_not_found(text: str) -> None:
    """Ids have 16 characters, and a display form of another prefix is any text."""
    assert [] == mentions(text)


def test_a_key_of_another_prefix_is_found_whole_only() -> None:
    """Its checksum says that it is a key of somebody's."""
    assert [(Form.WHOLE, False)] == [(found.form, found.is_ours) for found in mentions(f"a {key('acme')} b")]


def test_lines_and_columns_count_from_one() -> None:
    """Columns count characters, not bytes."""
    found = mentions(f"é\n\nöö {KEY}\n{KEY_ID}\n  kf_api_{KEY_ID}")

    assert [(3, 4), (4, 1), (5, 3)] == [(mention.line, mention.column) for mention in found]


def test_no_secret_is_shown() -> None:
    """The repr of what was found holds no key."""
    assert "sss" not in repr(mentions(KEY))


@given(st.text(alphabet="kf_api%5F0aZ\n ", max_size=300), st.text(alphabet='_ \n"%', max_size=5))
def test_a_key_is_found_after_anything(before: str, gap: str) -> None:
    """Whatever comes before it, a key is found once, at its place."""
    text = f"{before}{gap} {KEY}"
    found = [mention for mention in mentions(text) if mention.form is Form.WHOLE]

    assert [KEY] == [mention.text for mention in found]
    lines = text[: text.rindex(KEY)].split("\n")
    assert (len(lines), len(lines[-1]) + 1) == (found[0].line, found[0].column)
