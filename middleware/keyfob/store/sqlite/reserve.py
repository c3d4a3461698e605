"""Space kept back on the disk, so that a key can still be revoked after everything else has filled it up.

The file ``<database>-reserve`` holds nothing. When SQLite cannot write a revocation because the disk is full, the file
is emptied and the change is tried once more; what is left of the space afterwards is kept back again.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

SIZE = 1 << 20  # bytes: the pages of some ten revocations, and of the shared memory beside them
_SMALLEST = 1 << 16
_SPARE = 1 << 18  # bytes that stay free for everybody, or nothing is kept back


class Reserve:
    """The reserve of *database*. Nothing here fails: a database without one is as good as before it was full."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self.path = Path(f"{os.path.realpath(database)}-reserve")

    def size(self) -> int:
        """How many bytes are kept back now."""
        try:
            return self.path.lstat().st_size
        except OSError:
            return 0

    def keep(self, *, sparing: int = _SPARE) -> None:
        """Keep back as much as there is room for, and leave *sparing* bytes free."""
        with suppress(OSError):
            if self.size() >= SIZE:
                return
            descriptor = self._open(os.O_CREAT)
            try:
                room = os.fstatvfs(descriptor)
                free = room.f_bavail * room.f_frsize + self.size() - sparing
                size = SIZE
                while size > max(free, _SMALLEST):
                    size //= 2
                if size <= free:
                    _allocate(descriptor, size)
            finally:
                os.close(descriptor)

    def release(self) -> bool:
        """Give the space back; False if there was none."""
        with suppress(OSError):
            descriptor = self._open(0)
            try:
                had = os.fstat(descriptor).st_size
                os.ftruncate(descriptor, 0)
                return bool(had)
            finally:
                os.close(descriptor)
        return False

    def _open(self, flags: int) -> int:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | flags, 0o600)
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:  # it could be anybody's
            os.close(descriptor)
            raise OSError
        if os.geteuid() == 0 or not status.st_size:
            database = self._database.stat()
            with suppress(OSError):
                os.fchmod(descriptor, stat.S_IMODE(database.st_mode) & 0o666)
                os.fchown(descriptor, database.st_uid, database.st_gid)
        return descriptor


def _allocate(descriptor: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        os.pwrite(descriptor, bytes(size), 0)
