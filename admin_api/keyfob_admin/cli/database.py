"""``keyfob db``: making, copying and checking the database."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from keyfob.management.audit.audit_verification import verify_log
from keyfob.store.opening import open_store
from keyfob.store.sqlite import admin as sqlite_admin
from keyfob.store.sqlite import migrations as sqlite_migrations
from keyfob.store.sqlite.store import SQLiteStore
from keyfob_admin.cli.context import needed_settings, run_with_context
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Group, as_json_option, confirm, yes_option
from keyfob_admin.cli.output import print_fields, print_json, say
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.postgres.store import PostgresStore
    from keyfob.store.url import StoreURL
    from keyfob_admin.cli.context import CliContext


@click.group(cls=Group)
def db() -> None:
    """The database: its schema, copies of it, and whether it is whole."""


@db.command()
@click.option("--dry-run", is_flag=True, help="Change nothing; name the steps that would be taken.")
@as_json_option
def migrate(*, dry_run: bool, as_json: bool) -> None:
    """Make the database, or bring it to the present schema. Safe while Keyfob is serving."""
    settings = needed_settings()
    if dry_run:
        steps = asyncio.run(_pending(_url(settings)))
        words = f"{settings.shown_store} would take these steps: {', '.join(steps)}"
        has = f"{settings.shown_store} has the present schema"
        return _done(words if steps else has, {"url": settings.shown_store, "steps": steps}, as_json=as_json)
    store = open_store(settings.store or "", create=True)
    asyncio.run(store.close())
    return _done(f"{settings.shown_store} has the present schema", {"url": settings.shown_store}, as_json=as_json)


def _url(settings: Settings) -> StoreURL:
    where = settings.store_url
    if where is None:
        raise Fault("no store is named; write url under [store]")
    return where


async def _pending(where: StoreURL) -> list[str]:
    """Name the steps that a migration would take."""
    if where.path is not None:
        return sqlite_migrations.pending(where.path)
    from keyfob.store.postgres.migrations import pending  # noqa: PLC0415 (only who uses PostgreSQL has its driver)

    return await pending(where)


@db.command()
@as_json_option
def status(*, as_json: bool) -> None:
    """Show the schema, and how much is in the database."""

    async def work(context: CliContext) -> None:
        told = await _status(context.store)
        if as_json:
            print_json({"url": context.settings.shown_store, **told})
        else:
            print_fields([("url", context.settings.shown_store or ""), *((name, str(told[name])) for name in told)])

    run_with_context(work)


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@as_json_option
def backup(file: Path, *, as_json: bool) -> None:
    """Copy the database as it is now to the new FILE, readable to you alone. The keyring is not in it."""
    if file.exists():
        raise Fault(
            f"{file} is there already, and a backup is never written over another; name a new file", Exit.CONFLICT
        )

    where = _url(needed_settings())
    if where.path is None:
        from keyfob.store.postgres import copies  # noqa: PLC0415 (only who uses PostgreSQL has its driver)

        copies.backup(where, file)
    elif not where.path.exists():
        raise Fault(f"there is no {where.path} to copy")
    else:
        asyncio.run(sqlite_admin.backup_file(where.path, file))  # the schema may be older than this program
    words = f"{file} holds the database now; the keyring is not in it, keep a copy of that, too"
    _done(words, {"file": str(file)}, as_json=as_json)


@db.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@yes_option
@as_json_option
def restore(file: Path, *, yes: bool, as_json: bool) -> None:
    """Put the backup FILE in place of what the database holds now. Keys revoked since then work again."""
    if not file.exists():
        raise Fault(f"there is no {file}; name a file that `keyfob db backup` wrote")
    confirm("Put this backup in place of all keys, teams and events that there are now?", yes=yes)

    settings = needed_settings()
    asyncio.run(_replace(settings, file))

    async def note(context: CliContext) -> None:
        await context.store.change(lambda rows: rows.append(context.actor.did("db.restored", now(), file=file.name)))
        words = f"The database holds what {file} held. Keys that were disabled or deleted since then work again."
        _done(words, {"file": str(file)}, as_json=as_json)

    run_with_context(note)  # opened anew, because the backup may know the keyring otherwise than the database did


async def _replace(settings: Settings, file: Path) -> None:
    """Put the backup in place of what is there, or where nothing is any more."""
    where = _url(settings)
    if where.path is None:
        from keyfob.store.postgres import copies  # noqa: PLC0415 (only who uses PostgreSQL has its driver)

        return await copies.restore(where, file)
    store = open_store(settings.store or "", create=True)
    try:
        await sqlite_admin.restore(cast("SQLiteStore", store), file)
    finally:
        await store.close()
    return None


@db.command()
@as_json_option
def verify(*, as_json: bool) -> None:
    """Check the file and the audit log; on PostgreSQL the log alone. Exit code 3 if something is wrong."""
    faults: list[str] = []
    whole = "The database and its audit log are whole."

    async def work(context: CliContext) -> None:
        nonlocal whole
        if isinstance(context.store, SQLiteStore):
            keys = {char: entry.audit_key for char, entry in context.keyring.entries().items()}
            faults.extend(await sqlite_admin.verify(context.store, keys))
        else:
            found = await verify_log(context.store, context.keyring.entries())
            faults.extend(f"audit event {fault.seq}: {fault.what}" for fault in found.faults)
            whole = "The audit log is whole. For the files under it PostgreSQL has its own tool, pg_amcheck."

    run_with_context(work)
    if as_json:
        print_json({"ok": not faults, "faults": faults})
    else:
        say("\n".join(faults) if faults else whole)
    click.get_current_context().exit(Exit.CHECK_FAILED if faults else Exit.OK)


async def _status(store: KeyStore) -> dict[str, object]:
    """Describe the database, whichever it is."""
    if isinstance(store, SQLiteStore):
        return asdict(await sqlite_admin.status(store))
    from keyfob.store.postgres import admin as postgres_admin  # noqa: PLC0415 (only who uses PostgreSQL has its driver)

    return asdict(await postgres_admin.status(cast("PostgresStore", store)))


def _done(words: str, data: dict[str, object], *, as_json: bool) -> None:
    """Say what was done, or print it for a program."""
    if as_json:
        print_json(data)
    else:
        say(words)
