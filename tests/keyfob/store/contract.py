"""What every store promises. A store's own tests inherit `StoreContract` and give it two views of one database."""

from __future__ import annotations

from tests.keyfob.store.audit_contract import AuditContract
from tests.keyfob.store.change_contract import ChangeContract
from tests.keyfob.store.key_contract import KeyContract
from tests.keyfob.store.listing_contract import ListingContract
from tests.keyfob.store.notice_contract import NoticeContract
from tests.keyfob.store.people_contract import PeopleContract
from tests.keyfob.store.quota_contract import QuotaContract
from tests.keyfob.store.rare_contract import RareContract
from tests.keyfob.store.refusal_contract import RefusalContract
from tests.keyfob.store.silence_contract import SilenceContract
from tests.keyfob.store.usage_contract import UsageContract
from tests.keyfob.store.use_detail_contract import UseDetailContract
from tests.keyfob.store.worker_contract import WorkerContract


class StoreContract(
    KeyContract,
    ChangeContract,
    UsageContract,
    RefusalContract,
    ListingContract,
    AuditContract,
    WorkerContract,
    UseDetailContract,
    PeopleContract,
    NoticeContract,
    QuotaContract,
    RareContract,
    SilenceContract,
):
    """All of it. Inherit this and give the fixtures ``store`` and ``other``: two processes' views of one database."""
