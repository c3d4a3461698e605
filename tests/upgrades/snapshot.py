"""Makes the snapshots that the drill brings up: an installation of the present version, in use, on each engine.

After a release, once: ``.venv/bin/python -m tests.upgrades.snapshot`` writes ``tests/upgrades/snapshots/VERSION``. What
is there is never made again: a changed first step would no longer fit it, and that is what the drill is there to see.
Only before the release itself, while the first step still changes, ``--renew`` writes over the present version's.

A snapshot is the database (SQLite's file, or what pg_dump wrote), and beside it, as JSON, the configuration, the
keyring, the keys as their holders write them, and the checksums of the steps.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import sqlite3
import sys
import tempfile
from contextlib import chdir, closing
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from tests.keyfob_admin.cli.conftest import CHEAP, Said, typed
from tests.postgres_server import fresh_database, tool

SNAPSHOTS: Final = Path(__file__).with_name("snapshots")
FOREIGN: Final = "sk_live_" + "abcdefgh" * 3
CONFIG: Final = f'{CHEAP}\n[foreign.legacy]\npattern = "sk_live_[A-Za-z0-9]{{24}}"\n'
ENGINES: Final = ("sqlite", "postgres")


def steps_of(engine: str) -> dict[str, str]:
    """The checksum of each step of *engine*, by name."""
    found = import_module(f"keyfob.store.{engine}.migrations").steps()
    return {step.name: step.checksum for step in found}


def said(*arguments: str, stdin: str = "") -> Said:
    """Run a command, and expect it to work."""
    done = typed(*arguments, stdin=stdin)
    if done.code:
        raise RuntimeError(f"keyfob {' '.join(arguments)}: {done.err}")
    return done


def made(*arguments: str) -> tuple[str, str]:
    """Make a key; its id and its secret."""
    data = said("keys", "create", *arguments, "--json").data
    return data["key"]["id"], data["secret"]


def used() -> list[dict[str, object]]:
    """Make an installation in the working folder, and use all of it; every key, and whether it is admitted."""
    admin = said("init").out.strip()
    config = Path("keyfob.toml")
    config.write_text(config.read_text().replace("\n[middleware]\n", CONFIG, 1))
    live = made("live", "--permission", "items:read", "--ip", "192.0.2.0/24")
    disabled, deleted = made("off"), made("gone")
    said("keys", "disable", disabled[0], "--yes", "--reason", "was in a public log")
    said("keys", "disable", deleted[0], "--yes")
    said("keys", "delete", deleted[0], "--yes")
    rotated = made("rotated", "--permission", "items:write")
    successor = said("keys", "rotate", rotated[0], "--overlap", "0s", "--json").data["secret"]
    said("keys", "create", "pending", "--handover", "--link-expires", "30d")
    Path("export.ndjson").write_text(json.dumps({"name": "old", "key": FOREIGN, "permissions": ["items:read"]}))
    said("import", "export.ndjson")
    Path("export.ndjson").unlink()
    said("teams", "create", "acme", "--name", "Acme Ltd")
    theirs = made("theirs", "--team", "acme", "--type", "computer")
    said("people", "invite", "ana@example.com", "--team", "acme", "--role", "team_admin")
    admitted = [admin, live[1], theirs[1], successor, FOREIGN]
    for key in admitted:  # the first use of an imported key writes a hash of our own
        said("keys", "check", "-", stdin=key)
    refused = [disabled[1], deleted[1], rotated[1]]
    return [{"key": key, "is_admitted": key in admitted} for key in (*admitted, *refused)]


def of_sqlite() -> tuple[list[dict[str, object]], bytes]:
    """The keys, and the file of a database; what is still in its journal as well."""
    keys = used()
    with closing(sqlite3.connect("keyfob.db")) as database, closing(sqlite3.connect("copy.db")) as copy:
        database.backup(copy)
    return keys, Path("copy.db").read_bytes()


def of_postgres() -> tuple[list[dict[str, object]], bytes]:
    """The keys, and a database as statements that need no program of PostgreSQL's."""
    with asyncio.Runner() as runner:
        database = fresh_database(empty=True)
        url = os.environ["KEYFOB_STORE_URL"] = runner.run(database.__aenter__())
        try:
            keys = used()
            options = ("--schema=keyfob", "--inserts", "--no-owner", "--no-privileges")
            tool("pg_dump", *options, "--file=dump.sql", f"--dbname={url}")
        finally:
            del os.environ["KEYFOB_STORE_URL"]
            runner.run(database.__aexit__(None, None, None))
    lines = Path("dump.sql").read_bytes().splitlines(keepends=True)
    for_others = (b"\\", b"SET ", b"--")  # for psql, and settings that only some versions know
    statements = b"".join(line for line in lines if not line.startswith(for_others) and line.strip())
    return keys, b"SET check_function_bodies = false;\n" + statements  # they name tables further down


def write(folder: Path, engine: str) -> None:
    """Write the snapshot of *engine* into *folder*."""
    with tempfile.TemporaryDirectory() as temporary, chdir(temporary):
        keys, database = of_sqlite() if engine == "sqlite" else of_postgres()
        about: dict[str, Any] = {
            "config": Path("keyfob.toml").read_text(),
            "keyring": Path("keyfob.keyring").read_text(),
            "keys": keys,
            "steps": steps_of(engine),
        }
    (folder / f"{engine}.gz").write_bytes(gzip.compress(database, mtime=0))
    (folder / f"{engine}.json.gz").write_bytes(gzip.compress(json.dumps(about, indent=1).encode(), mtime=0))


def main() -> None:
    """Make the snapshots of the present version, unless they are there."""
    folder = SNAPSHOTS / version("keyfob")
    if folder.exists() and "--renew" not in sys.argv[1:]:
        sys.exit(f"{folder} is there: what was released stays")
    folder.mkdir(parents=True, exist_ok=True)
    for engine in ENGINES:
        write(folder, engine)


if __name__ == "__main__":
    main()
