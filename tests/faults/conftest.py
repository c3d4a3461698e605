"""Installations that a test may wreck, in folders and on file systems of their own."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from keyfob.config import load_settings
from keyfob.runtime import Runtime
from keyfob.testing import installation
from keyfob_admin.app import build_admin
from tests.admin.conftest import serving
from tests.wire.conftest import Place, alone, logs, new_place, portal
from tests.wire.raw import request
from tests.wire.refusals import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from anyio.from_thread import BlockingPortal

    from keyfob.testing import Installation, Issued
    from tests.wire.raw import Wire
    from tests.wire.server import Server

__all__ = ["alone", "logs", "new_place", "portal"]  # fixtures of the wire tests, used here as well

ROUNDS = int(os.environ.get("KEYFOB_TEST_ROUNDS", "40"))


@pytest.fixture
def own(new_place: Callable[[], Place]) -> Place:
    """An installation for this test alone."""
    return new_place()


@pytest.fixture
def place_in(portal: BlockingPortal) -> Callable[[Path], AbstractContextManager[Place]]:
    """Makes an installation in a folder of the test's choice, and closes it."""

    @contextmanager
    def make(folder: Path) -> Iterator[Place]:
        with portal.wrap_async_context_manager(installation(folder)) as here:
            yield Place(portal, here)

    return make


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mounts file systems, and unmounts them in the end; who may not mount skips the test."""
    points: list[Path] = []

    def mount(*arguments: str) -> Path:
        point = tmp_path / f"mount-{len(points)}"
        point.mkdir()
        done = subprocess.run(["mount", *arguments, str(point)], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("only root can mount a file system")
        points.append(point)
        return point

    yield mount
    for point in reversed(points):
        subprocess.run(["umount", "--lazy", str(point)], check=True)


def database(place: Place) -> Path:
    """Where the keys of *place* are."""
    return place.here.folder / "keyfob.db"


def uses_of(place: Place, issued: Issued) -> int:
    """How many admitted uses are written down."""
    return place.uses(issued)[0]


def kinds(wire: Wire, issued: Issued, times: int = 1) -> list[str]:
    """What each of *times* requests in a row is answered."""
    wire.send(request("/items", issued.headers) * times)
    return [kind_of(wire.answer(), issued.text) for _ in range(times)]


def kind(server: Server, issued: Issued) -> str:
    """What one request is answered, over a connection of its own."""
    return kind_of(server.ask("/items", issued.headers), issued.text)


@contextmanager
def admin_api(here: Installation) -> Iterator[str]:
    """The address of an admin API beside the servers, in this process."""
    overrides = {"store": here.options["store"], "ring": here.options["ring"], "argon2": {"memory_kib": 64, "time": 1}}
    with serving(build_admin(Runtime(load_settings(environ={}, overrides=overrides)))) as url:
        yield url
