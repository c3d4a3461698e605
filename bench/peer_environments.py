"""An environment for each peer, from its own pinned file: ``.venv/peers/NAME``, made when it is missing or changed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from bench.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PEERS = Path(__file__).parent / "peers"
_PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
_MARK = "# -- "  # what stands over the parts of a peer's file

Presented = dict[str, list[tuple[str, str]]]  # kind of key → the headers that present keys of that kind


class AbsentError(RuntimeError):
    """A peer cannot be measured here; the message says why."""


def python_of(name: str) -> str:
    """The interpreter of the peer's environment; raises AbsentError where that cannot be installed."""
    pinned = ROOT / "requirements" / "peers" / f"{name}.txt"
    folder = ROOT / ".venv" / "peers" / name
    if not pinned.is_file():
        raise AbsentError(f"there is no requirements/peers/{name}.txt")
    python, stamp = folder / "bin" / "python", folder / ".keyfob-pinned"
    wanted = sha256(pinned.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != wanted:
        print(f"Installing requirements/peers/{name}.txt into .venv/peers/{name}", file=sys.stderr)
        _run(sys.executable, "-m", "venv", "--clear", str(folder))
        _run(str(python), *_PIP, f"--requirement={pinned}")
        stamp.write_text(wanted, encoding="utf-8")
    return str(python)


def is_installed(name: str) -> bool:
    """Whether the peer's environment is there, as its pinned file says or as an older one did."""
    return (ROOT / ".venv" / "peers" / name / ".keyfob-pinned").exists()


def prepared(name: str, python: str, environ: Mapping[str, str]) -> Presented:
    """Let the peer make its database, and learn what to present; raises AbsentError where it fails."""
    printed = _run(python, str(PEERS / f"{name}_app.py"), environ=environ)
    kinds: Presented = {
        kind: [(header, value) for header, value in headers]
        for kind, headers in json.loads(printed.splitlines()[-1]).items()
    }
    return kinds


def set_up_lines(name: str) -> int:
    """How many lines of code the peer's set-up takes, imports included, comments and docstrings not."""
    text = (PEERS / f"{name}_app.py").read_text(encoding="utf-8")
    part = text.partition(f"{_MARK}set-up\n")[2].partition(f"{_MARK}keys")[0]
    code = (line.strip() for line in part.splitlines())
    return sum(bool(line) and not line.startswith(('"""', "#", "from presented")) for line in code)


def _run(*command: str, environ: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(  # noqa: S603 - our own commands
        command, capture_output=True, text=True, check=False, cwd=ROOT, env={**os.environ, **(environ or {})}
    )
    if done.returncode != 0:
        said = [line for line in done.stderr.strip().splitlines() if line and not line.startswith("WARNING")]
        raise AbsentError((said or ["it said nothing"])[-1])
    return done.stdout
