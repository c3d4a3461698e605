"""Whether a verified key may do what a request asks. Pure: time is an argument, and nothing here does I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.gate.verdict import Denied, Granted, Reason

if TYPE_CHECKING:
    from keyfob.gate.known_key import Entry
    from keyfob.rules.table import Match


def judge(entry: Entry, match: Match | None, address: str | None, now: float) -> Granted | Denied:  # noqa: PLR0911 - the contract has as many
    """Decide whether a verified key may do what *match* asks, from *address*, at *now*. The order is the contract's."""
    invalid = entry.why_invalid(now)
    if invalid is not None:
        return invalid
    if match is None:
        return Denied(Reason.NO_RULE, entry.key_id)
    rule = match.rule
    grant = entry.granted.grant
    if grant.key_type not in rule.key_types:
        return Denied(Reason.WRONG_TYPE, entry.key_id)
    if rule.team_parameter is not None and match.params[rule.team_parameter] != grant.team:
        return Denied(Reason.WRONG_TEAM, entry.key_id)
    if entry.networks is not None and (address is None or not entry.networks.contains(address)):
        return Denied(Reason.WRONG_ADDRESS, entry.key_id)
    if not rule.allows(entry.held):
        return Denied(Reason.PERMISSION, entry.key_id, rule.needed)
    return entry.granted


_FORBIDDEN = frozenset(
    (Reason.NO_RULE, Reason.WRONG_TYPE, Reason.WRONG_TEAM, Reason.WRONG_ADDRESS, Reason.PERMISSION),
)


def is_key_valid(denied: Denied) -> bool:
    """Whether the key was accepted, though not for this request: 403, not 401."""
    return denied.reason in _FORBIDDEN
