from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.keys.format import ALPHABET, base62, from_base62


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
