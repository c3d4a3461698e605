from __future__ import annotations

import pytest

from keyfob.errors import ConfigError
from keyfob.keys.foreign import ForeignForms, ForeignText

FITS = [
    ("sk_live_[A-Za-z0-9]{32}", "sk_live_" + "aB3" * 10 + "xy"),
    (r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", "Ab345678." + "c" * 32),
    (r"[\w]{8}[.]\d{16,20}", "ab_45678.0123456789012345678"),
    ("kg_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", "kg_0123abcd_" + "-_x" * 14 + "z"),
]
DOES_NOT_FIT = [
    ("sk_live_[A-Za-z0-9]{32}", "sk_live_" + "a" * 33),
    ("sk_live_[A-Za-z0-9]{32}", "xsk_live_" + "a" * 32),
    ("sk_live_[A-Za-z0-9]{32}", "sk_live_" + "a" * 32 + "\n"),
    ("[A-Za-z0-9_]{80,120}", "kf_api_7Qx2mB9tKd03LpWz_" + "a" * 64),
    ("[A-Za-z0-9]{20}", "é" * 20),
]
REFUSED = [
    ("sk_live_.{32}", "no literal, character class or count"),
    ("(sk|pk)_[a-z]{32}", "no literal, character class or count"),
    ("sk_[a-z]+", "no literal, character class or count"),
    ("[a-z]{20}|x", "no literal, character class or count"),
    ("[^a]{20}", "no literal, character class or count"),
    (r"(?:a){20}", "no literal, character class or count"),
    (r"[a-z]{20}\1", "no literal, character class or count"),
    (r"\Z[a-z]{20}", "no literal, character class or count"),
    ("sk_[z-a]{32}", "no character class"),
    ("[!-~]{32}", "which separate credentials"),
    (r"\S{32}", "no literal, character class or count"),
    ("sk_[a-z]{12}", "16 to 512 characters"),
    ("sk_[a-z]{600}", "16 to 512 characters"),
    ("[a-z]{32,16}", "counts to less"),
    ("[a-z]{1,9}[0-9]{1,9}[a-z]{20,21}", "may leave a choice"),
    ("kf_[a-z]{32}", "Keyfob's own keys"),
]


@pytest.mark.parametrize(("pattern", "text"), FITS, ids=range(len(FITS)))
def test_a_text_fits_as_a_whole(pattern: str, text: str) -> None:
    """Literals, classes and counts mean what they mean in regular expressions."""
    forms = ForeignForms({"other": "other_[a-z]{20}", "legacy": pattern}, "kf")

    assert ForeignText(text) == forms.match(text.encode())


@pytest.mark.parametrize(("pattern", "text"), DOES_NOT_FIT, ids=range(len(DOES_NOT_FIT)))
def test_another_text_does_not_fit(pattern: str, text: str) -> None:
    """Neither a longer one, nor one of our own, nor one beyond ASCII."""
    assert ForeignForms({"legacy": pattern}, "kf").match(text.encode()) is None


@pytest.mark.parametrize(("pattern", "why"), REFUSED, ids=[pattern for pattern, _ in REFUSED])
def test_what_is_no_form_of_a_key_is_refused(pattern: str, why: str) -> None:
    """What could backtrack, match anything, or take over our own keys is a ConfigError that names the pattern."""
    with pytest.raises(ConfigError, match=rf"\[foreign\.legacy\] pattern.*{why}"):
        ForeignForms({"legacy": pattern}, "kf")


def test_a_foreign_key_is_not_shown() -> None:
    """Neither its repr nor its display form has a part of it."""
    text = ForeignText("sk_live_" + "a" * 32)

    assert "sk_live" not in repr(text) + text.display
