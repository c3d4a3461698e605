"""One change to the keys: what may be done between BEGIN IMMEDIATE and COMMIT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.store.sql import rows
from keyfob.store.sql.named_statements import read_statements
from keyfob.store.sql.transaction import StatementTransaction
from keyfob.store.sqlite.files import translate_failures

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord, StoredSecret
    from keyfob.store.sqlite.files import QuietConnection

SQL = read_statements(__package__)


class SQLiteTransaction(StatementTransaction):
    """The verbs of `keyfob.store.contract.transaction.Transaction`, on a connection that is inside a transaction."""

    traces = (
        "erase_secret",
        "erase_days",
        "erase_hours",
        "erase_details",
        "erase_usage",
        "erase_drafts",
        "erase_sessions",
        "erase_links",
        "erase_handovers",
        "erase_foreign_key",
        "take_out_of_search",
    )

    def __init__(self, connection: QuietConnection, audit_key: Callable[[], SigningKey] | None) -> None:
        super().__init__(audit_key)
        self._connection = connection

    async def run(
        self, name: str, parameters: Sequence[object] | Mapping[str, object] = ()
    ) -> list[Sequence[rows.Row]]:
        """Run the statement *name* of ``queries.sql`` and return all its rows."""
        with translate_failures():
            return list(await self._connection.execute_fetchall(SQL[name], parameters))

    async def next_revision(self) -> int:
        """The revision of this change; taken once."""
        if self.revision is None:
            await self.run("raise_revision")
            ((self.revision,),) = await self.run("revision")
        return self.revision

    async def stamp_team_keys(self, team_id: str) -> None:
        """Give every key of the team this change's revision, tombstones excepted."""
        await self.run("stamp_team_keys", (await self.next_revision(), team_id))

    async def add_keys(self, keys: Sequence[tuple[KeyRecord, StoredSecret]], revision: int) -> None:
        """Insert many new keys, stamped with a *revision* that is in force already."""
        self.adds_keys = True
        with translate_failures():
            many = self._connection.executemany
            await many(SQL["add_key"], [rows.values_of(record, revision) for record, _ in keys])
            await many(SQL["add_secret"], [(record.id, secret.hash, secret.digest) for record, secret in keys])
            await many(SQL["add_usage_row"], [rows.usage_row_of(record) for record, _ in keys])
            await many(SQL["add_to_search"], [(record.id, rows.folded(record.name)) for record, _ in keys])

    async def add_key(self, record: KeyRecord, secret: StoredSecret | None) -> None:
        """Insert a new key, stamped with this change's revision."""
        await super().add_key(record, secret)
        await self.run("add_to_search", (record.id, rows.folded(record.name)))

    async def put_key(self, record: KeyRecord) -> None:
        """Change a key's row, stamped with this change's revision. Switching it off ends its sessions for good."""
        await self.run("rename_in_search", {"id": record.id, "name_folded": rows.folded(record.name)})
        await super().put_key(record)
