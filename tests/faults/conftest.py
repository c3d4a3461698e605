"""Installations that a test may wreck, in folders and on file systems of their own."""

from __future__ import annotations

import os
import subprocess
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.keys.record import Creator, KeyRecord, StoredSecret
from keyfob.management.key_issuer import KeyIssuer
from keyfob.runtime.runtime import Runtime
from keyfob.testing import Issued, installation
from keyfob_admin.app import build_admin
from tests.end_to_end.conftest import Origin, alone, logs, portal
from tests.end_to_end.raw import request
from tests.end_to_end.refusals import kind_of
from tests.keyfob.conftest import on_both_stores
from tests.keyfob_admin.api.conftest import serving
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    from anyio.from_thread import BlockingPortal

    from keyfob.keys.hashing import Argon2Parameters
    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation
    from tests.end_to_end.raw import Wire
    from tests.end_to_end.server import Server

__all__ = ["alone", "logs", "on_both_stores", "portal"]  # fixtures of the wire tests, used here as well

ROUNDS = int(os.environ.get("KEYFOB_TEST_ROUNDS", "40"))


@pytest.fixture
def engine() -> str:
    """Which store `own` is in; a test that is `on_both_stores` says it."""
    return "sqlite"


@pytest.fixture
def own(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory, engine: str) -> Iterator[Origin]:
    """An installation for this test alone."""
    folder, url = tmp_path_factory.mktemp("place"), None
    with ExitStack() as stack:
        if engine == "postgres":
            url = stack.enter_context(portal.wrap_async_context_manager(fresh_database(empty=True)))
        here = stack.enter_context(portal.wrap_async_context_manager(installation(folder, url=url)))
        yield Origin(portal, here)


@pytest.fixture
def place_in(portal: BlockingPortal) -> Callable[..., AbstractContextManager[Origin]]:
    """Makes an installation in a folder of the test's choice, or at an address, and closes it."""

    @contextmanager
    def make(folder: Path, *, url: str | None = None) -> Iterator[Origin]:
        with portal.wrap_async_context_manager(installation(folder, url=url)) as here:
            yield Origin(portal, here)

    return make


@pytest.fixture
def mounted() -> Iterator[Callable[..., Path]]:
    """Mounts file systems, and unmounts them in the end; who may not mount skips the test."""
    points: list[Path] = []

    def mount(*arguments: str) -> Path:
        point = Path(tempfile.mkdtemp(prefix="keyfob-mount-"))  # where PostgreSQL's user gets to, unlike pytest's own
        done = subprocess.run(["mount", *arguments, str(point)], capture_output=True, check=False)
        if done.returncode:
            point.rmdir()
            pytest.skip("only root can mount a file system")
        points.append(point)
        return point

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", "--lazy", str(point)], check=True)
        point.rmdir()


def database(place: Origin) -> Path:
    """Where the keys of *place* are."""
    return place.here.folder / "keyfob.db"


def uses_of(place: Origin, issued: Issued) -> int:
    """How many admitted uses are written down."""
    return place.uses(issued)[0]


def all_uses(place: Origin, issued: Iterable[Issued]) -> int:
    """How many admitted uses of all of them are written down."""
    return sum(uses_of(place, each) for each in issued)


def kinds(wire: Wire, issued: Issued, times: int = 1) -> list[str]:
    """What each of *times* requests in a row is answered."""
    wire.send(request("/items", issued.headers) * times)
    return [kind_of(wire.answer(), issued.text) for _ in range(times)]


def kind(server: Server, issued: Issued) -> str:
    """What one request is answered, over a connection of its own."""
    return kind_of(server.ask("/items", issued.headers), issued.text)


def issue_many(place: Origin, count: int, parameters: Argon2Parameters, phc: str | None = None) -> list[Issued]:
    """Make *count* keys in one transaction; with *phc*, that is what is stored of every secret."""

    async def make(here: Installation) -> list[Issued]:
        issuer = KeyIssuer(lambda: here.signing, here.pool, parameters, "kf", persist_digests=True)
        created = [await issuer.issue("api") for _ in range(count)]
        made = [Issued(each.text, _record(here, each.key_id)) for each in created]

        async def work(rows: Transaction) -> None:
            for each, issued in zip(created, made, strict=True):
                await rows.add_key(issued.record, each.secret if phc is None else StoredSecret(phc, None))

        await here.store.change(work)
        return made

    done: list[Issued] = place.run(make)
    return done


def _record(here: Installation, key_id: str) -> KeyRecord:
    return KeyRecord(
        id=key_id,
        name="one of many",
        key_type="api",
        team="default",
        plan="enterprise",
        permissions=("items:read",),
        created_at=here.signing.created_at,
        created_by=Creator("system", None, "tests"),
    )


def memory(server: Server, name: str = "VmRSS") -> float:
    """What the worker takes now, or took at most, in MiB."""
    status = Path(f"/proc/{server.stats()['pid']}/status")
    if not status.exists():
        pytest.skip("only Linux says what another process's memory is")
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith(name))


@contextmanager
def admin_api(here: Installation) -> Iterator[str]:
    """The address of an admin API beside the servers, in this process."""
    overrides = {
        "store": here.options["store"],
        "keyring": here.options["keyring"],
        "argon2": {"memory_kib": 64, "time": 1},
    }
    with serving(build_admin(Runtime(load_settings(environ={}, overrides=overrides)))) as url:
        yield url
