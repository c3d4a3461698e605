"""The keyring's file. It is refused if others can read it, and written atomically."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from keyfob.errors import ConfigError
from keyfob.keyring.keyring import Keyring

if TYPE_CHECKING:
    from os import PathLike

_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_READ_BY_GROUP = stat.S_IRUSR | stat.S_IRGRP
_SHARED = (
    "or give it mode 0440 with a group of this process and root or this process as its owner "
    "(a Kubernetes secret: defaultMode 0440 and fsGroup)"
)


def is_private(found: os.stat_result) -> bool:
    """Whether only this process, its group and root can read a file with this status, and no group can write it.

    Mode 0600 or stricter is private. So is 0440 if the process is in the file's group, and root or the process owns the
    file, as Kubernetes mounts a secret with ``fsGroup``.
    """
    mode = stat.S_IMODE(found.st_mode)
    if not mode & _OPEN_TO_OTHERS:
        return True
    own_groups = {os.getegid(), *os.getgroups()}
    return mode == _READ_BY_GROUP and found.st_gid in own_groups and found.st_uid in {0, os.geteuid()}


def load_keyring(path: str | PathLike[str]) -> Keyring:
    """Read the keyring at *path*.

    Raises:
        ConfigError: it is missing, malformed, or others can read it (`is_private`); the message says how to fix it.

    """
    text = _read_private(path)
    try:
        return Keyring.parse(text)
    except ConfigError as error:
        raise ConfigError(f"{os.fspath(path)}: {error}") from None


def write_keyring(path: str | PathLike[str], keyring: Keyring, *, replaces: Keyring | None = None) -> None:
    """Write *keyring* to *path*, with mode 0600 whatever the umask; on return it is on disk.

    Without *replaces* the file must not exist. With it, the file must still hold that keyring, so that an entry which
    somebody else has just added is not lost.

    Raises:
        ConfigError: the file exists, does not hold *replaces*, or cannot be written.

    """
    target = Path(os.path.realpath(path))  # a link stays a link
    if replaces is not None and load_keyring(target) != replaces:
        _refuse(path, "it was changed by somebody else meanwhile; try again")
    try:
        _write_beside(target, keyring.dump().encode(), create=replaces is None)
    except FileExistsError:
        _refuse(path, "it is there already, and a keyring is never overwritten; move it away first")
    except OSError as error:
        _refuse(path, f"it cannot be written: {error.strerror}")


def _read_private(path: str | PathLike[str]) -> str:
    try:
        with Path(path).open("rb") as file:
            found = os.fstat(file.fileno())  # of the open file, because the path may lead elsewhere by now
            if not is_private(found):
                mode = stat.S_IMODE(found.st_mode)
                _refuse(
                    path, f"others can use it (mode {mode:04o}); fix it with: chmod 600 {os.fspath(path)}, {_SHARED}"
                )
            return file.read().decode("utf-8-sig")
    except FileNotFoundError:
        _refuse(
            path,
            "it is missing; `keyfob init` makes one for a new installation; else copy it here, name the right file "
            "(setting `keyring`, KEYFOB_KEYRING), or, if every copy is lost, run `keyfob keyring add --new-file`",
        )
    except OSError as error:
        _refuse(path, f"it cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        _refuse(path, "it is not a text file")


def _write_beside(target: Path, content: bytes, *, create: bool) -> None:
    """Write a file beside *target*, then rename it atomically."""
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)  # created with mode 0600
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, stat.S_IRUSR | stat.S_IWUSR)
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        if create:
            target.hardlink_to(beside)  # unlike a rename, it fails if the file exists
        else:
            beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse(path: str | PathLike[str], why: str) -> NoReturn:
    raise ConfigError(f"the keyring {os.fspath(path)}: {why}")
