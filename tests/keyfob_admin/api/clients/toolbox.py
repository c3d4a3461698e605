"""Linters of OpenAPI and generators of clients, with Node.js and Java, in a folder that later runs find again."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import require

HERE = Path(__file__).parent
ROOT = HERE.parents[3]
PINNED = (ROOT / "requirements" / "clients.txt", HERE / "package.json")
PLACE = ROOT / "build" / "clients"


class MissingError(Exception):
    """A package could not be installed."""


@dataclass(frozen=True)
class Toolbox:
    """What is installed in *folder*: Python packages in ``venv``, those of npm in ``node_modules``."""

    folder: Path

    @property
    def python(self) -> str:
        """The interpreter that has the Python packages."""
        return str(self.folder / "venv" / "bin" / "python")

    def run(self, *command: str, cwd: Path, **environ: str) -> str:
        """Run a program that was installed, and give what it prints. It must end well."""
        places = (self.folder / "venv" / "bin", self.folder / "node_modules" / ".bin", os.environ["PATH"])
        path = os.pathsep.join(map(str, places))
        program = shutil.which(command[0], path=path)
        assert program is not None, command[0]
        done = subprocess.run(
            [program, *command[1:]],
            cwd=cwd,
            env={**os.environ, "PATH": path, "REDOCLY_TELEMETRY": "off", "NO_COLOR": "1", **environ},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert 0 == done.returncode, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def toolbox() -> Toolbox:
    """Install what is pinned, unless it is there already. Without registries there is nothing to test with."""
    tools, stamp = Toolbox(PLACE), PLACE / "stamp"
    pinned = hashlib.sha256(b"".join(file.read_bytes() for file in PINNED) + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != pinned:
        try:
            _install(tools)
        except MissingError as missing:
            require(str(missing), "generated clients and linters of OpenAPI come as packages of PyPI and npm")
        stamp.write_text(pinned)
    return tools


def _install(tools: Toolbox) -> None:
    shutil.rmtree(tools.folder, ignore_errors=True)
    tools.folder.mkdir(parents=True)
    _try("a virtual environment", sys.executable, "-m", "venv", str(tools.folder / "venv"))
    quietly = ("--quiet", "--disable-pip-version-check", "--require-hashes")
    _try("a generator of PyPI", tools.python, "-m", "pip", "install", *quietly, "-r", str(PINNED[0]))
    shutil.copy(PINNED[1], tools.folder)
    npm = (str(tools.folder / "venv" / "bin" / "npm"), "install")
    options = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(tools.folder))
    _try("a generator of npm", *npm, *options)


def _try(what: str, *command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise MissingError(what) from error
    if done.returncode:
        raise MissingError(what) from RuntimeError(done.stderr[-2000:])
