"""Environments beside the tests' own, for packages that do not belong among what Keyfob is tested with."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.conftest import require

ROOT = Path(__file__).resolve().parent.parent


def python_with(name: str, reason: str) -> str:
    """The interpreter of ``.venv/NAME``, with what ``requirements/NAME.txt`` pins; gives up where it cannot be had."""
    pinned, folder = ROOT / "requirements" / f"{name}.txt", ROOT / ".venv" / name
    python, stamp = folder / "bin" / "python", folder / ".keyfob-pinned"
    wanted = hashlib.sha256(pinned.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        quietly = ("--quiet", "--disable-pip-version-check", "--require-hashes")
        for command in (
            (sys.executable, "-m", "venv", "--clear", str(folder)),
            (str(python), "-m", "pip", "install", *quietly, "-r", str(pinned)),
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                require(f"what requirements/{name}.txt pins", f"{reason} ({done.stderr[-300:]})")
        stamp.write_text(wanted)
    return str(python)
