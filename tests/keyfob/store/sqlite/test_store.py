from __future__ import annotations

from tests.keyfob.store.contract import StoreContract
from tests.keyfob.store.sqlite.on_sqlite import other, path, store

__all__ = ["other", "path", "store"]  # fixtures of this store's tests


class TestSQLiteStore(StoreContract):
    """The contract, on a real file."""
