"""The cookie that binds a provider's answer to the browser that went there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyfob.keyring.keyring import SigningKey
from keyfob_admin.sign_in.attempt import LASTS, Attempt, read_attempt, write_attempt

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
ENTRY, OTHER = SigningKey("a", bytes(range(32)), NOON), SigningKey("b", bytes(32), NOON)


class Keys:
    """A keyring of two entries, one of which is retired."""

    def entries(self) -> dict[str, SigningKey]:
        return {"a": ENTRY, "b": OTHER}

    def is_retired(self, char: str) -> bool:
        return char == "b"


def test_an_attempt_comes_back_as_it_was() -> None:
    """What the browser kept is the attempt that was begun, invitation included."""
    attempt = Attempt.new("token", "/keys?q=" + "a" * 900)

    assert attempt == read_attempt(write_attempt(attempt, ENTRY, NOON), Keys(), NOON)


def test_a_long_address_is_not_kept() -> None:
    """The cookie stays within what browsers keep, for the longest address that is kept, too."""
    assert "" == Attempt.new(None, "/keys?q=" + "a" * 1000).wanted
    assert len(write_attempt(Attempt.new("t" * 44, "/" + "%" * 999), ENTRY, NOON)) < 3000


def test_two_attempts_have_nothing_in_common() -> None:
    """State, nonce and verifier are random each time, and long enough (RFC 7636, section 4.1)."""
    first, second = Attempt.new(), Attempt.new()

    assert 6 == len({first.state, first.nonce, first.verifier, second.state, second.nonce, second.verifier})
    assert 43 <= len(first.verifier)


def test_the_challenge_is_the_one_of_the_standard() -> None:
    """The example of RFC 7636, appendix B."""
    attempt = Attempt("s", "n", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")

    assert "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM" == attempt.challenge


def test_an_attempt_ends_after_ten_minutes() -> None:
    """A cookie that was left behind opens nothing."""
    cookie = write_attempt(Attempt.new(), ENTRY, NOON)

    assert read_attempt(cookie, Keys(), NOON + LASTS - timedelta(seconds=1)) is not None
    assert read_attempt(cookie, Keys(), NOON + LASTS) is None


@pytest.mark.parametrize("cookie", [None, "", "a", "a.", "z.x", "aé.x", "a" * 5000, "a.." + "0" * 64])
def test_what_keyfob_did_not_write_is_no_attempt(cookie: str | None) -> None:
    """Nonsense in the cookie is no attempt, and breaks nothing."""
    assert None is read_attempt(cookie, Keys(), NOON)


def test_an_attempt_cannot_be_forged_or_changed() -> None:
    """Whoever can set cookies but lacks the keyring cannot choose state, nonce or invitation."""
    first, second = (write_attempt(Attempt.new(), ENTRY, NOON) for _ in range(2))
    mixed = f"{first.partition('.')[0]}.{second.partition('.')[2]}"
    retired = write_attempt(Attempt.new(), OTHER, NOON)

    assert [None, None, None] == [read_attempt(each, Keys(), NOON) for each in (mixed, f"b{first[1:]}", retired)]
