"""What the bytes of one row of the file say (`keyfob.limits.cells` describes them). Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from keyfob.limits.windows import NS, Standing

if TYPE_CHECKING:
    from keyfob.limits.windows import Meter

COLUMNS: Final = 15
SUBJECT: Final = 16
WORD: Final = 8
ROW: Final = SUBJECT + COLUMNS * 2 * WORD

HALF: Final = (1 << 32) - 1
"""Takes the count out of a word; the window's number is above it."""

WINDOW: Final = 1 << 32
"""From a word to the one of the next window in which the same was counted."""

_FAR_AHEAD: Final = 1 << 16  # windows: 18 hours of windows of a second
_FEW: Final = 4  # columns that are tried before all, because to look for the last one takes longer
_ONE_IS_USED: Final = bytes((COLUMNS - 1) * 2 * WORD)
_FEW_ARE_USED: Final = bytes((COLUMNS - _FEW) * 2 * WORD)
_UNPACK_ONE: Final = struct.Struct("<2Q").unpack_from
_UNPACK_FEW: Final = struct.Struct(f"<{_FEW * 2}Q").unpack_from
_UNPACK_ALL: Final = struct.Struct(f"<{COLUMNS * 2}Q").unpack_from


def words_of(data: bytes) -> tuple[int, ...]:
    """Return the words of a row, two for each column, without most of those that were never written."""
    if data.endswith(_FEW_ARE_USED):
        return _UNPACK_FEW(data, SUBJECT)
    return _UNPACK_ALL(data, SUBJECT)


def own_words(data: bytes, column: int) -> tuple[int, ...]:
    """Return the two words of *column*."""
    return _UNPACK_ONE(data, SUBJECT + column * 2 * WORD)


def sum_up(data: bytes, low: int) -> tuple[int, int, bool]:
    """Add up what all columns counted in one window and in the one before; and whether one is in the next already.

    *low* is a word of the window in which nothing was counted. Words are compared whole: to take them apart costs more,
    and every limited request does this for every column. A word of a window still further ahead was written before the
    clock was set back, and no longer counts.
    """
    low_before, high = low - WINDOW, low + WINDOW
    current = previous = 0
    is_behind = False
    for word in _UNPACK_ONE(data, SUBJECT) if data.endswith(_ONE_IS_USED) else words_of(data):
        if word >= low:
            if word < high:
                current += word - low
            elif word < high + WINDOW:
                is_behind = True
        elif word >= low_before:
            previous += word - low_before
    return current, previous, is_behind


def standing_of(meter: Meter, data: bytes, now: int) -> Standing:
    """Where *meter* stands at *now* by a whole row."""
    current, previous, _ = sum_up(data, (now // (meter.seconds * NS) & HALF) << 32)
    return Standing(meter, current, previous, now)


def is_live(data: bytes, window: int) -> bool:
    """Whether a row counts for a window that is not over, may still weigh on one, or is ahead of *window*.

    Whoever asks may have stood still since it looked at the clock, so that what is ahead counts, too. What is very far
    ahead was written while the clock was wrong.
    """
    return any(-1 <= (word >> 32) - (window & HALF) < _FAR_AHEAD for word in words_of(data))
