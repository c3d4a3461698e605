"""The drill: a database of every released version is copied, brought up, and used under the present one."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from tests import postgres_server
from tests.keyfob_admin.cli.conftest import folder, typed
from tests.postgres_server import fresh_database
from tests.upgrades.snapshot import ENGINES, SNAPSHOTS, steps_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["folder"]  # a fixture of these tests, which empties the environment

RELEASED = sorted(path.name for path in SNAPSHOTS.iterdir())


@dataclass(frozen=True)
class Old:
    """An installation as an older version left it, in the working folder."""

    engine: str
    steps: dict[str, str]
    keys: list[dict[str, Any]]

    def check(self) -> None:
        """Every key is admitted, or refused, as it was, and log and rows agree."""
        for known in self.keys:
            done = typed("keys", "check", "-", stdin=known["key"])
            assert done.code == (0 if known["is_admitted"] else 3), (known["is_admitted"], done.err)
        for arguments in (("audit", "verify"), ("db", "verify")):
            done = typed(*arguments)
            assert 0 == done.code, done.err


@pytest.fixture(params=[(name, engine) for name in RELEASED for engine in ENGINES], ids="-".join)
def old(request: pytest.FixtureRequest, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Old]:
    """What was released, unpacked."""
    name, engine = request.param
    about = json.loads(gzip.decompress((SNAPSHOTS / name / f"{engine}.json.gz").read_bytes()))
    database = gzip.decompress((SNAPSHOTS / name / f"{engine}.gz").read_bytes())
    (folder / "keyfob.toml").write_text(about["config"])
    (folder / "keyfob.keyring").write_text(about["keyring"])
    (folder / "keyfob.keyring").chmod(0o600)
    monkeypatch.setenv("KEYFOB_CONFIG", "keyfob.toml")
    found = Old(engine, about["steps"], about["keys"])
    if engine == "sqlite":
        (folder / "keyfob.db").write_bytes(database)
        yield found
        return
    made = fresh_database(empty=True)
    with asyncio.Runner() as runner:
        url = runner.run(made.__aenter__())
        runner.run(filled(url, database.decode()))
        monkeypatch.setenv("KEYFOB_STORE_URL", url)
        monkeypatch.setenv("PATH", f"{postgres_server._programs()}{os.pathsep}{os.environ['PATH']}")
        yield found
        runner.run(made.__aexit__(None, None, None))


async def filled(url: str, statements: str) -> None:
    """Put what was dumped into an empty database."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def test_what_was_released_is_never_changed(old: Old) -> None:
    """A step that databases have taken stays as it is, byte for byte; what changes is a new step after it."""
    now = steps_of(old.engine)

    changed = [name for name, checksum in old.steps.items() if now.get(name) != checksum]
    assert [] == changed, f"{changed} were released: take the change back, and write it as a new step"


def test_an_older_database_is_brought_up(old: Old) -> None:
    """Copied before anything else, then looked at, then migrated: no key changes, and the log holds."""
    copied = typed("db", "backup", "before.copy")
    assert 0 == copied.code, copied.err
    new = sorted(steps_of(old.engine).keys() - old.steps.keys())

    planned = typed("db", "migrate", "--dry-run", "--json")
    assert (0, new) == (planned.code, planned.data["steps"]), planned.err
    migrated = typed("db", "migrate")
    assert 0 == migrated.code, migrated.err
    old.check()
    assert [] == typed("db", "migrate", "--dry-run", "--json").data["steps"]


def test_a_copy_from_before_the_upgrade_is_put_back(old: Old) -> None:
    """The copy of the older schema goes into the newer installation: keys are as they were, and the log says so."""
    typed("db", "backup", "before.copy")
    typed("db", "migrate")
    admitted = next(known["key"] for known in old.keys if known["is_admitted"] and known["key"].startswith("kf_api_"))
    off = typed("keys", "disable", admitted.split("_")[2], "--yes")
    assert 0 == off.code, off.err

    restored = typed("db", "restore", "before.copy", "--yes")

    assert 0 == restored.code, restored.err
    old.check()
    events = typed("audit", "tail")
    assert "db.restored" in events.out
