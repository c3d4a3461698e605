"""Listing code shared by all engines; each engine writes its own statements."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from keyfob.store.contract.key_store import TEAM_OWNER
from keyfob.store.sql.rows import folded, micros

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from keyfob.store.contract.key_store import KeyQuery

EVENT_COLUMNS = "seq, at, actor_kind, actor_id, actor_name, ip, action, team, key_id, detail, key_char, MAC, person_id"

FEW = 5_000  # matches that are worth sorting; of more, a walk through the keys in their order soon finds a page
INDEXED = 3  # characters that a trigram index needs
_IN_IDS = re.compile(r"[0-9A-Za-z]+")
_SEPARATOR = chr(31)  # between a plan and a key type
EXPIRY = "k.expiry"  # of a key that never expires: `NEVER`
_USABLE = "k.disabled_at IS NULL AND k.pending_until IS NULL"


def needs_search(q: str) -> bool:
    """Whether to look up the ids that match *q* before scanning the keys.

    Not for one or two characters that ids can contain: ids are random, so one in 250 has both in a row, and a scan in
    the requested order soon fills a page. The index cannot find them either.
    """
    return len(q) >= INDEXED or not _IN_IDS.fullmatch(q)


def search_statement(q: str) -> str:
    """The name of the statement that finds *q*: by the trigram index, by the character index, or by a scan."""
    sought = folded(q)
    if min(len(q), len(sought)) >= INDEXED:
        return "search"
    return "search_signs" if len(sought) < INDEXED and not _IN_IDS.fullmatch(sought) else "search_all"


def states(suspended: str) -> Mapping[str, str]:
    """The SQL condition of each state; *suspended* is the one for the plan."""
    return {
        "disabled": "k.disabled_at IS NOT NULL",
        "pending": "k.disabled_at IS NULL AND k.pending_until IS NOT NULL",
        "suspended": f"{_USABLE} AND {suspended}",
        "expired": f"{_USABLE} AND {EXPIRY} <= :now AND NOT {suspended}",
        "active": f"{_USABLE} AND {EXPIRY} > :now AND NOT {suspended}",
    }


def conditions(query: KeyQuery) -> list[str]:
    """What every engine writes alike of what *query* asks for."""
    asked = {
        "k.key_type = :key_type": query.key_type is not None,
        "u.last_used_at < :unused_since AND k.created_at <= :unused_since": query.unused_since is not None,
        "u.last_used_at <= 0": query.never_used,
        f"{EXPIRY} < :expires_before": query.expires_before is not None,
        f"{EXPIRY} > :expires_after": query.expires_after is not None,
        "k.creator_id = :created_by": query.created_by is not None,
        "k.external_id = :external_id": query.external_id is not None,
        "k.owner_id = :owner": query.owner is not None and query.owner != TEAM_OWNER,
        "k.owner_id IS NULL": query.owner == TEAM_OWNER,
        "k.key_type <> :without_type": query.without_type is not None,
        "k.replaced_by IS NULL": query.replaced is False,
        "k.replaced_by IS NOT NULL": query.replaced is True,
    }
    return [condition for condition, wanted in asked.items() if wanted]


def words(query: KeyQuery, schema: str, finds: str) -> list[str]:
    """A condition for each word of *query*; *finds* is the function that gives the place of a text in another.

    SQLite knows the cases of ASCII letters only, so that descriptions are looked at as they are written, too.
    """
    found = []
    for name in _word_names(query):
        places = [f"{finds}(k.name_folded, :{name}_folded) > 0", f"{finds}(k.id, :{name}) > 0"]
        for column in ("k.description", "k.external_id"):
            places += [f"{finds}(lower({column}), :{name}_folded) > 0", f"{finds}({column}, :{name}) > 0"]
        people = " OR ".join(f"{finds}({column}, :{name}_folded) > 0" for column in ("name_folded", "email_folded"))
        places.append(f"k.owner_id IN (SELECT id FROM {schema}people WHERE {people})")  # noqa: S608 (constants)
        found.append(f"({' OR '.join(places)})")
    return found


def _word_names(query: KeyQuery) -> list[str]:
    """Names of parameters, in letters."""
    return ["word_" + "".join(chr(ord("a") + int(digit)) for digit in str(n)) for n in range(len(query.words))]


def lacking(query: KeyQuery) -> list[str]:
    """Each key type that a plan lacks, after the plan's name."""
    return [f"{plan}{_SEPARATOR}{kind}" for plan, kinds in query.suspended_types.items() for kind in kinds]


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def parameters(query: KeyQuery) -> dict[str, object]:
    """The parameters that every engine binds unchanged."""
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
        "owner": query.owner,
        "without_type": query.without_type,
        "after_id": query.after[1] if query.after else None,
        "limit": query.limit,
        **dict(zip(_word_names(query), query.words, strict=True)),
        **{f"{name}_folded": folded(word) for name, word in zip(_word_names(query), query.words, strict=True)},
    }
