"""Reads the Dockerfile of `examples/deploy/`, and does what its build stage does without a container engine."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.docs.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DEPLOY = ROOT / "examples" / "deploy"


@dataclass
class Stage:
    """One stage: its instructions in order, each with its argument."""

    name: str
    origin: str
    instructions: list[tuple[str, str]] = field(default_factory=list)

    def all(self, instruction: str) -> list[str]:
        """Every argument that *instruction* has here."""
        return [argument for name, argument in self.instructions if name == instruction]

    def command(self, instruction: str) -> list[str]:
        """The words of the last CMD, ENTRYPOINT or HEALTHCHECK, which is a JSON array."""
        *_, last = self.all(instruction)
        words: list[str] = json.loads(last[last.index("[") :])
        return words


def stages() -> dict[str, Stage]:
    """The stages by name, in order."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    current = Stage("", "")
    for line in filter(str.strip, text.splitlines()):
        instruction, _, argument = line.partition(" ")
        if instruction == "FROM":
            origin, _, name = argument.partition(" AS ")
            current = found[name] = Stage(name, origin)
        else:
            current.instructions.append((instruction, argument.strip()))
    return found


def sent_to_the_builder() -> list[str]:
    """The files of the repository that the ignore file lets into the build."""
    patterns = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    kept = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    answer = subprocess.run(["git", "ls-files", *kept], cwd=ROOT, capture_output=True, check=True, text=True)
    return answer.stdout.split()


def build(folder: Path) -> Path:
    """Run the build stage with /src, /dist and /opt/keyfob in *folder*; where its programs are."""
    source = folder / "src"
    for name in sent_to_the_builder():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    subprocess.run([sys.executable, "-m", "venv", folder / "python"], check=True)
    for command in stages()["build"].all("RUN"):
        here = re.sub(r"(?<![\w./])/(dist|opt)\b", rf"{folder}/\1", command)
        here = re.sub(r"^python\b", f"{folder}/python/bin/python", here)
        done = subprocess.run(["bash", "-c", here], cwd=source, capture_output=True, check=False, text=True)
        assert 0 == done.returncode, f"{command}\n{done.stdout}{done.stderr}"
    return folder / "opt" / "keyfob" / "bin"
