"""What the bytes of one row of the file say (`keyfob.limits.cells` describes them). Pure."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from keyfob.limits.cells import COLUMNS, SUBJECT, WORD
from keyfob.limits.windows import NS, Standing

if TYPE_CHECKING:
    from keyfob.limits.windows import Meter

HALF: Final = (1 << 32) - 1
"""Takes the count out of a word; the window's number is above it."""

_FAR_AHEAD: Final = 1 << 16  # windows: 18 hours of windows of a second
_UNPACK: Final = [struct.Struct(f"<{2 * columns}Q").unpack_from for columns in range(COLUMNS + 1)]
_UNUSED: Final = [bytes((COLUMNS - columns) * 2 * WORD) for columns in range(COLUMNS + 1)]
_FEW: Final = 4  # columns that are tried first, because to look for the last one takes longer


def words_of(data: bytes) -> tuple[int, ...]:
    """Return the words of a row, two for each column, without most of those that were never written."""
    if data.endswith(_UNUSED[1]):
        return _UNPACK[1](data, SUBJECT)
    if data.endswith(_UNUSED[_FEW]):
        return _UNPACK[_FEW](data, SUBJECT)
    return _UNPACK[COLUMNS](data, SUBJECT)


def own_words(data: bytes, column: int) -> list[int]:
    """Return the two words of *column*."""
    return list(struct.unpack_from("<2Q", data, SUBJECT + column * 2 * WORD))


def sum_up(meter: Meter, data: bytes, now: int) -> tuple[Standing, bool]:
    """Add up what all columns say, and whether one of them is in the next window already.

    A word of a window still further ahead was written before the clock was set back, and no longer counts.
    """
    window = now // (meter.seconds * NS) & HALF
    current = previous = 0
    is_behind = False
    for word in words_of(data):
        if word:
            ahead = (word >> 32) - window
            if ahead == 0:
                current += word & HALF
            elif ahead == -1:
                previous += word & HALF
            elif ahead == 1:
                is_behind = True
    return Standing(meter, current, previous, now), is_behind


def is_live(data: bytes, window: int) -> bool:
    """Whether a row counts for a window that is not over, may still weigh on one, or is ahead of *window*.

    Whoever asks may have stood still since it looked at the clock, so that what is ahead counts, too. What is very far
    ahead was written while the clock was wrong.
    """
    return any(-1 <= (word >> 32) - (window & HALF) < _FAR_AHEAD for word in words_of(data))
