"""Verifying the audit log, and every row that decides something against it.

The log cannot be rewritten without the keyring, so it says what each key and team should be. A row that somebody
changed in the database is found here, and not refused before. Log and tables are read in pages.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.audit import BEHIND_END, ChainVerifier, Fault, Head
from keyfob.keyring.person_seal import is_sealed as is_sealed_person
from keyfob.keyring.states import SigningKeyState, is_sealed
from keyfob.management.audited_state import AFTER, differences, state_of_key, state_of_person, state_of_team
from keyfob.store.contract.key_store import EventQuery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

    from keyfob.audit import ChainedEvent
    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.key_store import KeyStore

_MOST = 1000  # faults, and differences, that are named
_MAKE_KEYS = frozenset({"key.created", "key.duplicated"})
_AT_ONCE = 200  # events between two turns of the event loop
_ATTEMPTS = 3
_KEYRING = {
    "keyring.activated": SigningKeyState.ACTIVE,
    "keyring.retired": SigningKeyState.RETIRED,
    "keyring.lost": SigningKeyState.LOST,
}


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the audit log says: which one, and in what."""

    row: str
    what: str


@dataclass(slots=True)
class Verification:
    """What was found. *head* is where the log ended when it was read."""

    head: Head
    faults: list[Fault] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether log and rows are what Keyfob wrote."""
        return not self.faults and not self.differences

    def add_faults(self, faults: Iterable[Fault]) -> None:
        """Note *faults*, as long as there is room."""
        self.faults.extend(list(faults)[: _MOST - len(self.faults)])

    def add(self, row: str, whats: Iterable[str]) -> None:
        """Note in what *row* differs, as long as there is room."""
        found = [Difference(row, what) for what in whats]
        self.differences.extend(found[: _MOST - len(self.differences)])


async def verify_log(store: KeyStore, entries: Mapping[str, SigningKey], *kept: Head) -> Verification:
    """Check every MAC of the log, and that it still holds the events that the heads *kept* name.

    Events that are added meanwhile are checked, too.
    """
    found, _, _ = await _verified_log(store, entries, *kept)
    return found


async def verify_audit(store: KeyStore, entries: Mapping[str, SigningKey], *kept: Head) -> Verification:
    """Check the log as `verify_log` does, then compare every row that decides something with it."""
    found, missing, teams = await _verified_log(store, entries, *kept)
    for key_id in sorted(missing):
        found.add(f"key {key_id}", ["it is in the audit log, but not in the database"])
    await _compare_keys(store, found)
    async for audited in store.audited.teams():
        teams.discard(audited.team.id)
        found.add(f"team {audited.team.id}", differences(_after(audited.detail), state_of_team(audited.team)))
    for team_id in sorted(teams):
        found.add(f"team {team_id}", ["it is in the audit log, but not in the database"])
    await _compare_people(store, entries, found)
    await _compare_keyring(store, entries, found)
    return found


async def _verified_log(
    store: KeyStore, entries: Mapping[str, SigningKey], *kept: Head
) -> tuple[Verification, set[str], set[str]]:
    """Verify the log; also return the keys that it made and that have no row, and the teams that it made."""
    count, head = await store.audit_head()
    found = Verification(Head(count, head))
    verifier = ChainVerifier({char: entry.audit_key for char, entry in entries.items()}, found.head, *kept)
    missing: set[str] = set()
    teams: set[str] = set()
    async for page in _pages(store.every_event()):
        for chained in page:
            found.add_faults(verifier.faults_of(chained))
        made = {e.event.key_id for e in page if e.event.key_id and e.event.action in _MAKE_KEYS}
        missing |= await store.audited.missing(made) if made else set()
        teams |= {e.event.team for e in page if e.event.team and e.event.action == "team.created"}
    if verifier.reached.count > count:  # events were added meanwhile
        count, head = await store.audit_head()
    if verifier.reached.count > count:
        found.add_faults([Fault(count + 1, BEHIND_END)])
    else:
        # What was added after the last page is for the next time.
        ending = verifier.reached if found.head.count < verifier.reached.count else found.head
        found.add_faults(verifier.faults_at_end(count=ending.count, head=ending.mac))
    return found, missing, teams


async def _pages(events: AsyncIterator[ChainedEvent]) -> AsyncIterator[list[ChainedEvent]]:
    """Give *events* in batches, with a turn for everybody else between them."""
    page: list[ChainedEvent] = []
    async for chained in events:
        page.append(chained)
        if len(page) == _AT_ONCE:
            yield page
            page = []
            await asyncio.sleep(0)
    if page:
        yield page


async def _compare_keys(store: KeyStore, found: Verification) -> None:
    seeded: dict[str, list[Mapping[str, object]]] = {}
    async for audited in store.audited.keys():
        record, state = audited.record, state_of_key(audited.record)
        written = _after(audited.detail)
        if audited.detail is None:  # made in bulk, all by one event
            if record.team not in seeded:
                seeded[record.team] = await _seeded_states(store, record.team)
            written = next((known for known in seeded[record.team] if known == state), None)
        found.add(f"key {record.id}", differences(written, state))


async def _compare_people(store: KeyStore, entries: Mapping[str, SigningKey], found: Verification) -> None:
    async for audited in store.audited.people():
        person = audited.person
        faults = [*differences(_after(audited.detail), state_of_person(person))]
        if not is_sealed_person(person, entries):
            faults.append("its seal does not hold")
        found.add(f"person {person.id}", faults)


async def _seeded_states(store: KeyStore, team: str) -> list[Mapping[str, object]]:
    events = await store.events(EventQuery(team=team, action="keys.seeded", limit=_MOST))
    return [state for chained in events if (state := _after(chained.event.detail)) is not None]


async def _compare_keyring(store: KeyStore, entries: Mapping[str, SigningKey], found: Verification) -> None:
    """Compare the states of the signing keys, anew if one was changed between the two reads."""
    attempts = _ATTEMPTS
    while True:
        marks = (await store.changes(None)).keyring
        here = {mark.char: (mark.fingerprint, mark.state) for mark in marks}
        logged = await _logged_states(store)
        attempts -= 1
        if here == logged or not attempts:
            break
    for char in sorted(here.keys() | logged.keys()):
        found.add(f"signing key {char}", _keyring_differences(logged.get(char), here.get(char)))
    if not is_sealed(marks, entries):
        found.add("signing keys", ["their seal does not hold"])


def _keyring_differences(
    written: tuple[str, SigningKeyState] | None, here: tuple[str, SigningKeyState] | None
) -> list[str]:
    if written == here:
        return []
    if here is None:
        return ["it is in the audit log, but not in the database"]
    return list(
        differences(
            None if written is None else {"fingerprint": written[0], "state": str(written[1])},
            {"fingerprint": here[0], "state": str(here[1])},
        )
    )


async def _logged_states(store: KeyStore) -> dict[str, tuple[str, SigningKeyState]]:
    events = [chained for action in _KEYRING for chained in await store.events(EventQuery(action=action, limit=_MOST))]
    return {
        str(chained.event.detail.get("char")): (
            str(chained.event.detail.get("fingerprint")),
            _KEYRING[chained.event.action],
        )
        for chained in sorted(events, key=lambda chained: chained.seq)
    }


def _after(detail: Mapping[str, object] | None) -> Mapping[str, object] | None:
    state = None if detail is None else detail.get(AFTER)
    return state if isinstance(state, dict) else None
