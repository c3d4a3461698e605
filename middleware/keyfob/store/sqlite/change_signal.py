"""A number in shared memory that tells every process of this host that the keys have changed.

The file ``<real path of the database>-signal`` holds 8 bytes, mapped by everyone who serves the keys. After its
commit a writer stores the committed revision, and never adds one: a paused writer that stores an old number
late still makes the number differ, while two increments could be mistaken for each other. No number is ever
stored twice, because a reader that has seen it once would not notice the second time; where a writer cannot
tell whether its revision was committed, it stores a random number instead.

The file is never unlinked, copied or truncated: whoever still maps the old one would hear nothing any more.
"""

from __future__ import annotations

import mmap
import os
import secrets
from contextlib import suppress
from pathlib import Path

_SIZE = 8
_BEYOND_REVISIONS = 1 << 63

FileId = tuple[int, int]


def file_id(path: Path) -> FileId | None:
    """The device and inode of *path*, or None if nothing is there. Raises OSError if that cannot be told."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


class ChangeSignal:
    """One process's view of the signal of *database*. Without a file to map it is silent, and says so."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._id: FileId | None = None
        self.is_writable = False
        self.counter = _silent()
        self.reopen()

    @property
    def path(self) -> Path:
        """Where the signal belongs, links followed: whoever opens the same database finds the same signal."""
        return Path(f"{os.path.realpath(self._database)}-signal")

    def reopen(self) -> None:
        """Map the file that is at the path now, making it if need be. Earlier faces stay readable."""
        with suppress(OSError):
            if self._id is not None and file_id(self.path) == self._id:
                return
        self._id, self.is_writable, self.counter = None, False, _silent()
        if not self._database.exists():
            return
        with suppress(OSError, ValueError):  # no right to make one, or no memory mapping on this file system
            self._map(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), mmap.ACCESS_WRITE)
        if self._id is None:
            with suppress(OSError, ValueError):
                self._map(os.open(self.path, os.O_RDONLY | os.O_CLOEXEC), mmap.ACCESS_READ)

    def publish(self, revision: int) -> None:
        """Show the *revision* that was just committed. Call it once for each, before the change is acknowledged."""
        self.reopen()
        if self.is_writable:
            self.counter[0] = revision

    def publish_unknown(self) -> None:
        """Make everyone look, when there is no revision of which it is certain that nobody showed it before."""
        self.publish(_BEYOND_REVISIONS | secrets.randbits(62))

    def _map(self, descriptor: int, access: int) -> None:
        try:
            status = os.fstat(descriptor)
            writable = access == mmap.ACCESS_WRITE
            if writable and status.st_size < _SIZE:
                os.fchmod(descriptor, 0o600)
                _allocate(descriptor)
            counter = memoryview(mmap.mmap(descriptor, _SIZE, access=access)).cast("Q")
            if writable and counter[0] == 0:  # new: not a revision, because its own writer may be about to show that
                counter[0] = _BEYOND_REVISIONS | secrets.randbits(62)
            self._id, self.is_writable, self.counter = (status.st_dev, status.st_ino), writable, counter
        finally:
            os.close(descriptor)


def _silent() -> memoryview:
    return memoryview(bytearray(_SIZE)).cast("Q")


def _allocate(descriptor: int) -> None:
    """Give the file its 8 bytes. Doing so twice changes nothing, and a full disk shows here, not as a signal later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, _SIZE)
    else:  # macOS; only ever lengthens, because the file is shorter
        os.ftruncate(descriptor, _SIZE)
