"""What the lists of every engine have in common; how a statement is written is the engine's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyfob.store.sql.rows import folded, micros

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.store.contract import KeyQuery

EVENT_COLUMNS = "seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, key_char, MAC"

INDEXED = 3  # letters that an index of trigrams needs to be of use
_IN_IDS = re.compile(r"[0-9A-Za-z]+")
_SEPARATOR = chr(31)  # between a plan and a key type
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


def lacking(query: KeyQuery) -> list[str]:
    """Each key type that a plan lacks, behind the plan's name."""
    return [f"{plan}{_SEPARATOR}{kind}" for plan, kinds in query.suspended_types.items() for kind in kinds]


def parameters(query: KeyQuery) -> dict[str, object]:
    """What every engine binds as it is."""
    return {
        "team": query.team,
        "now": micros(query.now),
        "q": query.q,
        "q_folded": folded(query.q or ""),
        "key_type": query.key_type,
        "permission": query.permission,
        "unused_since": None if query.unused_since is None else micros(query.unused_since),
        "after_id": query.after[1] if query.after else None,
        "limit": query.limit,
    }
