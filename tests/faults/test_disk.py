"""The disk is full, read-only, damaged, or cannot share memory."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import asyncpg
import httpx
import pytest

from keyfob.errors import StoreUnavailable
from keyfob.testing import CHEAP
from tests.conftest import require
from tests.end_to_end.conftest import Origin, wait_for
from tests.end_to_end.server import Server, StartError
from tests.faults.conftest import admin_api, all_uses, database, issue_many, kind, kinds, memory, uses_of
from tests.postgres_server import MortalServer, mortal_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from keyfob.testing import Installation

    PlaceIn = Callable[..., AbstractContextManager[Origin]]

WAITING = "uses of keys are kept in memory"


def _disable(here: Installation, key_id: str, admin: dict[str, str]) -> httpx.Response:
    """Ask an admin API over *here* to disable a key."""
    with admin_api(here) as url:
        return httpx.post(f"{url}/v1/teams/default/keys/{key_id}/disable", headers=admin, timeout=20)


def _create(here: Installation, admin: dict[str, str]) -> httpx.Response:
    """Ask an admin API over *here* for a key."""
    with admin_api(here) as url:
        fields = {"name": "one more", "type": "api", "permissions": []}
        return httpx.post(f"{url}/v1/teams/default/keys", headers=admin, json=fields, timeout=20)


def _want_room_for_the_log(postgres: MortalServer) -> None:
    """Let PostgreSQL begin new files of its write-ahead log until there is no room for one: it breaks down."""

    async def begin_another() -> None:
        with suppress(asyncpg.PostgresError, OSError):
            connection = await asyncpg.connect(postgres.url)
            try:
                await connection.execute("SELECT pg_switch_wal(); CREATE TABLE IF NOT EXISTS another (n integer)")
                await connection.execute("INSERT INTO another VALUES (1)")
            finally:
                connection.terminate()

    def has_broken_down() -> bool:
        asyncio.run(begin_another())  # once is not enough where an old file was kept for use as the next one
        return postgres.has_ended()

    wait_for(has_broken_down)


@contextmanager
def _full_disk(folder: Path) -> Iterator[None]:
    """Take all the space that is left in *folder* meanwhile."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"\0" * 4096):
            pass
    assert 0 == os.statvfs(folder).f_bavail
    yield
    filler.unlink()


def test_sf_06_a_full_disk_stops_no_request_and_loses_no_use(
    alone: Callable[..., Server],
    place_in: Callable[[Path], AbstractContextManager[Origin]],
    mounted: Callable[..., Path],
) -> None:
    """On a full disk keys pass and new keys are 503; once there is room again, every use is written down."""
    folder = mounted("-t", "tmpfs", "-o", "size=1m", "tmpfs")
    with place_in(folder) as place:
        issued, admin = place.issue("items:read"), place.issue("*", key_type="admin")
        server = alone(place, usage_interval=0.1, max_staleness=0.4)
        with server.wire() as wire:
            assert ["200"] * 5 == kinds(wire, issued, 5)
            wait_for(lambda: uses_of(place, issued) == 5)
            with closing(sqlite3.connect(database(place))) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # so that the next write needs room
            with _full_disk(folder):
                wait_for(lambda: kinds(wire, issued) == ["200"] and WAITING in server.printed())
                before = server.stats()["admitted"]
                until = time.monotonic() + 1
                while time.monotonic() < until:
                    assert ["200"] * 10 == kinds(wire, issued, 10)
                assert 503 == _create(place.here, admin.headers).status_code
                assert ["200"] == kinds(wire, issued)
                assert 5 == uses_of(place, issued)
                admitted = server.stats()["admitted"]
                assert admitted > before
            wait_for(lambda: uses_of(place, issued) == admitted)
            place.disable(issued)
            assert ["B401"] == kinds(wire, issued)
        assert 1 == server.printed().count(WAITING)


@pytest.fixture
def cramped(mounted: Callable[..., Path]) -> Iterator[tuple[MortalServer, Path]]:
    """A PostgreSQL of the test's own, and the small disk that it is on."""
    folder = mounted("-t", "tmpfs", "-o", "size=80m", "tmpfs")
    with mortal_server(folder) as server:
        yield server, folder


@pytest.mark.parametrize("full", ["for the tables", "for the log"])
def test_sf_06_where_the_disk_of_postgresql_is_full_requests_go_on(
    alone: Callable[..., Server], place_in: PlaceIn, cramped: tuple[MortalServer, Path], tmp_path: Path, full: str
) -> None:
    """Whether PostgreSQL says so or breaks down, keys pass, memory is bounded, and uses are written once it can."""
    postgres, folder = cramped
    with place_in(tmp_path, url=postgres.url) as place:
        busy, *others = issued = issue_many(place, 200, CHEAP)
        host = alone(place, http="httptools", usage_interval=0.1, max_staleness=0.4, max_stale_on_outage=60)
        with host.wire() as wire:
            assert ["200"] * 6 == kinds(wire, busy, 6)
            assert ["200"] * len(others) == [kinds(wire, each)[0] for each in others]
            wait_for(lambda: all_uses(place, issued) == 6 + len(others))
            time.sleep(1)  # a PostgreSQL that breaks down forgets what was written of uses in the second before
            with _full_disk(folder):
                if full == "for the log":
                    _want_room_for_the_log(postgres)
                admitted = 6 + len(others)
                while WAITING not in host.printed():
                    assert ["200"] * len(others) == [kinds(wire, each)[0] for each in others]
                    admitted += len(others)
                before = memory(host)
                for _ in range(30):
                    assert ["200"] * 50 == kinds(wire, busy, 50)
                assert ["200"] * len(others) == [kinds(wire, each)[0] for each in others]
                assert memory(host) - before < 4
                with pytest.raises(StoreUnavailable):
                    issue_many(place, 200, CHEAP)
                assert (full == "for the log") == postgres.has_ended()
            if postgres.has_ended():
                postgres.start()
            wait_for(lambda: uses_of(place, busy) == 6 + 30 * 50)
            assert admitted + 30 * 50 + len(others) == all_uses(place, issued)
            place.disable(busy)
            wait_for(lambda: kinds(wire, busy) == ["B401"])
        assert 1 == host.printed().count(WAITING)
        assert full == "for the log" or "DiskFullError" in host.printed()  # before it breaks down it may say so, too


def test_sf_06_a_process_that_may_write_no_further_goes_on(alone: Callable[..., Server], own: Origin) -> None:
    """The same where it is a limit of the process that writing fails at, in the midst of a file."""
    issued = own.issue("items:read")
    server = alone(own, usage_interval=0.1)
    pid = server.stats()["pid"]
    with server.wire() as wire:
        assert ["200"] * 3 == kinds(wire, issued, 3)
        wait_for(lambda: uses_of(own, issued) == 3)
        room = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (16_384, room[1]))
        until, admitted = time.monotonic() + 0.8, 3
        while time.monotonic() < until:
            assert ["200"] == kinds(wire, issued)
            admitted += 1
        assert 3 == uses_of(own, issued)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, room)
        wait_for(lambda: uses_of(own, issued) == admitted)


def test_sf_08_on_a_read_only_file_system_keys_are_verified(
    alone: Callable[..., Server], own: Origin, mounted: Callable[..., Path]
) -> None:
    """A server that may only read verifies, hears of changes at once, changes nothing, and complains once."""
    folder = mounted("--bind", str(own.here.folder))
    if closing_error := _remount_read_only(folder):
        pytest.skip(closing_error)
    issued, admin = own.issue("items:read"), own.issue("*", key_type="admin")
    there = replace(own.here, folder=folder)
    server = alone(Origin(own._portal, there), usage_interval=0.05, max_staleness=0.4)
    with server.wire() as wire:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert ["200"] * 5 == kinds(wire, issued, 5)
        assert 503 == _disable(there, issued.record.id, admin.headers).status_code
        assert ["200"] == kinds(wire, issued)
        own.disable(issued)
        assert ["B401"] == kinds(wire, issued)
    printed = server.printed()
    assert (1, 0) == (printed.count(WAITING), printed.count("Traceback"))


NO_SHARED_MEMORY = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
void *mmap(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    static void *(*real)(void *, size_t, int, int, int, off_t);
    char link[64], path[4096];
    ssize_t size = 0;
    if (!real) real = dlsym(RTLD_NEXT, "mmap");
    if ((flags & MAP_SHARED) && fd >= 0) {
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        size = readlink(link, path, sizeof path - 1);
    }
    if (size > 0 && (path[size] = 0, strstr(path, "keyfob.db"))) { errno = ENODEV; return MAP_FAILED; }
    return real(address, length, protection, flags, fd, offset);
}
void *mmap64(void *address, size_t length, int protection, int flags, int fd, off_t offset) {
    return mmap(address, length, protection, flags, fd, offset);
}
"""


@pytest.fixture
def without_shared_memory(tmp_path: Path) -> dict[str, str]:
    """The environment of a process whose database's folder cannot share memory, as on a network file system."""
    if shutil.which("gcc") is None:
        require("gcc", "it builds what makes mapping a file fail")
    (source := tmp_path / "none.c").write_text(NO_SHARED_MEMORY)
    subprocess.run(
        ["gcc", "-shared", "-fPIC", "-o", str(library := tmp_path / "none.so"), str(source), "-ldl"], check=True
    )
    return {**os.environ, "LD_PRELOAD": str(library)}


def test_sf_19_where_memory_cannot_be_shared_nothing_starts(
    alone: Callable[..., Server], own: Origin, without_shared_memory: dict[str, str], tmp_path: Path
) -> None:
    """On a file system without shared memory neither a server starts nor a database is made, and both say why."""
    with pytest.raises(StartError) as caught:
        alone(own, environ=without_shared_memory)
    (new := tmp_path / "new").mkdir()
    program = "import sys; from keyfob.store.opening import open_store; open_store(sys.argv[1], create=True)"
    making = [sys.executable, "-c", program, f"sqlite:///{new}/keyfob.db"]
    made = subprocess.run(making, env=without_shared_memory, capture_output=True, text=True, check=False)

    for place, said in ((own.here.folder, str(caught.value)), (new, made.stderr)):
        assert f"{place}/keyfob.db does not support SQLite's write-ahead log" in said


def test_sf_08_a_database_that_cannot_even_be_read_here_is_503(
    alone: Callable[..., Server],
    place_in: Callable[[Path], AbstractContextManager[Origin]],
    mounted: Callable[..., Path],
    tmp_path: Path,
) -> None:
    """Read-only and not open anywhere else, SQLite cannot read its own log: keys are 503, public paths work."""
    (source := tmp_path / "source").mkdir()
    with place_in(source) as place:
        issued = place.issue("items:read")
    folder = mounted("--bind", str(source))
    if closing_error := _remount_read_only(folder):
        pytest.skip(closing_error)
    there = replace(place.here, folder=folder)
    server = alone(Origin(place._portal, there), usage_interval=0.05, max_staleness=0.2)
    until = time.monotonic() + 1
    while time.monotonic() < until:
        assert kind(server, issued) in {"200", "S503"}
    assert 200 == server.ask("/open").status
    assert server.printed().count("the store cannot be read") <= 1


def _remount_read_only(point: Path) -> str | None:
    done = subprocess.run(["mount", "-o", "remount,ro,bind", str(point)], capture_output=True, check=False, text=True)
    return done.stderr if done.returncode else None
