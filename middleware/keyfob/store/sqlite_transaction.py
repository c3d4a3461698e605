"""One change to the keys: what may be done between BEGIN IMMEDIATE and COMMIT."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from keyfob.audit import seal
from keyfob.errors import ConfigError
from keyfob.store import rows
from keyfob.store.named_sql import read_statements
from keyfob.store.sqlite_files import answering

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    import aiosqlite

    from keyfob.audit import Event
    from keyfob.record import KeyRecord, Team
    from keyfob.ring import RingKey
    from keyfob.store import Remembered, RingMark, StoredSecret

SQL = read_statements("sqlite.sql")

_IDEMPOTENCY_LASTS = timedelta(hours=24)
_TRACES = (
    "erase_secret",
    "erase_days",
    "erase_usage",
    "erase_drafts",
    "erase_sessions",
    "erase_links",
    "take_out_of_search",
)


class SQLiteTransaction:
    """The verbs of `keyfob.store.Transaction`, on a connection that is inside a transaction."""

    def __init__(self, connection: aiosqlite.Connection, seal_with: Callable[[], RingKey] | None) -> None:
        self._connection = connection
        self._seal_with = seal_with
        self.revision: int | None = None

    async def run(
        self, name: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[Sequence[rows.Row]]:
        """Run the statement *name* of ``sqlite.sql`` and return all its rows."""
        with answering():
            return list(await self._connection.execute_fetchall(SQL[name], parameters))

    async def next_revision(self) -> int:
        """The revision of this change; taken once."""
        if self.revision is None:
            await self.run("raise_revision")
            ((self.revision,),) = await self.run("revision")
        return self.revision

    async def team(self, team_id: str) -> Team | None:
        """Read a team."""
        found = await self.run("team", (team_id,))
        return rows.team_of(found[0]) if found else None

    async def put_team(self, team: Team) -> None:
        """Insert the team or change it."""
        await self.next_revision()
        await self.run("put_team", (team.id, team.name, team.plan, rows.micros(team.created_at)))

    async def stamp_team_keys(self, team_id: str) -> None:
        """Give every key of the team this change's revision, tombstones excepted."""
        await self.run("stamp_team_keys", (await self.next_revision(), team_id))

    async def key(self, key_id: str) -> KeyRecord | None:
        """Read a key, or its tombstone."""
        found = await self.run("key", (key_id,))
        return rows.record_of(found[0]) if found else None

    async def live_keys(self, team_id: str, key_type: str) -> list[KeyRecord]:
        """The team's keys of one type that are not deleted, oldest first."""
        return [rows.record_of(row) for row in await self.run("live_keys", (team_id, key_type))]

    async def root_keys(self) -> list[KeyRecord]:
        """All admin keys that hold ``*`` and are not deleted, whatever their state."""
        return [rows.record_of(row) for row in await self.run("root_keys")]

    async def add_key(self, record: KeyRecord, secret: StoredSecret) -> None:
        """Insert a new key, stamped with this change's revision."""
        await self.run("add_key", rows.values_of(record, await self.next_revision()))
        await self.run("add_secret", (record.id, secret.hash, secret.proof))
        await self.run("add_usage_row", (record.id, record.team))
        await self.run("add_to_search", (record.id, rows.folded(record.name)))

    async def add_keys(self, keys: Sequence[tuple[KeyRecord, StoredSecret]], revision: int) -> None:
        """Insert many new keys, stamped with a *revision* that is in force already."""
        with answering():
            many = self._connection.executemany
            await many(SQL["add_key"], [rows.values_of(record, revision) for record, _ in keys])
            await many(SQL["add_secret"], [(record.id, secret.hash, secret.proof) for record, secret in keys])
            await many(SQL["add_usage_row"], [(record.id, record.team) for record, _ in keys])
            await many(SQL["add_to_search"], [(record.id, rows.folded(record.name)) for record, _ in keys])

    async def put_key(self, record: KeyRecord) -> None:
        """Change a key's row, stamped with this change's revision. Switching it off ends its sessions for good."""
        if record.is_disabled:
            await self.run("erase_sessions", (record.id,))
            await self.run("erase_links", (record.id,))
        await self.run("rename_in_search", {"id": record.id, "name_folded": rows.folded(record.name)})
        await self.run("put_key", rows.values_of(record, await self.next_revision()))

    async def erase_key(self, key_id: str, at: datetime) -> None:
        """Leave a tombstone; the key's secrets, usage, sessions and drafts are gone."""
        for trace in _TRACES:
            await self.run(trace, (key_id,))
        await self.run("leave_tombstone", (rows.micros(at), await self.next_revision(), key_id))

    async def ring_marks(self) -> list[RingMark]:
        """What the database knows of the ring, oldest first."""
        return [rows.mark_of(row) for row in await self.run("ring_marks")]

    async def put_ring_mark(self, mark: RingMark) -> None:
        """Insert the mark or change it."""
        await self.next_revision()
        await self.run("put_ring_mark", (mark.char, mark.fingerprint, str(mark.state), rows.micros(mark.activated_at)))

    async def recall(self, scope: str) -> Remembered | None:
        """What was made under an Idempotency-Key."""
        found = await self.run("recall", (scope,))
        return rows.remembered_of(found[0]) if found else None

    async def remember(self, scope: str, what: Remembered) -> None:
        """Keep an idempotency record; records older than 24 hours go."""
        await self.run("forget_old", (rows.micros(what.at - _IDEMPOTENCY_LASTS),))
        await self.run("remember", (scope, what.body_digest, what.key_id, rows.micros(what.at)))

    async def append(self, event: Event) -> None:
        """Add to the audit log, chained to the event before. Raises ConfigError without a ring to seal with."""
        if self._seal_with is None:
            raise ConfigError("the audit log needs the ring; set store ring or KEYFOB_RING")
        ring_key = self._seal_with()
        ((count, head),) = await self.run("audit_head")
        seq = count + 1
        link = seal(event, seq, bytes(head), ring_key.audit_key)
        await self.run("append_event", rows.event_values(seq, event, ring_key.char, link))
        await self.run("move_audit_head", (seq, link))
