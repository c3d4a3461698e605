"""This worker's cell in the row of one subject: where it is, what is in it, and the window that it counts in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.limits.cells import SHARED
from keyfob.limits.rows import HALF, WORD, own_words
from keyfob.limits.windows import NS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.limits.cells import CellFile
    from keyfob.limits.windows import Meter


class OwnCell:
    """The two words that this worker writes for one subject.

    They are known without being read, because nobody else writes them. That holds for one object only: whoever makes
    another for the same cell calls `forget` on this one. The words of the shared column are read again under its lock.

    A claim adds to `word` and lets the file write it (`CellFile.claim`). Every limited request does that, so that what
    is the same for all requests in a window is kept: where the word is, what is in it, and when the window ends.
    """

    __slots__ = (
        "_first",
        "_is_forgotten",
        "_other",
        "at",
        "begins",
        "ends",
        "file",
        "index",
        "length",
        "low",
        "row",
        "subject",
        "word",
    )

    def __init__(self, file: CellFile, index: int, meter: Meter, words: Sequence[int]) -> None:
        """Count for *meter* in the row *index* of *file*, where this worker's *words* were read."""
        self.file = file
        self._is_forgotten = False
        self.index = index
        self.subject = meter.subject
        self.length = meter.seconds * NS
        self.begins = self.ends = 0  # of the window, in nanoseconds since the epoch; at first there is none
        self.low = 0  # a word of the window in which nothing was counted
        self.row, self._first = file.offsets(index)
        self.at = self._first  # the offset of the word of the window
        self.word, self._other = words

    def turn_to(self, now: int) -> bool:
        """Count in the window of *now* from now on, unless the cell was forgotten."""
        if self._is_forgotten:
            return False
        window = now // self.length
        self.begins, self.ends = window * self.length, (window + 1) * self.length
        self.low = (window & HALF) << 32
        at = self._first + (window & 1) * WORD
        if at != self.at:
            self.at, self.word, self._other = at, self._other, self.word
        self._begin_window()
        return True

    def forget(self) -> None:
        """Never write again."""
        self._is_forgotten = True
        self.begins = self.ends = 0

    def retract(self, cost: int) -> None:
        """Take a claim back. Where that cannot be done, less passes in this window than could. Raises OSError."""
        if self.file.column != SHARED:
            self._subtract(cost)
            return
        with self.file.locked(self.index) as is_held:
            if is_held:
                self.read_again()
                self._subtract(cost)

    def read_again(self) -> None:
        """Learn what is in the words of the shared column. The lock of the row must be held."""
        words = own_words(self.file.read(self.index), SHARED)
        self.word, self._other = words if self.at == self._first else reversed(words)
        self._begin_window()

    def _begin_window(self) -> None:
        if self.word >> 32 != self.low >> 32:
            self.word = self.low

    def _subtract(self, cost: int) -> None:
        if self.word > self.low:  # else others, who share the column, are in another window
            self.word -= min(cost, self.word - self.low)
            self.file.write_word(self)
