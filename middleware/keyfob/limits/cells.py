"""The file in which all processes of one host count: its format, its locks, and whose cell is whose.

::

    header   4,096 bytes: the format, and with it the numbers of rows and columns
    rows     one table of `ROWS` for each length of window (s, min, h, day); a row is 256 bytes:
             the subject (16 bytes), then for each of 15 columns two words of 8 bytes

A worker owns one column for as long as it lives, and writes no other. A word is a window's number (32 bits) and what
this column counted in it (32 bits); windows with even numbers use the first word, odd ones the second. So a word says
by itself whether it still counts, and what a killed worker leaves behind needs no repair. A row is given to another
subject once all of its windows are over; the tables are apart so that all numbers in a row are of windows of one
length.

The last column belongs to all workers that found no other free, and to all on machines where `IS_ORDERED` does not
hold. They read and write it under the row's lock.

Locks are on byte ranges beyond the data (open file description locks where there are any, else POSIX ones). The kernel
gives them back when a process ends, however it ends. They are held for microseconds, by a process that the kernel may
put aside meanwhile, on a busy machine or at the end of its container's share of processor time for up to 100 ms: so one
waits for them, but not in line, since a process that is stopped may hold one for good.

The file is read and written by system calls, not mapped into memory: a process that looks into a mapping is killed by
SIGBUS when anybody truncates the file, or when the disk is full below it. The two calls are about a quarter of what a
limit costs a request, and that is the price of it. A file that is too short reads as one in which nothing was counted,
and a full disk is an OSError.
"""

from __future__ import annotations

import fcntl
import os
import platform
import stat
import struct
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from keyfob.limits.rows import COLUMNS, ROW, SUBJECT, WORD
from keyfob.policy.limits import UNITS
from keyfob.store.ownership import share_like

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Lock


ROWS: Final = 1 << 17  # of each table; the file is sparse, so that rows never used take no room
SHARED: Final = COLUMNS - 1  # the column of those that found no other free
PROBES: Final = 16  # rows next to each other in which a subject may be
TABLES: Final = {seconds: number * ROWS for number, seconds in enumerate(UNITS.values())}
"""The first row of the table for each length of window."""

HAS_OWN_LOCKS: Final = hasattr(fcntl, "F_OFD_SETLK")  # that other descriptors of the same process do not share
IS_ORDERED: Final = platform.machine() in {"x86_64", "AMD64"} and HAS_OWN_LOCKS
"""Whether a worker may count without a lock. See `keyfob.limits.shared`, which says why it holds on x86-64."""
HELD: Final = "its locks are held by a process that stands still"
"""What is wrong with the file when a lock cannot be had."""

_HEADER: Final = 4096
_NAME: Final = b"keyfob limits "
_FORMAT: Final = (_NAME + f"1: {ROWS} rows, {COLUMNS} columns\n".encode()).ljust(_HEADER, b"\0")
_OPEN: Final = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_TRIES: Final = 20  # to get a lock at once; some microseconds in all
_PAUSE: Final = 0.0002  # seconds between two tries after those
_PATIENCE: Final = 0.25  # seconds that a lock is waited for
_IMPATIENCE: Final = 1.0  # seconds after that in which none is waited for
_LOCKS: Final = 1 << 40  # where the bytes begin that stand for locks
_FIRST_COLUMN: Final = _LOCKS + 16
_COLUMN_BYTES: Final = 1024  # room for the columns of every version
_NAMING: Final = _FIRST_COLUMN + _COLUMN_BYTES
_FIRST_ROW: Final = _NAMING + 16
_PACK: Final = struct.Struct("<Q").pack
_READ, _WRITE = os.pread, os.pwrite
_FLOCK: Final = "hhqqi"  # struct flock of Linux, which is where F_OFD_SETLK is


class Cell(Protocol):
    """The word of one worker that is written for one subject, and the offsets of it and of its row."""

    word: int
    at: int
    row: int


class NotOurFile(OSError):
    """The file cannot be used: something else is in it, or another version of Keyfob is counting in it."""


class CellFile:
    """The open file. Every method may raise OSError."""

    def __init__(self, path: Path, like: Path | None, *, shares: bool = not IS_ORDERED) -> None:
        """Open *path*, or make it with the owner, group and mode of the file *like*; None: for this account alone.

        With *shares*, no column is asked for but the last.
        """
        self.descriptor = os.open(path, _OPEN, 0o600)
        self._waits_from = 0.0  # by time.monotonic(): until then nobody waits for a lock
        try:
            status = os.fstat(self.descriptor)
            self.id = status.st_dev, status.st_ino
            if like is not None and stat.S_ISREG(status.st_mode):
                share_like(like, self.descriptor, status, is_new=status.st_size < _HEADER)
            self._check_format(status)
            self.column = SHARED if shares else self._take_column()
            self._cell = SUBJECT + self.column * 2 * WORD  # where its words are in a row
        except BaseException:
            os.close(self.descriptor)
            raise

    def close(self) -> None:
        """Give the column to the next."""
        os.close(self.descriptor)

    def is_at(self, path: Path) -> bool:
        """Whether this is still the file at *path*, and still has its header."""
        try:
            status = path.lstat()
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.id and status.st_size >= _HEADER

    def read(self, row: int, rows: int = 1) -> bytes:
        """The bytes of *rows* rows, from *row* on; those that were never written are zero."""
        return os.pread(self.descriptor, ROW * rows, _HEADER + row * ROW).ljust(ROW * rows, b"\0")

    def offsets(self, row: int) -> tuple[int, int]:
        """Where *row* begins in the file, and where the two words of this column do in it."""
        start = _HEADER + row * ROW
        return start, start + self._cell

    def write_word(self, cell: Cell) -> None:
        """Write the word of *cell*."""
        _WRITE(self.descriptor, _PACK(cell.word), cell.at)

    def claim(self, cell: Cell, fence: Lock) -> bytes:
        """Write the word of *cell*, and return its row as it is after *fence*."""
        descriptor = self.descriptor
        _WRITE(descriptor, _PACK(cell.word), cell.at)
        fence.acquire()  # two calls, which cost half of what `with` does
        fence.release()
        data = _READ(descriptor, ROW, cell.row)
        return data if len(data) == ROW else data.ljust(ROW, b"\0")

    def write_subject(self, row: int, subject: bytes) -> None:
        """Give *row* to *subject*. `naming` must be held."""
        os.pwrite(self.descriptor, subject, _HEADER + row * ROW)

    @contextmanager
    def locked(self, row: int) -> Iterator[bool]:
        """Hold the lock of *row*; the value is whether it could be had. With its own column nobody waits for it."""
        with self._holding(_FIRST_ROW + row, waits=self.column == SHARED) as is_held:
            yield is_held

    @contextmanager
    def naming(self, table: int) -> Iterator[bool]:
        """Hold the lock under which rows of the table that begins at row *table* are given away, likewise."""
        with self._holding(_NAMING + table // ROWS) as is_held:
            yield is_held

    @contextmanager
    def _holding(self, byte: int, *, waits: bool = True) -> Iterator[bool]:
        is_held = any(self._lock(byte) for _ in range(_TRIES)) or (waits and self._wait_for(byte))
        try:
            yield is_held
        finally:
            if is_held:
                self._lock(byte, kind=fcntl.F_UNLCK)

    def _wait_for(self, byte: int) -> bool:
        """Try again for a while to get the lock on *byte*; whether it could be had."""
        began = now = time.monotonic()
        if now < self._waits_from:
            return False
        while now < began + _PATIENCE:
            time.sleep(_PAUSE)
            if self._lock(byte):
                return True
            now = time.monotonic()
        self._waits_from = now + _IMPATIENCE
        return False

    def _check_format(self, status: os.stat_result) -> None:
        """Write the header of a new file, and begin anew where another version counted and no longer does."""
        if not stat.S_ISREG(status.st_mode):
            raise NotOurFile(0, "it is not a file")
        with self._holding(_LOCKS) as is_held:
            found = os.pread(self.descriptor, _HEADER, 0)
            if found == _FORMAT:
                return
            if found.strip(b"\0") and not found.startswith(_NAME):
                raise NotOurFile(0, "something else is in it")
            if not is_held:
                raise OSError(0, HELD)
            if not self._lock(_FIRST_COLUMN, length=_COLUMN_BYTES):
                raise NotOurFile(0, "another version of Keyfob is counting in it")
            os.ftruncate(self.descriptor, 0)
            os.pwrite(self.descriptor, _FORMAT, 0)
            self._lock(_FIRST_COLUMN, length=_COLUMN_BYTES, kind=fcntl.F_UNLCK)

    def _take_column(self) -> int:
        """Take the first column that nobody has, until this file is closed."""
        free = (column for column in range(SHARED) if self._lock(_FIRST_COLUMN + column))
        column = next(free, SHARED)
        if column == SHARED:
            self._lock(_FIRST_COLUMN + SHARED, kind=fcntl.F_RDLCK)
        return column

    def _lock(self, byte: int, *, length: int = 1, kind: int = fcntl.F_WRLCK) -> bool:
        """Take or give back the lock on *length* bytes. Waits for nobody."""
        try:
            if HAS_OWN_LOCKS:
                wanted = struct.pack(_FLOCK, kind, os.SEEK_SET, byte, length, 0)
                fcntl.fcntl(self.descriptor, fcntl.F_OFD_SETLK, wanted)
            else:
                modes = {fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_RDLCK: fcntl.LOCK_SH, fcntl.F_UNLCK: fcntl.LOCK_UN}
                fcntl.lockf(self.descriptor, modes[kind] | fcntl.LOCK_NB, length, byte)
        except (BlockingIOError, PermissionError):
            return False
        return True
