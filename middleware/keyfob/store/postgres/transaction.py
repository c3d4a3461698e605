"""One change to the keys: what may be done between BEGIN and COMMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob.errors import StoreUnavailable
from keyfob.store.postgres.failures import translate_failures
from keyfob.store.postgres.statements import SQL, bound
from keyfob.store.sql import rows
from keyfob.store.sql.transaction import StatementTransaction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from asyncpg import Connection

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord, StoredSecret

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


class PostgresTransaction(StatementTransaction):
    """The verbs of `keyfob.store.contract.transaction.Transaction`, on a connection that nobody else uses meanwhile."""

    traces = (
        "erase_secret",
        "hold_one_usage",
        "erase_days",
        "erase_hours",
        "erase_details",
        "erase_usage",
        "erase_drafts",
        "erase_sessions",
        "erase_links",
        "erase_handovers",
        "erase_foreign_key",
    )

    def __init__(self, connection: Connection[Any], audit_key: Callable[[], SigningKey] | None) -> None:
        super().__init__(audit_key)
        self._connection = connection

    async def begin(self) -> None:
        """Begin, and wait for the changes before this one."""
        async with translate_failures(STATEMENT_LIMIT):
            await self._connection.execute(_BEGIN)

    async def commit(self) -> None:
        """Make it last, and let other hosts know. Raises StoreUnavailable, also if that cannot be told."""
        notice = "COMMIT" if self.revision is None else "NOTIFY keyfob; COMMIT"
        async with translate_failures(STATEMENT_LIMIT):
            ended = await self._connection.execute(notice)
        if ended != "COMMIT":  # PostgreSQL answers ROLLBACK to a COMMIT after a statement that failed
            raise StoreUnavailable("the change was undone, because a part of it failed")

    async def roll_back(self) -> None:
        """Undo it."""
        async with translate_failures(STATEMENT_LIMIT):
            await self._connection.execute("ROLLBACK")

    async def run(
        self, name: str, parameters: Sequence[object] | Mapping[str, object] = (), *, within: float = STATEMENT_LIMIT
    ) -> list[Sequence[rows.Row]]:
        """Run the statement *name* of ``queries.sql`` and return all its rows."""
        async with translate_failures(within):
            sql, values = bound(SQL[name], parameters)
            return list(await self._connection.fetch(sql, *values))

    async def next_revision(self) -> int:
        """The revision of this change; taken once."""
        if self.revision is None:
            ((self.revision,),) = await self.run("raise_revision")
        return self.revision

    async def stamp_team_keys(self, team_id: str) -> None:
        """Give every key of the team this change's revision, tombstones excepted."""
        await self.run("stamp_team_keys", (await self.next_revision(), team_id), within=STAMPING_LIMIT)

    async def add_keys(self, keys: Sequence[tuple[KeyRecord, StoredSecret]], revision: int) -> None:
        """Insert many new keys, stamped with a *revision* that is in force already."""
        columns = rows.columns_of([rows.values_of(record, revision) for record, _ in keys])
        secrets = {
            "ids": columns["id"],
            "hashes": [secret.hash for _, secret in keys],
            "digests": [secret.digest for _, secret in keys],
        }
        await self.run("add_keys", columns, within=STAMPING_LIMIT)
        await self.run("add_secrets", secrets, within=STAMPING_LIMIT)
        uses = {"ids": columns["id"], "teams": columns["team"], "made": columns["created_at"]}
        await self.run("add_usage_rows", uses, within=STAMPING_LIMIT)
