"""A real installation in the working folder, and a way to type commands there."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from click.testing import CliRunner

from keyfob.config.settings import load_settings
from keyfob.store.url import StoreURL
from keyfob_admin.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.config.settings import Settings

PROGRAM = [sys.executable, "-m", "keyfob_admin.cli"]
CHEAP = "\n[middleware]\nargon2 = { memory_kib = 64, time = 1 }\n"  # these tests are not about Argon2id


@dataclass(frozen=True)
class Said:
    """What one command answered."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What was printed as JSON, on one line."""
        (line,) = self.out.splitlines()
        return json.loads(line)


def typed(*arguments: str, stdin: str | bytes = "") -> Said:
    """Run a command in this process. What is no failure of its own but a mistake of ours is raised."""
    result = CliRunner().invoke(main, arguments, input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Said(result.exit_code, result.stdout, result.stderr)


def run(*arguments: str, stdin: str = "", **environment: str) -> Said:
    """Run a command as a program of its own; the test's own timeout is the bound."""
    done = subprocess.run(
        [*PROGRAM, *arguments],
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment without settings of Keyfob's."""
    for name in [name for name in os.environ if name.startswith("KEYFOB_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@dataclass(frozen=True)
class Home:
    """An installation in the working folder."""

    folder: Path
    admin_key: str
    team: str = "default"

    def make(self, *arguments: str) -> tuple[str, str]:
        """Make a key; its id and its secret."""
        made = typed("keys", "create", *arguments, "--json")
        assert 0 == made.code, made.err
        return made.data["key"]["id"], made.data["secret"]

    @property
    def settings(self) -> Settings:
        """What its commands go by."""
        return load_settings(self.folder / "keyfob.toml", environ=os.environ)

    def sql(self, statement: str) -> list[tuple[Any, ...]]:
        """Run a statement past Keyfob."""
        url = StoreURL.parse(self.settings.store or "")
        if url.path is not None:
            with closing(sqlite3.connect(url.path)) as database, database:
                return database.execute(statement).fetchall()
        return [tuple(row) for row in asyncio.run(_on_postgres(url.text, statement))]

    def configure(self, edit: Callable[[str], str]) -> None:
        """Change the configuration."""
        path = self.folder / "keyfob.toml"
        path.write_text(edit(path.read_text()))


async def _on_postgres(url: str, statement: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url, server_settings={"search_path": "keyfob"})
    try:
        return await connection.fetch(statement)
    finally:
        await connection.close()


@pytest.fixture(scope="session")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """One installation that all tests copy, and its admin key."""
    home = tmp_path_factory.mktemp("pattern")
    done = run("--config", str(home / "keyfob.toml"), "init")
    assert 0 == done.code, done.err
    make_cheap(home)
    return home, done.out.strip()


def make_cheap(folder: Path) -> None:
    config = folder / "keyfob.toml"
    config.write_text(config.read_text().replace("\n[middleware]\n", CHEAP))


@pytest.fixture
def home(
    folder: Path, pattern: tuple[Path, str], store_setting: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> Home:
    """An installation on SQLite, and on PostgreSQL as well for tests that are marked `both_engines`."""
    if not store_setting:
        shutil.copytree(pattern[0], folder, dirs_exist_ok=True)
        return Home(folder, pattern[1])
    monkeypatch.setenv("KEYFOB_STORE_URL", store_setting["store"])
    done = typed("init")
    assert 0 == done.code, done.err
    make_cheap(folder)
    return Home(folder, done.out.strip())
