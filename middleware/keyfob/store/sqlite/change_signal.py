"""A number beside the database that tells every process of this host that the keys have changed.

The file ``<real path of the database>-signal`` holds 8 bytes. After its commit a writer stores the committed revision,
and never an increment: a paused writer that stores an old number late still makes the number differ, while two
increments could be mistaken for each other. No number is ever stored twice, because a reader that has seen it once
would not notice the second time; where a writer cannot tell whether its revision was committed, it stores a random
number instead. (Such a flag in shared memory is called a doorbell elsewhere.)

The number is read by a system call, not through a memory mapping: a mapping costs a tenth of that, but a process that
looks into one is killed by SIGBUS after anybody has truncated the file. What is read from a truncated file is only
shorter, differs from what was seen before, and leads to a read of the database, which makes the file anew.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import stat
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from keyfob.store.ownership import share_like

if TYPE_CHECKING:
    from collections.abc import Callable


log = logging.getLogger("keyfob")

_SIZE = 8
_BEYOND_REVISIONS = 1 << 63
_OPEN = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

FileId = tuple[int, int]


def _kernel() -> str:
    """What tells this running kernel from every other: two processes share memory only below one."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return socket.gethostname()


KERNEL = _kernel()


def id_of(status: os.stat_result) -> FileId:
    """The device and inode in *status*."""
    return status.st_dev, status.st_ino


class _Silence:
    """What a process reads that has no signal file."""

    @staticmethod
    def read() -> bytes:
        """Nothing, ever."""
        return b""


_SILENT: Final = _Silence()


class SignalFile:
    """An open signal file. Whoever holds it can go on reading, also after another file has taken its place."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.id = id_of(os.fstat(descriptor))
        self.read: Callable[[], bytes] = partial(os.pread, descriptor, _SIZE, 0)
        """The number as 8 bytes, or fewer if the file was truncated. Raises OSError once the descriptor was closed.

        Every request calls it, so there is nothing of ours in between.
        """

    def __del__(self) -> None:
        if self.is_open():  # not what was opened under its number since
            os.close(self._descriptor)

    def is_open(self) -> bool:
        """Whether the descriptor is still that of this file: a process that becomes a daemon closes all it has."""
        try:
            return id_of(os.fstat(self._descriptor)) == self.id
        except OSError:
            return False

    def store(self, number: int) -> None:
        """Show *number* to everybody. Raises OSError."""
        os.pwrite(self._descriptor, number.to_bytes(_SIZE, sys.byteorder), 0)


class ChangeSignal:
    """One process's view of the signal of *database*. If the file cannot be opened, it is silent and says so."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._file: SignalFile | None = None
        self._problem = ""
        self.is_writable = False
        self.reopen()

    @property
    def path(self) -> Path:
        """Where the signal belongs, links followed: whoever opens the same database finds the same signal."""
        return Path(f"{os.path.realpath(self._database)}-signal")

    @property
    def counter(self) -> SignalFile | _Silence:
        """What every request looks at: ``counter.read()`` differs from before after every change."""
        return _SILENT if self._file is None else self._file

    @property
    def id(self) -> str:
        """Names the file that this process reads, on this kernel; empty if it reads none."""
        if self._file is None:
            return ""
        device, inode = self._file.id
        return f"{KERNEL}-{device:x}-{inode:x}"

    def reopen(self) -> None:
        """Open the file that is at the path now, and make it if it is missing or was truncated."""
        truncated = False
        with suppress(OSError):
            status = self.path.lstat()
            held = self._file
            if held is not None and held.id == id_of(status) and status.st_size >= _SIZE and held.is_open():
                return
            truncated = held is not None and held.id == id_of(status) and status.st_size < _SIZE
        self._file, self.is_writable = None, False
        if not self._database.exists():
            return
        if truncated:
            log.warning(
                "the change signal %s was truncated: it is made anew",
                self.path,
                extra={"event": "change_signal_truncated"},
            )
        try:
            self._open_or_make()
        except OSError as error:
            try:
                self._hold(os.open(self.path, os.O_RDONLY | _OPEN))
            except OSError:
                self._complain(f"cannot be opened ({error.strerror}): this process learns of changes by polling alone")
            else:
                self._complain(f"cannot be written ({error.strerror}): changes made here take up to max_staleness")
        else:
            self._problem = ""

    def publish(self, revision: int) -> None:
        """Show the *revision* that was just committed. Call it once for each, before the change is acknowledged."""
        self.reopen()
        if self._file is not None and self.is_writable:
            try:
                self._file.store(revision)
            except OSError as error:
                self.is_writable = False
                self._complain(f"cannot be written ({error.strerror}): changes made here take up to max_staleness")

    def publish_unknown(self) -> None:
        """Make everyone look, when there is no revision of which it is certain that nobody showed it before."""
        self.publish(_unknown())

    def _open_or_make(self) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | _OPEN, 0o600)
        file = self._hold(descriptor)
        before = os.fstat(descriptor)
        if before.st_size <= _SIZE:
            share_like(self._database, descriptor, before, is_new=before.st_size < _SIZE)
        if before.st_size < _SIZE:
            # Not a revision, because its own writer may be about to show that. A full disk shows here, not later.
            file.store(_unknown())
        self.is_writable = True

    def _hold(self, descriptor: int) -> SignalFile:
        file = SignalFile(descriptor)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(0, "it is not a file")
        self._file = file
        return file

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            self._problem = problem
            log.warning("the change signal %s %s", self.path, problem, extra={"event": "change_signal_unusable"})


def _unknown() -> int:
    return _BEYOND_REVISIONS | secrets.randbits(62)
