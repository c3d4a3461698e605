"""What the migrations of every engine have in common; how a step is taken is the engine's."""

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
    """One file of a folder of migrations."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the step, by which a changed file is noticed."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def steps_in(package: str) -> list[Step]:
    """All steps that *package* holds, in their order."""
    found = [entry for entry in files(package).iterdir() if entry.name.endswith(".sql")]
    read = [Step(int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8")) for entry in found]
    return sorted(read, key=attrgetter("number"))


def missing_steps(known: Sequence[Step], applied: Mapping[int, str], database: object) -> list[Step]:
    """Those of *known* that *database* has not taken; *applied* holds the checksums of those it has.

    Raises:
        ConfigError: it has taken others than these.

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
