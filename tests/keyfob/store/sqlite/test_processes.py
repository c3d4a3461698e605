"""Processes that end without a word, or may not write."""

# ruff: noqa: ASYNC240 (the tests look at the files of a store in an event loop that has nothing else to do)
from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from contextlib import closing
from pathlib import Path

import pytest

from tests.keyfob.store.samples import KEY, NOON, adding
from tests.keyfob.store.sqlite.on_sqlite import opened, path

__all__ = ["path"]  # fixtures of this store's tests


def run_python(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run *program* in a process of its own, which coverage leaves alone: it may become a user who cannot write."""
    command = [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environ)


class TestProcesses:
    def test_a_forgotten_close_does_not_keep_the_process(self, path: Path) -> None:
        """A program that never closes the store ends all the same, with what it was told kept."""
        program = """
            import asyncio, sys
            from pathlib import Path
            from tests.keyfob.store.sqlite.on_sqlite import opened
            from tests.keyfob.store.samples import KEY, adding
            store = opened(Path(sys.argv[1]), create=True)
            asyncio.run(store.change(adding(KEY)))
            print("done")
        """
        ended = run_python(program, path)

        assert (0, "done\n", "") == (ended.returncode, ended.stdout, ended.stderr)
        with closing(sqlite3.connect(path)) as connection:
            assert [(KEY.id,)] == connection.execute("SELECT id FROM keys").fetchall()

    def test_sf_11_an_acknowledged_change_survives_being_killed(self, path: Path) -> None:
        """Whatever `change` returned for is there after SIGKILL, and usage that was flushed too."""
        program = """
            import asyncio, os, signal, sys
            from pathlib import Path
            from keyfob.store.contract.key_store import Use
            from tests.keyfob.store.sqlite.on_sqlite import opened
            from tests.keyfob.store.samples import KEY, NOON, adding
            async def work():
                store = opened(Path(sys.argv[1]), create=True)
                await store.change(adding(KEY))
                await store.add_usage({KEY.id: Use(NOON, "192.0.2.7")})
                os.kill(os.getpid(), signal.SIGKILL)
            asyncio.run(work())
        """
        assert -9 == run_python(program, path).returncode

        view = asyncio.run(opened(path).view(KEY.id))
        assert view is not None
        assert (KEY.name, NOON) == (view.record.name, view.last_used.at if view.last_used else None)

    async def test_sf_08_a_worker_that_may_only_read_serves_and_cannot_change(self) -> None:
        """Where the files are read-only, keys are found, the signal is seen, and a change is StoreUnavailable."""
        if os.geteuid() != 0:
            pytest.skip("only root can become another user")
        program = """
            import asyncio, os, sys
            from pathlib import Path
            from keyfob.errors import StoreUnavailable
            from tests.keyfob.store.sqlite.on_sqlite import opened
            from tests.keyfob.store.samples import KEY, erasing
            async def work():
                store = opened(Path(sys.argv[1]))
                print((await store.find(KEY.id)).record.id, store.change_signal.read()[0], store.is_immediate)
                try:
                    await store.change(erasing(KEY.id))
                except StoreUnavailable as error:
                    print(error)
                await store.close()
            os.setgid(65534)
            os.setuid(65534)
            asyncio.run(work())
        """
        with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
            Path(folder).chmod(0o755)
            store = opened(Path(folder, "keys.db"), create=True)
            await store.change(adding(KEY))
            for file in Path(folder).iterdir():
                file.chmod(0o644)
            ended = run_python(program, store.path)
            await store.close()

        expected = f"{KEY.id} 1 False\nthe database cannot answer (SQLITE_READONLY)\n"
        assert expected == ended.stdout
        assert 1 == ended.stderr.count("cannot be written")
