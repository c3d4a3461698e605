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


def words_of(data: bytes) -> tuple[int, ...]:
    """Return the words of a row, two for each column up to the last that was ever written."""
    used = len(data.rstrip(b"\0")) - SUBJECT
    return _UNPACK[-(-used // (2 * WORD)) if used > 0 else 0](data, SUBJECT)


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
        at = word >> 32
        if at == window:
            current += word & HALF
        elif at == window - 1:
            previous += word & HALF
        elif at == window + 1:
            is_behind = True
    return Standing(meter, current, previous, now), is_behind


def is_live(data: bytes, window: int) -> bool:
    """Whether a row counts for a window that is not over, may still weigh on one, or is ahead of *window*.

    Whoever asks may have stood still since it looked at the clock, so that what is ahead counts, too. What is very far
    ahead was written while the clock was wrong.
    """
    return any(-1 <= (word >> 32) - (window & HALF) < _FAR_AHEAD for word in words_of(data))
