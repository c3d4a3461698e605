"""Bytes of the database that are not what was written."""

from __future__ import annotations

import asyncio
import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from keyfob import APIKeyMiddleware
from keyfob.errors import ConfigError
from keyfob.testing import Installation, Issued, installation
from tests.faults.conftest import database, kind, kinds
from tests.keyfob.conftest import RULES, Echo, ask

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.server import Server

PAGE = 4096
Damage = Callable[[bytes], Iterator[bytes]]


def _zeroed(whole: bytes) -> Iterator[bytes]:
    """Each page in turn, its second half gone."""
    for start in range(0, len(whole), PAGE):
        yield whole[: start + PAGE // 2] + bytes(PAGE // 2) + whole[start + PAGE :]


def _scribbled(whole: bytes) -> Iterator[bytes]:
    """Each page in turn, with noise near its end, where its rows are."""
    chance = random.Random(2031)  # noqa: S311 (noise, no secret)
    for start in range(0, len(whole), PAGE):
        yield whole[: start + 3600] + chance.randbytes(300) + whole[start + 3900 :]


def _flipped(whole: bytes) -> Iterator[bytes]:
    """One byte that is not 0 at a time."""
    chance = random.Random(2032)  # noqa: S311 (as above)
    for place in chance.sample([at for at in range(100, len(whole)) if whole[at]], 60):
        yield whole[:place] + bytes([whole[place] ^ chance.randrange(1, 256)]) + whole[place + 1 :]


def _of_schema(whole: bytes) -> Iterator[bytes]:
    """A byte in the schema that is no UTF-8, as SQLite then quotes it."""
    for name in (b"audit_events_by_action", b"key_use_days", b"INDEX"):
        assert name in whole
        yield whole.replace(name, b"\xff" + name[1:])


async def _made(folder: Path) -> tuple[Installation, list[Issued], list[Issued]]:
    async with installation(folder) as here:
        good, disabled = [[await here.issue("items:read") for _ in range(4)] for _ in range(2)]
        for issued in disabled:
            await here.disable(issued)
    with closing(sqlite3.connect(folder / "keyfob.db")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return here, good, disabled


@pytest.mark.parametrize("damage", [_zeroed, _scribbled, _flipped, _of_schema])
def test_a_damaged_database_never_lets_a_disabled_key_pass(tmp_path: Path, damage: Damage) -> None:
    """Whatever bytes are wrong, a disabled key is refused, a good one is judged or 503, and nothing breaks."""
    here, good, disabled = asyncio.run(_made(tmp_path))
    whole = (tmp_path / "keyfob.db").read_bytes()
    seen: dict[bool, set[int]] = {True: set(), False: set()}

    async def try_out(path: Path) -> None:
        try:
            app = APIKeyMiddleware(Echo(), rules=RULES, store=f"sqlite:///{path}", keyring=here.options["keyring"])
            await app.runtime.start()
        except ConfigError:
            return  # that says what is wrong, and is a start that did not happen
        for issued in (*good, *disabled):
            seen[issued in good].add((await ask(app, "/items", issued.headers)).status)
        await app.runtime.stop()

    for number, content in enumerate(damage(whole)):
        (path := tmp_path / f"damaged-{number}.db").write_bytes(content)
        asyncio.run(try_out(path))
    assert {401, 503} >= seen[False]
    assert {200, 401, 403, 503} >= seen[True]
    assert 503 in seen[True]


def test_a_database_damaged_under_a_server_is_503_and_no_error(alone: Callable[..., Server], own: Origin) -> None:
    """When the middle of the file is overwritten while it is served, disabled keys stay refused and nothing breaks."""
    good, disabled, path = own.issue("items:read"), own.issue("items:read"), database(own)
    own.disable(disabled)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    server = alone(own, workers=2, max_staleness=0.4, usage_interval=0.1)
    with server.wire() as one, server.wire() as other:
        assert ["200", "200"] == kinds(one, good) + kinds(other, good)
        assert ["B401", "B401"] == kinds(one, disabled) + kinds(other, disabled)
        with path.open("r+b") as file:
            file.seek(PAGE)
            file.write(os.urandom(path.stat().st_size - PAGE))
        for wire in (one, other) * 20:
            assert {"B401", "S503"} >= set(kinds(wire, disabled))
            assert {"200", "S503"} >= set(kinds(wire, good))
    later = alone(own, max_staleness=0.4)
    assert ("S503", "S503", 200) == (kind(later, disabled), kind(later, good), later.ask("/open").status)
    assert "Traceback" not in server.printed() + later.printed()
