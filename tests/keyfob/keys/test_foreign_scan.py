"""Keys in another product's form are found in a text as people paste it, in a time that grows with its length alone."""

from __future__ import annotations

import pytest

from keyfob.keys.foreign import LONGEST, ForeignForms
from keyfob.keys.foreign_scan import foreign_mentions
from keyfob.keys.scan import Form
from tests.keyfob.keys.test_scan import DAMAGED, KEY

LEGACY = "sk_live_" + "aB3d" * 8
TOKEN = "t.ab-c_d=e" * 3 + "Zz=="
FORMS = ForeignForms({"legacy": "sk_live_[A-Za-z0-9]{32}", "odd": r"t\.[A-Za-z0-9._=-]{28,32}"}, "kf")
WIDE = ForeignForms({"wide": "[a-z-]{16,250}[a-z=-]{16,250}X", "body": "[A-Za-z0-9]{64}"}, "kf")


class Counting(ForeignForms):
    """Forms that count the characters that are tried."""

    tried = 0

    def fits(self, text: bytes) -> bool:
        """As it is; what is longer than any key is refused by its length, without a look at it."""
        self.tried += min(len(text), LONGEST + 1)
        return super().fits(text)


def texts(text: str, forms: ForeignForms = FORMS) -> list[str | None]:
    """What is found in *text*."""
    return [mention.text for mention in foreign_mentions(text, forms)]


@pytest.mark.parametrize(
    "surrounded",
    [
        "{}",
        "Authorization: Bearer {}\r\n",
        '{{"key":"{}"}}',
        "curl -u {}: https://example.com",
        "https://example.com/?key={}&x=1",
        "https://example.com/items/{}/now",
        "KEY={}",
        "<b>{}</b>",
        "({}), it said.",
        "It was {}.",
        "key:{};x",
        "\u200b{}\u200b",
        "é{}é",
    ],
)
@pytest.mark.parametrize("key", [LEGACY, TOKEN], ids=["plain", "with marks"])
def test_a_key_is_found_in_its_surroundings(surrounded: str, key: str) -> None:
    """Quotes, markup and the marks of an address hide no key, even where its own form takes some of them."""
    assert [key] == texts(surrounded.format(key))


@pytest.mark.parametrize("text", ["", LEGACY[:-1], LEGACY + "x", f"x{LEGACY[1:]}", "sk_live_" + "é" * 32, KEY, DAMAGED])
def test_what_has_no_foreign_form(text: str) -> None:
    """A form is matched whole, and a key of our own is none, damaged or not."""
    assert [] == texts(text)


def test_no_part_of_our_own_keys_is_taken_for_one() -> None:
    """A form that fits the last part of our keys finds such a text by itself alone."""
    body = KEY.rpartition("_")[2]
    assert [] == texts(f"{KEY} key={KEY}", WIDE)
    assert [body] == texts(f"{KEY} {body}", WIDE)


def test_each_has_its_place() -> None:
    """Line and column count from 1; two keys beside each other are two."""
    found = foreign_mentions(f"a {LEGACY}\n{TOKEN} {LEGACY},{LEGACY}", FORMS)

    places = [(mention.line, mention.column) for mention in found]
    assert [(1, 3), (2, 1), (2, len(TOKEN) + 2), (2, len(TOKEN) + len(LEGACY) + 3)] == places
    assert {Form.FOREIGN} == {mention.form for mention in found}
    assert LEGACY not in repr(found)


HOSTILE = ["a", "a=", "-", "a" * 499 + " ", "=" * 15 + "b", "a-" * 8 + "=", "sk_live_", "kf_api_", KEY, TOKEN, LEGACY]


@pytest.mark.parametrize("piece", HOSTILE, ids=range(len(HOSTILE)))
def test_what_is_tried_grows_with_the_text_alone(piece: str) -> None:
    """Whatever is pasted, each character is tried a few times, and never in a part longer than the longest key."""
    text = (piece * 64 * 1024)[: 64 * 1024]
    for patterns in ({"wide": "[a-z-]{16,250}[a-z=-]{16,250}X"}, {"odd": r"t\.[A-Za-z0-9._=-]{28,32}"}):
        forms = Counting(patterns, "kf")
        foreign_mentions(text, forms)

        assert 60 * len(text) > forms.tried
