"""One change to the keys: what may be done between BEGIN and COMMIT."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from keyfob.audit import seal
from keyfob.errors import ConfigError, StoreUnavailable
from keyfob.store import rows
from keyfob.store.postgres_answering import answering
from keyfob.store.postgres_statements import SQL, bound

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from asyncpg import Connection

    from keyfob.audit import Event
    from keyfob.record import KeyRecord, Team
    from keyfob.ring import RingKey
    from keyfob.store import Remembered, RingMark, StoredSecret

STATEMENT_LIMIT = 1.8  # seconds; what takes longer is given up, and the change with it
STAMPING_LIMIT = 20.0  # seconds, for the statements that grow with what is stored or given

# Whoever changes keys takes the row of the revision first. So revisions become visible in their order: nobody can
# read a revision and miss one below it. A client that is gone in the midst doesn't keep the row from the others.
_BEGIN = """
BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE;
SET LOCAL lock_timeout = '1500ms';
SET LOCAL idle_in_transaction_session_timeout = '10s';
SELECT set_config('synchronous_commit', 'on', true) WHERE current_setting('synchronous_commit') <> 'remote_apply';
SELECT revision FROM keyfob.meta FOR UPDATE
"""
_IDEMPOTENCY_LASTS = timedelta(hours=24)
_TRACES = (
    "erase_secret",
    "hold_one_usage",
    "erase_days",
    "erase_usage",
    "erase_drafts",
    "erase_sessions",
    "erase_links",
)


class PostgresTransaction:
    """The verbs of `keyfob.store.Transaction`, on a connection that nobody else uses meanwhile."""

    def __init__(self, connection: Connection[Any], seal_with: Callable[[], RingKey] | None) -> None:
        self._connection = connection
        self._seal_with = seal_with
        self.revision: int | None = None

    async def begin(self) -> None:
        """Begin, and wait for the changes before this one."""
        async with answering(STATEMENT_LIMIT):
            await self._connection.execute(_BEGIN)

    async def commit(self) -> None:
        """Make it last, and let other hosts know. Raises StoreUnavailable, also if that cannot be told."""
        notice = "COMMIT" if self.revision is None else "NOTIFY keyfob; COMMIT"
        async with answering(STATEMENT_LIMIT):
            ended = await self._connection.execute(notice)
        if ended != "COMMIT":  # PostgreSQL answers ROLLBACK to a COMMIT after a statement that failed
            raise StoreUnavailable("the change was undone, because a part of it failed")

    async def roll_back(self) -> None:
        """Undo it."""
        async with answering(STATEMENT_LIMIT):
            await self._connection.execute("ROLLBACK")

    async def run(
        self, name: str, parameters: Sequence[object] | Mapping[str, object] = (), *, within: float = STATEMENT_LIMIT
    ) -> list[Sequence[rows.Row]]:
        """Run the statement *name* of ``postgres.sql`` and return all its rows."""
        async with answering(within):
            sql, values = bound(SQL[name], parameters)
            return list(await self._connection.fetch(sql, *values))

    async def next_revision(self) -> int:
        """The revision of this change; taken once."""
        if self.revision is None:
            ((self.revision,),) = await self.run("raise_revision")
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
        await self.run("stamp_team_keys", (await self.next_revision(), team_id), within=STAMPING_LIMIT)

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

    async def add_keys(self, keys: Sequence[tuple[KeyRecord, StoredSecret]], revision: int) -> None:
        """Insert many new keys, stamped with a *revision* that is in force already."""
        columns = rows.columns_of([rows.values_of(record, revision) for record, _ in keys])
        secrets = {
            "ids": columns["id"],
            "hashes": [secret.hash for _, secret in keys],
            "proofs": [secret.proof for _, secret in keys],
        }
        await self.run("add_keys", columns, within=STAMPING_LIMIT)
        await self.run("add_secrets", secrets, within=STAMPING_LIMIT)
        await self.run("add_usage_rows", {"ids": columns["id"], "teams": columns["team"]}, within=STAMPING_LIMIT)

    async def put_key(self, record: KeyRecord) -> None:
        """Change a key's row, stamped with this change's revision. Switching it off ends its sessions for good."""
        if record.is_disabled:
            await self.run("erase_sessions", (record.id,))
            await self.run("erase_links", (record.id,))
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
