from __future__ import annotations

from tests.keyfob.limits.quota_book_contract import QuotaBookContract
from tests.keyfob.store.postgres.on_postgres import store, url

__all__ = ["store", "url"]


class TestOnPostgres(QuotaBookContract):
    """Portions leased from a server."""
