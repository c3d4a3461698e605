"""Migration code shared by all engines; each engine applies its own steps."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from operator import attrgetter
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Step:
    """One migration file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the step, to detect a changed file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def steps_in(package: str) -> list[Step]:
    """All steps in *package*, in order."""
    found = [entry for entry in files(package).iterdir() if entry.name.endswith(".sql")]
    read = [Step(int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8")) for entry in found]
    return sorted(read, key=attrgetter("number"))


def missing_steps(known: Sequence[Step], applied: Mapping[int, str], database: object) -> list[Step]:
    """Return the *known* steps that are not yet applied to *database*; *applied* holds checksums by number.

    Raises:
        ConfigError: the database has steps that differ from the known ones.

    """
    for step in known:
        if applied.get(step.number, step.checksum) != step.checksum:
            raise ConfigError(f"step {step.name} of {database} was made by a changed Keyfob; use the original version")
    newest = known[-1].number
    if applied and max(applied) > newest:
        raise ConfigError(
            f"{database} belongs to a newer Keyfob (schema {max(applied)}, this one knows {newest}); upgrade Keyfob"
        )
    return [step for step in known if step.number not in applied]
