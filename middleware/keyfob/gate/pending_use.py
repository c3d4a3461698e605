"""What one key did since its use was last written: a count for each rule, address and outcome."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Final, Protocol

from keyfob.gate.verdict import BEYOND_LIMITS
from keyfob.store.contract.key_store import Use
from keyfob.store.contract.use_details import OTHERS, Details, Source, Tally, add_hours, fold, merge

if TYPE_CHECKING:
    from keyfob.rules.rule import Rule

MOST_CELLS: Final = 128  # of one key and day in memory; beyond them the less used half is told by rule alone
_DAY: Final = 86_400
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_MICROS: Final = 1_000_000
_HOUR: Final = 3_600 * _MICROS


class Cell:
    """How often one thing happened, and when first and last, in seconds since the epoch. It counts until *ends*."""

    __slots__ = ("at", "count", "ends", "first", "ip", "is_use", "reason", "rule")

    def __init__(
        self, rule: Rule | str | None, ip: str | None, reason: str, now: float, ends: float, *, is_use: bool
    ) -> None:
        """*reason* is empty for an admitted request. *is_use* says whether the key was accepted."""
        self.rule = rule
        self.ip = ip
        self.reason = reason
        self.is_use = is_use
        self.count = 0
        self.first = self.at = now
        self.ends = ends

    def repeats(self, rule: Rule | str | None, ip: str | None, now: float) -> bool:
        """Count one more here if it is like the others, and say whether it is. Its outcome is the caller's concern."""
        if self.rule is not rule or self.ip != ip or now >= self.ends:
            return False
        self.at = now
        self.count += 1
        return True

    def tally(self) -> Tally:
        """The count, as what it counts."""
        tally = Tally(int(self.first * _MICROS), int(self.at * _MICROS))
        if self.reason in BEYOND_LIMITS:
            tally.limited = self.count
        elif self.reason:
            tally.denied = self.count
        else:
            tally.admitted = self.count
        return tally


NO_CELL: Final = Cell("", None, "", 0.0, float("-inf"), is_use=True)
"""A cell that no request is like."""


class Keeper(Protocol):
    """What is lent the cell of its last request, where the next one is counted if it is like that."""

    cell: Cell


class LastUse:
    """The cell of the last request that one state of a key admitted, or denied because it is dead.

    Each state has its own, so that what another thread judges by an older state says nothing about the newer.
    """

    __slots__ = ("cell",)

    def __init__(self) -> None:
        self.cell = NO_CELL


_Cells = dict[tuple[object, str | None, str], Cell]


class Budget:
    """How many more cells there may be, over all keys."""

    __slots__ = ("left",)

    def __init__(self, left: int) -> None:
        self.left = left


class PendingUse:
    """The cells of one key, by day; nearly always there is one day."""

    __slots__ = ("_budget", "_cells", "_earlier", "_folded", "_keeper", "_last", "day", "ends")

    def __init__(self, day: int, budget: Budget) -> None:
        """*day* counts from the epoch."""
        self._budget = budget
        self._earlier: list[tuple[int, _Cells, Details]] = []
        self._keeper: Keeper | None = None
        self._last: tuple[float, str | None] = (0.0, None)
        self._begin(day)

    def _begin(self, day: int) -> None:
        self.day = day
        self.ends = float((day + 1) * _DAY)  # seconds since the epoch, as the clock gives them
        self._cells: _Cells = {}
        self._folded: Details = {}

    def turn_to(self, day: int) -> None:
        """Put the counts of the day that ended aside."""
        self._earlier.append((self.day, self._cells, self._folded))
        self._begin(day)

    def count(
        self,
        rule: Rule | str | None,
        ip: str | None,
        reason: str,
        now: float,
        *,
        is_use: bool,
        keeper: Keeper | None = None,
    ) -> None:
        """Count one request. *keeper* is lent the cell, until that is written or lent to another."""
        cell = self._cell(rule, ip, reason, now, is_use=is_use)
        cell.at = now
        cell.count += 1
        if keeper is not None:
            self._reclaim()  # one for each key, because keys that are read again and again must not fill the memory
            self._keeper = keeper
            keeper.cell = cell

    def _reclaim(self) -> None:
        if self._keeper is not None:
            self._keeper.cell = NO_CELL
            self._keeper = None

    def _cell(self, rule: Rule | str | None, ip: str | None, reason: str, now: float, *, is_use: bool) -> Cell:
        found = self._cells.get((rule, ip, reason))
        if found is None:
            if self._budget.left <= 0:
                self._fold(keep=0)
            elif len(self._cells) >= MOST_CELLS:
                self._fold(keep=MOST_CELLS // 2)
            found = self._cells[rule, ip, reason] = Cell(rule, ip, reason, now, self.ends, is_use=is_use)
            self._budget.left -= 1
        return found

    def _fold(self, *, keep: int) -> None:
        """Make room: all but the *keep* most used cells are counted by rule and outcome alone."""
        by_use = sorted(self._cells.values(), key=lambda cell: cell.count, reverse=True)
        self._note_last(self._cells)
        self._cells = {(cell.rule, cell.ip, cell.reason): cell for cell in by_use[:keep]}
        self._budget.left += len(by_use) - len(self._cells)
        self._reclaim()
        for cell in by_use[keep:]:
            merge(self._folded, {_source(self.day, cell, OTHERS): cell.tally()})

    def _note_last(self, cells: _Cells) -> None:
        for cell in cells.values():
            if cell.is_use and cell.at >= self._last[0]:
                self._last = cell.at, cell.ip

    def as_use(self) -> Use:
        """Everything, as the store takes it."""
        self._reclaim()
        self.turn_to(self.day)
        use = Use()
        for day, cells, folded in self._earlier:
            self._note_last(cells)
            merge(use.details, folded)
            for cell in cells.values():
                merge(use.details, {_source(day, cell, cell.ip or ""): cell.tally()})
        for source, tally in use.details.items():
            when = date.fromordinal(source.day)
            for counts, count in _counts(use, tally):
                if count:
                    counts[when] = counts.get(when, 0) + count
            # The hour of the latest request stands for all of a batch, which is seldom longer than a second.
            add_hours(use.hours, {tally.last // _HOUR: (tally.admitted, tally.denied, tally.limited)})
        at, ip = self._last
        if at:
            use.last_at, use.ip = datetime.fromtimestamp(at, UTC), ip
        return use


def _source(day: int, cell: Cell, address: str) -> Source:
    rule = cell.rule
    text = rule if isinstance(rule, str) else "" if rule is None else rule.text
    return Source(_EPOCH_DAY + day, address, text, cell.reason)


def _counts(use: Use, tally: Tally) -> tuple[tuple[dict[date, int], int], ...]:
    """Where each count of *tally* belongs."""
    return (use.admitted, tally.admitted), (use.denied, tally.denied), (use.limited, tally.limited)


def added(older: Use, newer: Use) -> Use:
    """One use that says what both say."""
    if newer.last_at is not None and (older.last_at is None or newer.last_at >= older.last_at):
        older.last_at, older.ip = newer.last_at, newer.ip
    pairs = (older.admitted, newer.admitted), (older.denied, newer.denied), (older.limited, newer.limited)
    for ours, theirs in pairs:
        for day, count in theirs.items():
            ours[day] = ours.get(day, 0) + count
    add_hours(older.hours, newer.hours)
    merge(older.details, newer.details)
    if len(older.details) > 2 * MOST_CELLS:
        older.details = fold(older.details, MOST_CELLS)
    return older
