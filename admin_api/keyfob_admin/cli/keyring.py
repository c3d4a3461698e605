"""``keyfob keyring``: the server's own keys. The file holds them; the database says which one issues keys.

These commands also work where the keyring is not the one the database knows, because they are how that is fixed.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from keyfob.config.keyring_source import keyring_of
from keyfob.errors import ConfigError, Invalid
from keyfob.keyring.file import write_keyring
from keyfob.keyring.states import newest_active
from keyfob.management.actor import Actor
from keyfob.management.keyring_rotation import KeyringRotation
from keyfob.store.opening import open_store
from keyfob_admin.cli.context import login_name, needed_settings
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Group, as_json_option, confirm, yes_option
from keyfob_admin.cli.output import moment, print_json, print_table, say
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from keyfob.config.settings import Settings
    from keyfob.keyring.keyring import Keyring, SigningKey
    from keyfob.keyring.states import SigningKeyRecord


NO_ADMIN = (
    "No admin key that can do everything works any more: "
    "`keyfob keys create admin --type admin --permission '*'` makes one."
)


@dataclass(slots=True)
class KeyringContext:
    """The keyring as the file has it, beside the database's word on it."""

    settings: Settings
    keyring: Keyring
    actor: Actor
    keyrings: KeyringRotation = field(init=False)
    marks: tuple[SigningKeyRecord, ...] = ()

    @property
    def file(self) -> Path:
        """The keyring's file. Raises Fault if the keyring comes from the environment."""
        if self.settings.keyring is None:
            raise Fault(
                "the keyring comes from KEYFOB_KEYRING_DATA, which cannot be written; set KEYFOB_KEYRING to a file"
            )
        return self.settings.keyring

    def entry(self, char: str) -> SigningKey:
        """Give one entry of the file."""
        if char not in self.keyring.entries:
            raise Fault(
                f"{self.settings.keyring} has no entry {char[:1]}; `keyfob keyring show` lists them", Exit.NOT_FOUND
            )
        return self.keyring.entries[char]

    def signing(self) -> SigningKey:
        """Return the entry that MACs what is done here: the one that issues, or the newest if that one is missing."""
        if not self.keyring.entries:
            raise ConfigError(f"{self.settings.keyring} is missing")
        return newest_active(self.marks, self.keyring.entries) or self.keyring.newest


@click.group(cls=Group)
def keyring() -> None:
    """The server's own keys: a new one, which one issues, and the end of old ones."""


@keyring.command()
@as_json_option
def show(*, as_json: bool) -> None:
    """List the entries: character, fingerprint and state; never the keys themselves."""

    async def work(bench: KeyringContext) -> None:
        rows = _rows(bench)
        if as_json:
            print_json({"entries": rows})
        else:
            print_table(
                ("entry", "fingerprint", "state", "activated", "in the file"), [tuple(r.values()) for r in rows]
            )

    _at_bench(work)


def _rows(bench: KeyringContext) -> list[dict[str, str]]:
    marks = {mark.char: mark for mark in bench.marks}
    rows = []
    for char in [*marks, *(char for char in bench.keyring.entries if char not in marks)]:
        mark, entry = marks.get(char), bench.keyring.entries.get(char)
        other = mark is not None and entry is not None and mark.fingerprint != entry.fingerprint
        fingerprint = mark.fingerprint if mark else entry.fingerprint if entry else ""
        state = str(mark.state) if mark else "not activated"
        place = "another key" if other else "yes" if entry else "no"
        since = moment(mark.activated_at) if mark else ""
        rows.append({"char": char, "fingerprint": fingerprint, "state": state, "activated_at": since, "in_file": place})
    return rows


@keyring.command()
@click.option("--new-file", is_flag=True, help="Begin a new file, because every copy of the old one is lost.")
@as_json_option
def add(*, new_file: bool, as_json: bool) -> None:
    """Write a new entry to the keyring file. Hand the file to every server before you activate it."""

    async def work(bench: KeyringContext) -> None:
        before = bench.keyring
        if not before.entries and not new_file:
            raise Fault(f"{bench.file} is missing; put your copy there, or begin a new one with --new-file")
        after = before.added(now(), taken=[mark.char for mark in bench.marks])
        write_keyring(bench.file, after, replaces=before if before.entries else None)
        bench.keyring = after
        (char,) = after.entries.keys() - before.entries.keys()
        await bench.keyrings.added(after.entries[char], actor=bench.actor)
        words = (
            f"{bench.file} has the new entry {char}. Copy it to every server, then `keyfob keyring activate {char}`."
        )
        await _tell(bench, char, words, as_json=as_json)

    _at_bench(work)


@keyring.command()
@click.argument("char", required=False)
@yes_option
@as_json_option
def activate(*, char: str | None, yes: bool, as_json: bool) -> None:
    """Issue keys with the entry CHAR from now on; without it, with the newest of the file."""

    async def work(bench: KeyringContext) -> None:
        if not bench.keyring.entries:
            raise Fault(f"{bench.file} is missing; put your copy there, or `keyfob keyring add --new-file`")
        entry = bench.keyring.newest if char is None else bench.entry(char)
        await _ask_to_activate(bench, entry, yes=yes)
        mark = await bench.keyrings.activate(entry, actor=bench.actor)
        words = f"New keys carry the entry {mark.char} now; those that carry others are good as before."
        await _tell(bench, mark.char, words, as_json=as_json)

    _at_bench(work)


async def _ask_to_activate(bench: KeyringContext, entry: SigningKey, *, yes: bool) -> None:
    """Name the workers that do not know *entry* yet, and ask. Where nobody can answer, only such workers stop it."""
    unaware = await bench.keyrings.workers_without(entry)
    for worker in unaware:
        say(f"Worker {worker.id} on {worker.host} does not know the entry {entry.char} yet ({moment(worker.seen_at)}).")
    if unaware or sys.stdin.isatty():
        knows = f"{len(unaware)} workers would refuse everything until they know it. " if unaware else ""
        confirm(f"{knows}Issue new keys with the entry {entry.char}?", yes=yes)


@keyring.command()
@click.argument("char")
@as_json_option
def retire(char: str, *, as_json: bool) -> None:
    """Refuse every key that carries the entry CHAR, for good."""

    async def work(bench: KeyringContext) -> None:
        await bench.keyrings.retire(char, actor=bench.actor)
        words = f"Keys with the entry {char} are refused now. Keep it in the file: the audit log is checked with it."
        await _tell(bench, char, words, as_json=as_json)
        if not await bench.keyrings.root_keys():
            say(NO_ADMIN)

    _at_bench(work)


@keyring.command()
@click.argument("char")
@yes_option
@as_json_option
def lost(char: str, *, yes: bool, as_json: bool) -> None:
    """Say that nobody has the entry CHAR any more: its keys pass by their hash alone, which costs more."""
    confirm(f"Let keys with the entry {char} pass without its tag?", yes=yes)

    async def work(bench: KeyringContext) -> None:
        await bench.keyrings.lost(char, actor=bench.actor)
        words = f"Keys with the entry {char} pass by hash alone now. Replace them, then `keyfob keyring retire {char}`."
        await _tell(bench, char, words, as_json=as_json)

    _at_bench(work)


async def _tell(bench: KeyringContext, char: str, words: str, *, as_json: bool) -> None:
    """Say what became of the entry *char*, or print the entry as `show` would."""
    if not as_json:
        say(words)
        return
    bench.marks = await bench.keyrings.marks()
    print_json(next(row for row in _rows(bench) if row["char"] == char))


def _at_bench(work: Callable[[KeyringContext], Awaitable[None]]) -> None:
    """Open keyring and database, do *work*, and close them."""
    asyncio.run(_work_at_bench(work))


async def _work_at_bench(work: Callable[[KeyringContext], Awaitable[None]]) -> None:
    async with _open_bench(needed_settings()) as bench:
        try:
            await work(bench)
        except Invalid as refused:
            raise Fault("; ".join(detail for _, detail in refused.errors), Exit.CONFLICT) from None


@asynccontextmanager
async def _open_bench(settings: Settings) -> AsyncIterator[KeyringContext]:
    bench = KeyringContext(settings, keyring_of(settings, may_be_missing=True), Actor.command_line(login_name()))
    store = open_store(settings.store or "", audit_key=bench.signing)
    try:
        bench.keyrings = KeyringRotation(store, now, lambda: bench.keyring.entries)
        bench.marks = await bench.keyrings.marks()
        yield bench
    finally:
        await store.close()
