"""Files beside the database belong to whoever the database belongs to, so that what root makes serves the workers."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def share_like(database: Path, descriptor: int, file: os.stat_result, *, is_new: bool) -> None:
    """Give the open *file* the owner, group and mode of *database*, if it is new, or this account may and must.

    A file with another name elsewhere is left alone: it could be anybody's.
    """
    owner = database.stat()
    if file.st_nlink != 1:
        return
    is_root = os.geteuid() == 0
    is_foreign = (file.st_uid, file.st_gid) != (owner.st_uid, owner.st_gid)
    if is_new or (is_root and is_foreign):
        with suppress(OSError):  # a group that this account is not in
            os.fchown(descriptor, owner.st_uid if is_root else -1, owner.st_gid)
        os.fchmod(descriptor, stat.S_IMODE(owner.st_mode) & 0o666)
