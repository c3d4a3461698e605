"""Keeping secrets to their owner, and out of a repository."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyfob.config.settings import Settings

_SQLITE = "sqlite:///"
_OWNER_ALONE = 0o600


def open_private(path: Path, mode: Literal["x", "a"]) -> TextIO:
    """Open a text file for writing; if it is new, only its owner can use it."""

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags, _OWNER_ALONE)

    return open(path, mode, encoding="utf-8", opener=opener)


def ignore_secrets(settings: Settings) -> None:
    """Add the keyring and the database to the ``.gitignore`` beside the configuration, where they lie below it.

    The star covers the files that SQLite and Keyfob keep beside the database.
    """
    if settings.path is None:
        return
    folder = settings.path.absolute().parent
    path = folder / ".gitignore"
    before = path.read_text(encoding="utf-8", errors="surrogateescape") if path.exists() else ""
    missing = [line for line in _lines(settings, folder) if line not in before.splitlines()]
    if missing:
        gap = "" if before.endswith("\n") or not before else "\n"
        with open_private(path, "a") as file:
            file.write(gap + "".join(f"{line}\n" for line in missing))


def _lines(settings: Settings, folder: Path) -> Iterator[str]:
    store = settings.store or ""
    files = [(settings.keyring, "")]
    if store.startswith(_SQLITE):
        files.append((Path(store.removeprefix(_SQLITE)), "*"))
    for file, end in files:
        if file is not None and file.absolute().is_relative_to(folder):
            yield f"/{file.absolute().relative_to(folder).as_posix()}{end}"
