"""What the lists of every engine have in common; how a statement is written is the engine's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyfob.store.contract import NEVER
from keyfob.store.sql.rows import folded, micros

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.store.contract import KeyQuery

EVENT_COLUMNS = "seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, key_char, MAC"

INDEXED = 3  # letters that an index of trigrams needs to be of use
_IN_IDS = re.compile(r"[0-9A-Za-z]+")
_SEPARATOR = chr(31)  # between a plan and a key type
EXPIRY = f"coalesce(k.expires_at, {NEVER})"  # as the indexes of expiries have it
_EXPIRED = "(k.expires_at IS NOT NULL AND k.expires_at <= :now)"


def needs_search(q: str) -> bool:
    """Whether to look for the ids that match *q* before the keys are walked through.

    Not for one or two letters that ids are made of: ids are random, so that in each 250 one has both in a row, and a
    walk in the order asked for meets a page of them soon. The index could not tell either.
    """
    return len(q) >= INDEXED or not _IN_IDS.fullmatch(q)


def search_statement(q: str) -> str:
    """The name of the statement that looks for *q*: by the index of trigrams, or that of signs, where one can tell."""
    sought = folded(q)
    if min(len(q), len(sought)) >= INDEXED:
        return "search"
    return "search_signs" if len(sought) < INDEXED and not _IN_IDS.fullmatch(sought) else "search_all"


def states(suspended: str) -> Mapping[str, str]:
    """The condition for each state that a key can be in; *suspended* is the one for its plan."""
    return {
        "disabled": "k.disabled_at IS NOT NULL",
        "suspended": f"k.disabled_at IS NULL AND {suspended}",
        "expired": f"k.disabled_at IS NULL AND NOT {suspended} AND {_EXPIRED}",
        "active": f"k.disabled_at IS NULL AND NOT {suspended} AND NOT {_EXPIRED}",
    }


def conditions(query: KeyQuery) -> list[str]:
    """What every engine writes alike of what *query* asks for."""
    asked = {
        "k.key_type = :key_type": query.key_type is not None,
        "u.last_used_at < :unused_since AND k.created_at <= :unused_since": query.unused_since is not None,
        "u.last_used_at = 0": query.never_used,
        f"{EXPIRY} < :expires_before": query.expires_before is not None,
        f"{EXPIRY} > :expires_after": query.expires_after is not None,
        "k.creator_id = :created_by": query.created_by is not None,
        "k.external_id = :external_id": query.external_id is not None,
        "k.replaced_by IS NULL": query.replaced is False,
        "k.replaced_by IS NOT NULL": query.replaced is True,
    }
    return [condition for condition, wanted in asked.items() if wanted]


def lacking(query: KeyQuery) -> list[str]:
    """Each key type that a plan lacks, behind the plan's name."""
    return [f"{plan}{_SEPARATOR}{kind}" for plan, kinds in query.suspended_types.items() for kind in kinds]


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def parameters(query: KeyQuery) -> dict[str, object]:
    """What every engine binds as it is."""
    return {
        "team": query.team,
        "now": micros(query.now),
        "q": query.q,
        "q_folded": folded(query.q or ""),
        "key_type": query.key_type,
        "permission": query.permission,
        "unused_since": _micros(query.unused_since),
        "expires_before": _micros(query.expires_before),
        "expires_after": _micros(query.expires_after),
        "created_by": query.created_by,
        "external_id": query.external_id,
        "after_id": query.after[1] if query.after else None,
        "limit": query.limit,
    }
