"""Handing a key over: whoever grants it never sees its secret, which is made when the recipient asks for it.

A key is created without a secret, and stays pending. A link, which works once, makes the secret and shows it to
whoever holds the link. Meanwhile the maker's own permissions may have shrunk, so they are judged again then.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from keyfob.errors import HandoverVoid, KeyNotPending, NotFound, Refused
from keyfob.keyring.tokens import entry_of, new_token, token_digest
from keyfob.keys.record import State
from keyfob.management.actor import Actor, confirmed
from keyfob.management.audited_state import AFTER, state_of_key
from keyfob.management.escalation import check_escalation, check_limits
from keyfob.management.handover_link import DEFAULT_EXPIRY, PURPOSE, Offer, mac_of, read_expiry
from keyfob.management.key_changes import still_there
from keyfob.management.key_creation import CreatedKey, CreateRequest
from keyfob.management.key_descriptions import written
from keyfob.management.key_state import state_of
from keyfob.store.contract.key_store import KeyView

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from keyfob.keyring.tokens import SigningKeys
    from keyfob.keys.record import Creator, KeyRecord
    from keyfob.management.authority import RoleAuthority
    from keyfob.management.idempotency import IdempotencyKey
    from keyfob.management.key_creation import KeyCreator
    from keyfob.management.key_drafts import KeyDraft
    from keyfob.management.key_issuer import IssuedKey, KeyIssuer
    from keyfob.management.key_listing import KeyListing
    from keyfob.policy.catalogue import Catalogue
    from keyfob.store.contract.handovers import Handover
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction

log = logging.getLogger("keyfob")


@dataclass(frozen=True, slots=True)
class Collection:
    """A link as its holder finds it, and the key that it is for. *secret* is the key's whole text, only this once."""

    record: KeyRecord
    handover: Handover
    secret: str | None = field(default=None, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether the key was collected with this link before."""
        return self.secret is None and self.handover.collected_at is not None


class Handovers:
    """Makes pending keys and their links."""

    def __init__(
        self,
        store: KeyStore,
        making: KeyCreator,
        listing: KeyListing,
        issue: KeyIssuer,
        *,
        catalogue: Catalogue,
        now: Callable[[], datetime],
        authority: RoleAuthority | None = None,
    ) -> None:
        self._store = store
        self._making = making
        self._listing = listing
        self._issue = issue
        self._catalogue = catalogue
        self._now = now
        self._authority = authority

    async def create(
        self,
        team_id: str,
        draft: KeyDraft,
        *,
        expires_in: object = DEFAULT_EXPIRY,
        actor: Actor,
        replace: bool = False,
        idempotency: IdempotencyKey | None = None,
    ) -> CreatedKey:
        """Make a pending key, and the link with which its secret is made. Raises like `KeyLifecycle.create`."""
        order = CreateRequest(
            team=team_id,
            actor=actor,
            draft=draft,
            replace=replace,
            idempotency=idempotency,
            offer=self._offer(read_expiry(expires_in)),
        )
        return await self._making.make(order)

    async def renew(
        self, team_id: str, key_id: str, *, expires_in: object = DEFAULT_EXPIRY, actor: Actor
    ) -> CreatedKey:
        """Make another link to a pending key, and void those before.

        Raises:
            Invalid, KeyNotPending, ExceedsOwnPermissions, ExceedsOwnLimits
        """
        seen = await self._listing.one(team_id, key_id, actor=actor, needed="keys:write")
        offer = self._offer(read_expiry(expires_in, pointer="/expires_in"))

        async def work(rows: Transaction) -> KeyRecord:
            at = self._now()
            doer = await confirmed(actor, rows, "keys:write", at=at)
            before = await still_there(rows, seen.record.id, doer)
            if not before.is_pending:
                raise KeyNotPending("this key has its secret; rotate it, or make another one")
            _check_grant(doer, before, self._catalogue)
            after = replace(before, pending_until=offer.ends(at))
            await rows.put_key(after)
            await offer.save(rows, after, doer, at)
            told = {"key": after.name, "expires_at": written(after.pending_until), AFTER: state_of_key(after)}
            await rows.append(doer.did("key.handover_created", at, team=after.team, key_id=after.id, **told))
            return replace(after, revision=await rows.next_revision())

        record = await self._store.change(work)
        return CreatedKey(KeyView(record, seen.last_used), None, link=offer.link(record))

    async def find(self, token: str, keyring: SigningKeys) -> Collection:
        """Look at the link of *token* without using it. Raises HandoverVoid."""
        entry = entry_of(token, keyring)
        handover = await self._store.handovers.find(token_digest(entry, PURPOSE, token)) if entry else None
        if entry is None or handover is None:
            raise HandoverVoid("there is no such link")
        if not hmac.compare_digest(handover.mac, mac_of(entry, handover)):
            log.critical(
                "a handover link in the database was not written by Keyfob, and is refused",
                extra={"event": "handover_forged"},
            )
            raise HandoverVoid("there is no such link")
        record = (await self._store.find(handover.key_id)).record
        if record is None or record.is_deleted:
            raise HandoverVoid("the key of this link was deleted")
        if handover.collected_at is None:
            self._check_open(handover, record, self._now())
        return Collection(record, handover)

    async def collect(self, token: str, keyring: SigningKeys, *, ip: str | None) -> Collection:
        """Make the key's secret, once, for whoever holds *token*. Raises HandoverVoid, and Saturated."""
        found = await self.find(token, keyring)
        if found.is_over:
            return found
        issued = await self._issue.issue(found.record.key_type, key_id=found.record.id)
        try:
            record = await self._store.change(lambda rows: self._keep(rows, found.handover, issued, ip))
        except HandoverVoid:
            return await self.find(token, keyring)  # somebody else was faster, or the key has changed meanwhile
        except Refused as refused:  # who made the link could not make the key any more
            raise HandoverVoid("who made this link may not grant this key any more") from refused
        return Collection(record, found.handover, issued.text)

    async def _keep(self, rows: Transaction, handover: Handover, issued: IssuedKey, ip: str | None) -> KeyRecord:
        at = self._now()
        if not await self._store.handovers.collect(rows, handover.token_digest, at, ip):
            raise HandoverVoid("this link was used before, or it has expired")
        before = await rows.key(handover.key_id)
        if before is None or before.is_deleted:
            raise HandoverVoid("the key of this link was deleted")
        self._check_open(handover, before, at)
        _check_grant(await _maker(rows, handover.made_by, before, self._authority, at), before, self._catalogue)
        after = replace(before, pending_until=None, key_char=issued.key_char)
        await rows.put_key(after)
        await rows.add_secret(after.id, issued.secret)
        recipient = replace(Actor.system(), name="handover link", ip=ip)
        told = {"key": after.name, "link_made_by": handover.made_by.name, AFTER: state_of_key(after)}
        await rows.append(recipient.did("key.collected", at, team=after.team, key_id=after.id, **told))
        return replace(after, revision=await rows.next_revision())

    def _check_open(self, handover: Handover, record: KeyRecord, at: datetime) -> None:
        """Raise HandoverVoid unless the secret of *record* could be made now, and would be accepted."""
        if not record.is_pending or handover.expires_at <= at:
            raise HandoverVoid("this link has expired")
        state = state_of(replace(record, pending_until=None), self._catalogue, at)
        if state is not State.ACTIVE:
            raise HandoverVoid(f"the key of this link is {state}")

    def _offer(self, lasts: timedelta) -> Offer:
        entry = self._issue.signing()
        return Offer(new_token(entry), entry, lasts, self._store.handovers)


async def _maker(
    rows: Transaction, made_by: Creator, record: KeyRecord, authority: RoleAuthority | None, at: datetime
) -> Actor:
    """Who made the link, with what they may do now. Raises Forbidden or NotFound if that is nothing any more."""
    if made_by.kind == "key":
        own = await rows.key(made_by.id or "")
        if own is None:
            raise NotFound("there is no such key")
        maker = Actor.of_key(own)
    else:
        everything = frozenset({"*"}) if made_by.kind in {"cli", "system"} else frozenset[str]()
        maker = Actor(made_by.kind, made_by.id, made_by.name, record.team, everything, authority=authority)
    maker = await confirmed(maker, rows, "keys:write", at=at)
    if not maker.may_see_key(record):
        raise NotFound("there is no such key")
    return maker


def _check_grant(maker: Actor, record: KeyRecord, catalogue: Catalogue) -> None:
    """Raise ExceedsOwnPermissions or ExceedsOwnLimits if *maker* could not make the key *record* now."""
    check_escalation(maker, record.permissions, catalogue.key_types.get(record.key_type))
    check_limits(maker, record.expires_at, record.ip_allow)
