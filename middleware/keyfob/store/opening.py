"""Picks the store that an address asks for."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract import KeyStore

_SQLITE = "sqlite:///"
_POSTGRES = ("postgresql://", "postgres://")


def open_store(url: str, *, audit_key: Callable[[], SigningKey] | None = None, create: bool = False) -> KeyStore:
    """Open the store at *url*; connections are made when they are first needed.

    Args:
        url: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db`` or ``postgresql://user@host/db``.
        audit_key: gives the signing key that MACs audit events; without it nothing can be appended to the log.
        create: make the database if it is missing and bring it to the present schema.

    Raises:
        ConfigError: nothing can be opened by such an address, or the database's schema is not one for this code.
    """
    if url.startswith(_SQLITE):
        return _open_sqlite(url.removeprefix(_SQLITE), audit_key=audit_key, create=create)
    if url.startswith(_POSTGRES):
        return _open_postgres(url, audit_key=audit_key, create=create)
    raise ConfigError("store url must begin with sqlite:/// or postgresql://")


def _open_sqlite(path: str, *, audit_key: Callable[[], SigningKey] | None, create: bool) -> KeyStore:
    from keyfob.store.sqlite.migrations import check_schema_now, create_or_migrate  # noqa: PLC0415 (likewise)
    from keyfob.store.sqlite.store import SQLiteStore  # noqa: PLC0415 (only who uses SQLite loads its driver)

    if not path or path.startswith(":memory:"):
        raise ConfigError(
            "store url must name a file, as in sqlite:///keyfob.db: workers cannot share a database in memory"
        )
    file = Path(path).absolute()  # the process may change its folder later
    if create:
        create_or_migrate(file)
    else:
        check_schema_now(file)
    return SQLiteStore(file, audit_key=audit_key)


def _open_postgres(url: str, *, audit_key: Callable[[], SigningKey] | None, create: bool) -> KeyStore:
    if find_spec("asyncpg") is None:
        raise ConfigError("PostgreSQL needs the extra: pip install 'keyfob[postgres]'")
    from keyfob.store.postgres.address import read_address  # noqa: PLC0415 (likewise)
    from keyfob.store.postgres.migrations import migrate_now  # noqa: PLC0415 (likewise)
    from keyfob.store.postgres.store import PostgresStore  # noqa: PLC0415 (only who uses PostgreSQL loads its driver)

    address = read_address(url)
    if create:
        migrate_now(address)
    return PostgresStore(address, audit_key=audit_key)
