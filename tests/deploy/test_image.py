from __future__ import annotations

import asyncio
import re
import socket
import subprocess
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from tests.deploy.dockerfile import DEPLOY, Stage, build, sent_to_the_builder, stages
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

ROOT_DIR = "/var/lib/keyfob"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the build stage makes, in a folder instead of an image."""
    return build(tmp_path_factory.mktemp("image"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


@contextmanager
def running(command: list[str], **how: Any) -> Iterator[None]:
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, **how)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def turns_healthy(command: list[str], **how: Any) -> bool:
    """Whether the health check succeeds within its patience, as a container engine would ask it."""
    for _ in range(100):
        if subprocess.run(command, capture_output=True, check=False, **how).returncode == 0:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("name", ["keyfob", "application"])
async def test_what_the_image_starts_turns_healthy(programs: Path, tmp_path: Path, name: str) -> None:
    """Built from the pinned files alone, a stage's command serves on PostgreSQL, and its health check says so."""
    stage = stages()[name]
    port = str(free_port())

    def here(words: list[str]) -> list[str]:
        moved = [re.sub(r"\b8[07]00\b", port, word).replace("/app", str(DEPLOY)) for word in words]
        return [str(programs / moved[0]), *moved[1:]]

    async with fresh_database(empty=True) as url:
        environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "KEYFOB_CONFIG": str(DEPLOY / "keyfob.toml"),
            "KEYFOB_KEYRING": str(tmp_path / "keyfob.keyring"),
            "KEYFOB_STORE_URL": url,
        }
        await asyncio.to_thread(live, stage, here, {"cwd": tmp_path, "env": environment})


def live(stage: Stage, here: Callable[[list[str]], list[str]], how: dict[str, Any]) -> None:
    """Make an installation, serve it, and ask the health check while it is served and afterwards."""
    subprocess.run(here(["keyfob", "init"]), check=True, capture_output=True, **how)
    entry = stage.command("ENTRYPOINT") if stage.all("ENTRYPOINT") else []
    health = here(stage.command("HEALTHCHECK"))
    with running(here([*entry, *stage.command("CMD")]), **how):
        assert turns_healthy(health, **how)
    assert 0 != subprocess.run(health, capture_output=True, check=False, **how).returncode


def test_the_image_runs_as_nobody_special() -> None:
    """Every stage that runs has a numeric user other than root, and writes in one folder that is its own."""
    runtime = stages()["runtime"]

    assert ["10001:10001"] == runtime.all("USER")
    assert [ROOT_DIR] == runtime.all("WORKDIR")
    assert {"runtime"} == {stages()[name].origin for name in ("keyfob", "application")}
    assert [] == [user for name in ("keyfob", "application") for user in stages()[name].all("USER")]


def test_no_secret_and_no_test_gets_into_the_image() -> None:
    """The ignore file shuts out everything that the build does not name."""
    first = next(line for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line[:1] != "#")

    assert "*" == first
    assert {"LICENSE", "README.md", "admin_api", "examples", "middleware", "pyproject.toml", "requirements"} == {
        path.partition("/")[0] for path in sent_to_the_builder()
    }
