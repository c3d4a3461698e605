"""Opens the store that a URL names."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.store.url import InvalidURL, StoreURL

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.key_store import KeyStore


def open_store(url: str, *, audit_key: Callable[[], SigningKey] | None = None, create: bool = False) -> KeyStore:
    """Open the store at *url*; connections are opened on first use.

    Args:
        url: ``sqlite:///relative/path.db``, ``sqlite:////absolute/path.db`` or ``postgresql://user@host/db``.
        audit_key: returns the signing key that MACs audit events; without it the log cannot be appended to.
        create: create the database if it is missing, and migrate it to the current schema.

    Raises:
        ConfigError: the URL is not supported, or this code cannot work with the database's schema.
    """
    try:
        where = StoreURL.parse(url)
    except InvalidURL as error:
        raise ConfigError(f"store url {error}") from None
    if where.path is not None:
        return _open_sqlite(where.path, audit_key=audit_key, create=create)
    return _open_postgres(where, audit_key=audit_key, create=create)


def _open_sqlite(path: Path, *, audit_key: Callable[[], SigningKey] | None, create: bool) -> KeyStore:
    from keyfob.store.sqlite.files import refuse_second_name  # noqa: PLC0415 (likewise)
    from keyfob.store.sqlite.migrations import check_schema_now, create_or_migrate  # noqa: PLC0415 (likewise)
    from keyfob.store.sqlite.store import SQLiteStore  # noqa: PLC0415 (only who uses SQLite loads its driver)

    file = path.absolute()  # the process may change its working directory later
    refuse_second_name(file)
    if create:
        create_or_migrate(file)
    else:
        check_schema_now(file)
    return SQLiteStore(file, audit_key=audit_key)


def _open_postgres(url: StoreURL, *, audit_key: Callable[[], SigningKey] | None, create: bool) -> KeyStore:
    if find_spec("asyncpg") is None:
        raise ConfigError("PostgreSQL needs the extra: pip install 'keyfob[postgres]'")
    from keyfob.store.postgres.migrations import migrate_now  # noqa: PLC0415 (likewise)
    from keyfob.store.postgres.store import PostgresStore  # noqa: PLC0415 (only who uses PostgreSQL loads its driver)

    if create:
        migrate_now(url)
    return PostgresStore(url, audit_key=audit_key)
