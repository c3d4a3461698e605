"""What every store promises. A store's own tests inherit `StoreContract` and give it two views of one database."""

from __future__ import annotations

from tests.stores.audit_contract import AuditContract
from tests.stores.change_contract import ChangeContract
from tests.stores.key_contract import KeyContract
from tests.stores.listing_contract import ListingContract
from tests.stores.usage_contract import UsageContract
from tests.stores.worker_contract import WorkerContract


class StoreContract(KeyContract, ChangeContract, UsageContract, ListingContract, AuditContract, WorkerContract):
    """All of it. Inherit this and give the fixtures ``store`` and ``other``: two processes' views of one database."""
