"""Keys that break what the configuration demands of their type. It may demand that only since they were made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.management.key_policy import violations_of
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.store.contract.key_store import KeyQuery
from keyfob_admin.cli.doctor.findings import WARN, Finding
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.policy.key_types import KeyType
    from keyfob_admin.cli.context import CliContext


async def key_policies(context: CliContext) -> AsyncIterator[Finding]:
    """Name each key that breaks its type's policy, and each team with too many keys. They go on working."""
    for key_type in context.runtime.catalogue.key_types.values():
        if key_type.expiry_required or key_type.max_lifetime is not None or key_type.ip_allow_required:
            for view in await context.all_keys(KeySearch(key_type=key_type.name, page_size=LARGEST_PAGE)):
                for why in violations_of(view.record, key_type):
                    what = f"{context.display(view.record)} ({view.record.name}): {why[:1].lower()}{why[1:]}"
                    yield Finding(WARN, "policy", what, f"`keyfob keys edit {view.record.id} …`, or rotate it")
        async for finding in _too_many(context, key_type):
            yield finding


async def _too_many(context: CliContext, key_type: KeyType) -> AsyncIterator[Finding]:
    if key_type.per_team is None:
        return
    for team in await context.store.teams():
        query = KeyQuery(team=team.id, now=now(), key_type=key_type.name, replaced=False)
        count = await context.store.count(query)
        if count > key_type.per_team:
            what = f"team {team.id} has {count:,} keys of the type {key_type.name}; {key_type.per_team:,} are allowed"
            yield Finding(WARN, "policy", what, "delete those that nobody needs")
