"""The cookie that carries a form over the way to a provider and back."""

from __future__ import annotations

import pytest

from keyfob_admin.console.kept_form import fits_cookie, read_kept, write_kept
from tests.keyfob_admin.sign_in.test_attempt import ENTRY, OTHER, Keys

KEPT = "name=CI&description=%C3%BCber"
COOKIE = write_kept(KEPT, "state", ENTRY)


def test_a_form_comes_back_to_its_attempt() -> None:
    """What was entered is read again, by the state that it was written for."""
    assert KEPT == read_kept(COOKIE, "state", Keys())


@pytest.mark.parametrize(
    ("cookie", "state"),
    [
        (COOKIE, "another"),
        (COOKIE, ""),
        ("b" + COOKIE[1:], "state"),
        (write_kept(KEPT, "state", OTHER), "state"),
        (COOKIE[:-1], "state"),
        (COOKIE[:5] + COOKIE[6:], "state"),
        (COOKIE.replace(".", ".."), "state"),
        (COOKIE + "\xe9", "state"),
        ("", "state"),
        ("a", "state"),
        ("a.", "state"),
        (COOKIE * 100, "state"),
    ],
    ids=range(12),
)
def test_nothing_else_is_read(cookie: str, state: str) -> None:
    """Another attempt's, a retired entry's, what was changed and what is no cookie of ours hold no form."""
    assert "" == read_kept(cookie, state, Keys())


def test_what_fits_stays_within_what_browsers_keep() -> None:
    """A long form of the same few permissions fits, one of noise does not."""
    usual = "&".join(f"permission=items:read-{number}" for number in range(300))
    noise = "".join(chr(0x4E00 + number * 7919 % 20_000) for number in range(1400))

    assert (True, False) == (fits_cookie(usual), fits_cookie(noise))
    assert len(write_kept(usual, "s" * 43, ENTRY)) < 3800
