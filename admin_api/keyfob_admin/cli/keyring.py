"""``keyfob ring``: the server's own keys. The file holds them; the database says which one mints and which are refused.

These commands also work where the ring is not the one that the database knows, because they are how that is mended.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from keyfob.errors import ConfigError, Invalid
from keyfob.keyring.file import load_ring, write_ring
from keyfob.keyring.keyring import Ring
from keyfob.keyring.states import RingState
from keyfob.management.actor import Actor
from keyfob.management.keyring_rotation import Rings
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
    from keyfob.keyring.keyring import RingKey
    from keyfob.keyring.states import RingMark


NO_ADMIN = (
    "No admin key that can do everything works any more: "
    "`keyfob keys create admin --type admin --permission '*'` makes one."
)


@dataclass(slots=True)
class Workbench:
    """The ring as the file has it, beside the database's word on it."""

    settings: Settings
    ring: Ring
    actor: Actor
    rings: Rings = field(init=False)
    marks: tuple[RingMark, ...] = ()

    @property
    def file(self) -> Path:
        """The ring's file. Raises Fault if the ring comes from the environment."""
        if self.settings.ring is None:
            raise Fault("the ring comes from KEYFOB_RING_DATA, which cannot be written; set KEYFOB_RING to a file")
        return self.settings.ring

    def entry(self, char: str) -> RingKey:
        """Give one entry of the file."""
        if char not in self.ring.entries:
            raise Fault(f"{self.settings.ring} has no entry {char[:1]}; `keyfob ring show` lists them", Exit.NOT_FOUND)
        return self.ring.entries[char]

    def sealing(self) -> RingKey:
        """Give the entry that seals what is done here: the one that mints, or the newest if that is not at hand."""
        active = [mark for mark in self.marks if mark.state is RingState.ACTIVE and mark.char in self.ring.entries]
        if active:
            return self.ring.entries[max(active, key=lambda mark: mark.activated_at).char]
        if not self.ring.entries:
            raise ConfigError(f"{self.settings.ring} is missing")
        return self.ring.newest


@click.group(cls=Group)
def ring() -> None:
    """The server's own keys: a new one, which one mints, and the end of old ones."""


@ring.command()
@as_json_option
def show(*, as_json: bool) -> None:
    """List the entries: character, fingerprint and state; never the keys themselves."""

    async def work(bench: Workbench) -> None:
        rows = _rows(bench)
        if as_json:
            print_json({"entries": rows})
        else:
            print_table(
                ("entry", "fingerprint", "state", "activated", "in the file"), [tuple(r.values()) for r in rows]
            )

    _at_bench(work)


def _rows(bench: Workbench) -> list[dict[str, str]]:
    marks = {mark.char: mark for mark in bench.marks}
    rows = []
    for char in [*marks, *(char for char in bench.ring.entries if char not in marks)]:
        mark, entry = marks.get(char), bench.ring.entries.get(char)
        other = mark is not None and entry is not None and mark.fingerprint != entry.fingerprint
        fingerprint = mark.fingerprint if mark else entry.fingerprint if entry else ""
        state = str(mark.state) if mark else "not activated"
        place = "another key" if other else "yes" if entry else "no"
        since = moment(mark.activated_at) if mark else ""
        rows.append({"char": char, "fingerprint": fingerprint, "state": state, "activated_at": since, "in_file": place})
    return rows


@ring.command()
@click.option("--new-file", is_flag=True, help="Begin a new file, because every copy of the old one is lost.")
@as_json_option
def add(*, new_file: bool, as_json: bool) -> None:
    """Write a new entry to the ring file. Hand the file to every server before you activate it."""

    async def work(bench: Workbench) -> None:
        before = bench.ring
        if not before.entries and not new_file:
            raise Fault(f"{bench.file} is missing; put your copy there, or begin a new one with --new-file")
        after = before.added(now(), taken=[mark.char for mark in bench.marks])
        write_ring(bench.file, after, replaces=before if before.entries else None)
        bench.ring = after
        (char,) = after.entries.keys() - before.entries.keys()
        await bench.rings.added(after.entries[char], actor=bench.actor)
        words = (
            f"{bench.file} has a new entry {char}. Copy the file to every server, then `keyfob ring activate {char}`."
        )
        await _tell(bench, char, words, as_json=as_json)

    _at_bench(work)


@ring.command()
@click.argument("char", required=False)
@as_json_option
def activate(*, char: str | None, as_json: bool) -> None:
    """Mint with the entry CHAR from now on; without it, with the newest of the file."""

    async def work(bench: Workbench) -> None:
        if not bench.ring.entries:
            raise Fault(f"{bench.file} is missing; put your copy there, or `keyfob ring add --new-file`")
        mark = await bench.rings.activate(bench.entry(char) if char else bench.ring.newest, actor=bench.actor)
        words = f"New keys carry the entry {mark.char} now; those that carry others are good as before."
        await _tell(bench, mark.char, words, as_json=as_json)

    _at_bench(work)


@ring.command()
@click.argument("char")
@as_json_option
def retire(char: str, *, as_json: bool) -> None:
    """Refuse every key that carries the entry CHAR, for good."""

    async def work(bench: Workbench) -> None:
        await bench.rings.retire(char, actor=bench.actor)
        words = (
            f"Keys with the entry {char} are refused now. Keep it in the ring file: the audit log is checked with it."
        )
        await _tell(bench, char, words, as_json=as_json)
        if not await bench.rings.root_keys():
            say(NO_ADMIN)

    _at_bench(work)


@ring.command()
@click.argument("char")
@yes_option
@as_json_option
def lost(char: str, *, yes: bool, as_json: bool) -> None:
    """Say that nobody has the entry CHAR any more: its keys pass by their hash alone, which costs more."""
    confirm(f"Let keys with the entry {char} pass without its tag?", yes=yes)

    async def work(bench: Workbench) -> None:
        await bench.rings.lost(char, actor=bench.actor)
        words = (
            f"Keys with the entry {char} pass by their hash alone now. Replace them, then `keyfob ring retire {char}`."
        )
        await _tell(bench, char, words, as_json=as_json)

    _at_bench(work)


async def _tell(bench: Workbench, char: str, words: str, *, as_json: bool) -> None:
    """Say what became of the entry *char*, or print the entry as `show` would."""
    if not as_json:
        say(words)
        return
    bench.marks = await bench.rings.marks()
    print_json(next(row for row in _rows(bench) if row["char"] == char))


def _at_bench(work: Callable[[Workbench], Awaitable[None]]) -> None:
    """Open ring and database, do *work*, and close them."""
    asyncio.run(_work_at_bench(work))


async def _work_at_bench(work: Callable[[Workbench], Awaitable[None]]) -> None:
    async with _open_bench(needed_settings()) as bench:
        try:
            await work(bench)
        except Invalid as refused:
            raise Fault("; ".join(detail for _, detail in refused.errors), Exit.CONFLICT) from None


@asynccontextmanager
async def _open_bench(settings: Settings) -> AsyncIterator[Workbench]:
    bench = Workbench(settings, _ring_as_it_is(settings), Actor.command_line(login_name()))
    store = open_store(settings.store or "", seal_with=bench.sealing)
    try:
        bench.rings = Rings(store, now)
        bench.marks = await bench.rings.marks()
        yield bench
    finally:
        await store.close()


def _ring_as_it_is(settings: Settings) -> Ring:
    """Read the ring; one whose file is missing has no entries."""
    if settings.ring_data is not None:
        return Ring.parse(settings.ring_data)
    if settings.ring is None:
        raise ConfigError("no ring is named; write ring under [store], or set KEYFOB_RING")
    return load_ring(settings.ring) if settings.ring.exists() else Ring.of(())
