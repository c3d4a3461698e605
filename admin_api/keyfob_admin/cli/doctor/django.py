"""What `keyfob doctor` looks for in a Django project: ways in that go past Keyfob.

The project is read, never imported: a check must not run somebody's settings.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

GUARD = "keyfob.django.RequireKeyfob"
_WRAPPED = re.compile(r"\bAPIKeyMiddleware\b")
_WSGI = re.compile(r"\bget_wsgi_application\b")
_LARGEST = 256 * 1024  # bytes of a file that is read
_DEEPEST = 3  # folders below the project


def open_entrances(folders: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Find Django projects in *folders* whose ``asgi.py`` has Keyfob around it while another way in has not.

    Gives ``manage.py`` of each and the file that leads past Keyfob: ``wsgi.py``, or ``manage.py`` for ``runserver``.
    """
    for manage in _projects(folders):
        files = list(_python_files(manage.parent))
        texts = {path: _uncommented(path) for path in files}
        wrapped = [path for path, text in texts.items() if path.name == "asgi.py" and _WRAPPED.search(text)]
        if not wrapped or any(GUARD in text for text in texts.values()):
            continue
        past = [path for path, text in texts.items() if path.name == "wsgi.py" and _WSGI.search(text)]
        yield from ((manage, path) for path in past or [manage])


def _projects(folders: Iterable[Path]) -> Iterator[Path]:
    """Find each ``manage.py`` in *folders* and one folder below them, once."""
    seen = set()
    for folder in folders:
        for manage in (folder / "manage.py", *sorted(folder.glob("*/manage.py"))):
            if manage.is_file() and manage.resolve() not in seen:
                seen.add(manage.resolve())
                yield manage


def _python_files(folder: Path) -> Iterator[Path]:
    patterns = ["/".join(["*"] * depth + ["*.py"]) for depth in range(_DEEPEST + 1)]
    for pattern in patterns:
        for path in sorted(folder.glob(pattern)):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts):
                yield path


def _uncommented(path: Path) -> str:
    """Read a file without its comments; one that cannot be read or is too large counts as empty."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST).decode("utf-8", "replace")
    except OSError:
        return ""
    return re.sub(r"(?m)#.*$", "", text)
