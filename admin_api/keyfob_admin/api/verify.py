"""Checking a key that was presented elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from keyfob.errors import Invalid
from keyfob.gate.client_address import Networks, canonical
from keyfob.gate.verdict import Denied, Reason
from keyfob.keys.record import State
from keyfob.management.validation import clean_permissions
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire import views
from keyfob_admin.wire.requests import VerifyKey

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from keyfob.gate.verdict import Grant, Granted
    from keyfob.keys.record import KeyRecord

    Code = views.VerificationCode

_SEES_KEYS: Final = "keys:read"
_STATES: Final = frozenset({Reason.DISABLED, Reason.SUSPENDED, Reason.EXPIRED})  # reasons of keys that are proved


async def verify(call: Call) -> Response:
    """Say whether a key is valid and covers what is asked. The answer is 200 in either case, and counts as no use."""
    asked = call.sent(VerifyKey)
    needed = clean_permissions(asked.permissions)
    address = None if asked.ip is None else _address(asked.ip)
    verdict = await call.runtime.inspect(asked.key)
    record = await _seen(call, _proved(verdict))
    if record is None:
        return answer(views.Verification(valid=False, code="invalid_key"))
    state = call.runtime.lifecycle.state(record)
    shown_state: views.State | None = state.value if call.grant.covers(_SEES_KEYS) else None
    if isinstance(verdict, Denied) or state is not State.ACTIVE:
        return answer(views.Verification(valid=False, code="invalid_key", state=shown_state))
    code = _judged(verdict.grant, record, asked.team, needed, address)
    return answer(_shown(verdict.grant, record, code, shown_state))


def _proved(verdict: Granted | Denied) -> str | None:
    """The id of the key whose secret was proved, admitted or not."""
    if isinstance(verdict, Denied):
        return verdict.key_id if verdict.reason in _STATES else None
    return verdict.grant.key_id


async def _seen(call: Call, key_id: str | None) -> KeyRecord | None:
    """The key as it is now, if its secret was proved, it was not deleted, and the caller can see its team."""
    record = (await call.runtime.store.find(key_id)).record if key_id else None
    visible = record is not None and not record.is_deleted and call.actor.may_see(record.team)
    return record if visible else None


def _judged(grant: Grant, record: KeyRecord, team: str | None, needed: Sequence[str], address: str | None) -> Code:
    """Judge in the order of the gate: team, address, permissions."""
    if team not in {None, record.team}:
        return "insufficient_scope"
    if record.ip_allow and address is None:
        return "address_unknown"
    if record.ip_allow and not Networks(record.ip_allow).contains(address):
        return "address_not_allowed"
    return "valid" if all(map(grant.covers, needed)) else "insufficient_scope"


def _shown(grant: Grant, record: KeyRecord, code: Code, state: views.State | None) -> views.Verification:
    return views.Verification(
        valid=code == "valid",
        code=code,
        key_id=record.id,
        name=record.name,
        key_type=record.key_type,
        team=record.team,
        permissions=sorted(grant.permissions),
        expires_at=record.expires_at,
        ip_allow=list(record.ip_allow),
        state=state,
    )


def _address(written: str) -> str:
    """Give an IP address as it is compared. Raises Invalid."""
    address = canonical(written)
    if address is None:
        raise Invalid(("/ip", "This must be an IP address, for example 203.0.113.7 or 2001:db8::7"))
    return address


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="POST",
        path="/v1/verify",
        name="verify_key",
        summary="Check a key that was presented elsewhere",
        handler=verify,
        tag="Keys",
        any_of=("keys:verify", "keys:read"),
        body=VerifyKey,
        answer=views.Verification,
    ),
)
