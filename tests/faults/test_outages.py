"""The database is away, locked, emptied, or another one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.end_to_end.conftest import wait_for
from tests.end_to_end.refusals import kind_of
from tests.faults.conftest import admin_api, database, kind, kinds, uses_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.server import Server

QUICK = {"max_staleness": 0.4}


def _copy(source: Path, target: Path) -> None:
    """Put the content of the database *source* into *target*, as SQLite's own backup does."""
    with closing(sqlite3.connect(source)) as read, closing(sqlite3.connect(target)) as written:
        read.backup(written)


@pytest.mark.parametrize("instead", [None, b"", b"this is no database" * 400], ids=["missing", "empty", "no database"])
def test_sf_01_a_server_started_without_its_database_waits_for_it(
    alone: Callable[..., Server], own: Origin, instead: bytes | None
) -> None:
    """Without a database at start, keys are 503 and public paths work; when it comes, keys pass without a restart."""
    issued, path = own.issue("items:read"), database(own)
    _copy(path, away := path.with_name("away.db"))
    for file in path.parent.glob("keyfob.db*"):
        file.unlink()
    if instead is not None:
        path.write_bytes(instead)
    server = alone(own, **QUICK)

    assert ["S503"] * 3 == [kind(server, issued) for _ in range(3)]
    assert (200, "N401") == (server.ask("/open").status, kind_of(server.ask("/items")))
    assert instead == (path.read_bytes() if path.exists() else None)
    away.replace(path)
    wait_for(lambda: kind(server, issued) == "200")


def test_sf_02_a_lost_database_is_503_in_every_worker_and_never_401(alone: Callable[..., Server], own: Origin) -> None:
    """When the database goes, cached keys pass for a while and are then 503; when it comes back, they pass again."""
    server, issued, path = alone(own, workers=2, **QUICK), own.issue("items:read"), database(own)
    with server.wire() as one, server.wire() as other:
        for _ in range(2):
            assert ["200", "200"] == kinds(one, issued) + kinds(other, issued)
            path.rename(path.with_name("away.db"))
            seen: set[str] = set()
            while seen != {"S503"}:
                seen = {*kinds(one, issued), *kinds(other, issued)}
                assert seen <= {"200", "S503"}
            assert ["S503"] * 6 == kinds(one, issued, 3) + kinds(other, issued, 3)
            assert 200 == server.ask("/open").status
            path.with_name("away.db").rename(path)
            wait_for(lambda: kinds(one, issued) + kinds(other, issued) == ["200", "200"])


def test_sf_04_an_outage_is_ridden_out_as_long_as_was_allowed(alone: Callable[..., Server], own: Origin) -> None:
    """With max_stale_on_outage cached keys pass that much longer, then are 503, and all uses meanwhile are counted."""
    server, issued, path = alone(own, max_stale_on_outage=1.5, **QUICK), own.issue("items:read"), database(own)
    with server.wire() as wire:
        assert ["200"] == kinds(wire, issued)
        gone = time.monotonic()
        path.rename(path.with_name("away.db"))
        admitted, last, asked = 1, gone, time.monotonic()
        while (seen := kinds(wire, issued)) == ["200"]:
            admitted, last, asked = admitted + 1, asked, time.monotonic()
        assert ["S503"] * 5 == seen + kinds(wire, issued, 4)
        assert 0.4 < last - gone < 0.4 + 1.5  # longer than the lease, and no longer than both together
        path.with_name("away.db").rename(path)
        wait_for(lambda: kinds(wire, issued) == ["200"])

    wait_for(lambda: uses_of(own, issued) == admitted + 1)


def test_sf_05_a_database_locked_from_outside_keeps_nobody_waiting(alone: Callable[..., Server], own: Origin) -> None:
    """While a stranger holds the lock, keys pass, cached or not, changes are 503, and afterwards all is written."""
    server = alone(own, usage_interval=0.2, **QUICK)
    issued, cold, admin = own.issue("items:read"), own.issue("items:read"), own.issue("*", key_type="admin")
    asked = f"/v1/teams/default/keys/{issued.record.id}/disable"
    with admin_api(own.here) as url, httpx.Client(base_url=url, headers=admin.headers, timeout=20) as client:
        assert "200" == kind(server, issued)
        with closing(sqlite3.connect(database(own), isolation_level=None)) as stranger, server.wire() as wire:
            stranger.execute("BEGIN EXCLUSIVE")
            until, admitted = time.monotonic() + 2.5, 1
            with server.unmoved("store_reads", "argon2_verifications"):
                while time.monotonic() < until:
                    assert ["200"] * 20 == kinds(wire, issued, 20)
                    admitted += 20
            assert ["200"] == kinds(wire, cold)
            refused = client.post(asked)
            assert (503, "unavailable") == (refused.status_code, refused.json()["code"])
            assert refused.headers["retry-after"].isdigit()
            assert ["200"] == kinds(wire, issued)
            stranger.execute("ROLLBACK")

        wait_for(lambda: uses_of(own, issued) == admitted + 1)
        assert 200 == client.post(asked).status_code
        assert "B401" == kind(server, issued)


@pytest.mark.parametrize("loss", ["deleted", "emptied", "all deleted"])
def test_sf_16_without_the_database_no_key_passes_for_long(
    alone: Callable[..., Server], own: Origin, loss: str
) -> None:
    """A database deleted or emptied under a server ends in 503, is not made anew, and is found again once restored."""
    server, issued, path = alone(own, **QUICK), own.issue("items:read"), database(own)
    _copy(path, spare := path.with_name("spare.db"))
    with server.wire() as wire:
        assert ["200"] == kinds(wire, issued)
        if loss == "emptied":
            os.truncate(path, 0)
        else:
            for file in path.parent.glob("keyfob.db*" if loss == "all deleted" else "keyfob.db"):
                file.unlink()
        wait_for(lambda: kinds(wire, issued) == ["S503"])
        assert ["S503"] * 20 == kinds(wire, issued, 20)
        assert 200 == server.ask("/open").status
        assert (loss == "emptied") == path.exists()
        assert not (path.exists() and path.stat().st_size)

        for file in path.parent.glob("keyfob.db-[sw]*"):  # as one does before putting a copy in place
            file.unlink()
        spare.replace(path)
        wait_for(lambda: kinds(wire, issued) == ["200"])


@pytest.mark.parametrize("how", ["put in its place", "copied into it"])
def test_sf_17_an_older_database_is_noticed_and_read_anew(alone: Callable[..., Server], own: Origin, how: str) -> None:
    """After an older copy took the database's place nothing newer is answered from memory, and the log says so."""
    server, old, path = alone(own, **QUICK), own.issue("items:read"), database(own)
    _copy(path, copy := path.with_name("older.db"))
    newer = own.issue("items:read")
    own.change(old, permissions=("items:read", "items:write"))
    with server.wire() as wire:
        assert ["200", "200"] == kinds(wire, old) + kinds(wire, newer)
        if how == "copied into it":
            _copy(copy, path)
        else:
            for file in path.parent.glob("keyfob.db-[sw]*"):
                file.unlink()
            shutil.copy(copy, other := path.with_name("other.db"))
            other.replace(path)
        wait_for(lambda: kinds(wire, newer) == ["B401"])
        assert ["200"] == kinds(wire, old)
        assert "F403" == kind_of(server.ask("/items", old.headers, method="POST"))
        assert ["B401"] * 5 == kinds(wire, newer, 5)
    assert 1 == server.printed().count("the database was replaced or restored")
