"""Finds the keys in a pasted text: a line of a log, a page of a wiki, a message. Nothing of it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Literal

from keyfob.errors import Invalid
from keyfob.keys.foreign import ForeignText
from keyfob.keys.foreign_scan import foreign_mentions
from keyfob.keys.scan import Form, Mention, mentions
from keyfob.management.actor import creator_of
from keyfob.management.operators import as_known_to
from keyfob.store.contract.key_store import EventQuery, KeyQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Sequence
    from datetime import datetime

    from keyfob.keys.foreign import ForeignForms
    from keyfob.keys.record import Creator, KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.store.contract.key_store import KeyStore, KeyView

LONGEST_TEXT: Final = 64 * 1024  # bytes in UTF-8
MOST_CHECKED: Final = 20  # secrets, each of which may cost an Argon2id computation
_PORTION: Final = 500  # ids in one statement
_FOREIGN_PORTION: Final = 50  # texts, each of which may be found by some hundred beginnings

Kind = Literal["key", "deleted", "foreign", "damaged"]


class SecretCheck(Enum):
    """What a look at a whole key's tag and secret brought."""

    RIGHT = "right"  # it is the key's secret
    NOTHING = "nothing"  # its signing key is retired, or its hash is gone: there is nothing left to compare with
    FOREIGN = "foreign"  # this installation did not make it


@dataclass(frozen=True, slots=True)
class Deletion:
    """A key that was deleted: when, by whom, and what it was."""

    at: datetime
    by: Creator | None  # None if no event of the audit log says it
    name: str
    team: str


@dataclass(frozen=True, slots=True)
class Match:
    """One key of a text, where it first stands. *is_checked* says whether the secret beside it was verified."""

    kind: Kind
    mention: Mention
    view: KeyView | None = None
    deletion: Deletion | None = None
    is_checked: bool = False


class KeyFinder:
    """Looks up what a text names, over all teams that the actor may see."""

    def __init__(
        self,
        store: KeyStore,
        check_secret: Callable[[str], Awaitable[SecretCheck]],
        *,
        prefix: str,
        now: Callable[[], datetime],
        forms: ForeignForms | None = None,
    ) -> None:
        """*check_secret* verifies a whole key; it raises StoreUnavailable or Saturated if it cannot.

        *forms* are those of other products' keys that go on working.
        """
        self._store = store
        self._check_secret = check_secret
        self._prefix = prefix
        self._now = now
        self._forms = forms

    async def find(self, text: str, *, actor: Actor) -> list[Match]:
        """Every key in *text*, each once: by its whole text rather than a display form, by that rather than an id.

        Raises:
            Forbidden: the actor lacks ``keys:read``.
            Invalid: the text is longer than 64 KiB.
        """
        actor.demand("keys:read")
        if len(text.encode("utf-8", "surrogatepass")) > LONGEST_TEXT:
            raise Invalid(("/text", f"The text can have at most {LONGEST_TEXT // 1024} KiB"))
        named = self._named(text)
        foreign = await self._foreign_ids([mention for mention in named if mention.form is Form.FOREIGN])
        ids = {mention.key_id for mention in named if mention.is_ours and mention.form is not Form.DAMAGED}
        seen = await self._live(ids | set(foreign.values()))
        live = {key_id: view for key_id, view in seen.items() if actor.may_see_key(view.record)}
        deleted = await self._deleted(ids - live.keys(), actor)
        found = []
        checks = 0
        for mention in named:
            key_id = foreign.get(mention.text, "") if mention.form is Form.FOREIGN else mention.key_id
            view, deletion = live.get(key_id), deleted.get(key_id)
            checked = None
            # What is out of sight is not verified: the time that takes would tell that it exists.
            if _may_be_checked(mention) and (view or deletion) and checks < MOST_CHECKED:
                checked = await self._check_secret(mention.text or "")
                checks += 1
            match = _match(mention, view, deletion, checked)
            if match is not None:
                found.append(match)
        return found

    def _named(self, text: str) -> list[Mention]:
        """What *text* names, in its order. What has a foreign form is that, even if it looks like a key of ours."""
        named = _each_once(mentions(text, prefix=self._prefix))
        if self._forms is None:
            return named
        foreign: dict[str | None, Mention] = {}
        for mention in foreign_mentions(text, self._forms, prefix=self._prefix):
            foreign.setdefault(mention.text, mention)
        places = {(mention.line, mention.column) for mention in foreign.values()}
        ours = [mention for mention in named if mention.is_ours or (mention.line, mention.column) not in places]
        return sorted([*ours, *foreign.values()], key=lambda mention: (mention.line, mention.column))

    async def _foreign_ids(self, named: Sequence[Mention]) -> dict[str | None, str]:
        """The ids of the keys that texts in a foreign form may be, by the longest of what finds them."""
        ids: dict[str | None, str] = {}
        for start in range(0, len(named), _FOREIGN_PORTION):
            texts = [mention.text or "" for mention in named[start : start + _FOREIGN_PORTION]]
            lookups = {text: ForeignText(text).lookups() for text in texts}
            found = await self._store.foreign.ids({lookup for one in lookups.values() for lookup in one})
            for text, one in lookups.items():
                fitting = [lookup for lookup in one if lookup in found]
                if fitting:
                    ids[text] = found[max(fitting, key=len)]
        return ids

    async def _live(self, ids: Collection[str]) -> dict[str, KeyView]:
        found: dict[str, KeyView] = {}
        for portion in _portions(ids):
            query = KeyQuery(team=None, now=self._now(), ids=portion, limit=len(portion))
            found |= {view.record.id: view for view in await self._store.views(query)}
        return found

    async def _deleted(self, ids: Collection[str], actor: Actor) -> dict[str, Deletion]:
        found = {}
        for portion in _portions(ids):
            for key_id in set(portion) - await self._store.audited.missing(portion):
                record = (await self._store.find(key_id)).record
                if record is not None and record.is_deleted and actor.may_see_key(record):
                    found[key_id] = await self._deletion(record, actor)
        return found

    async def _deletion(self, record: KeyRecord, actor: Actor) -> Deletion:
        """Say who deleted *record*: nothing happens to a key after that, so it is the newest event about it."""
        events = await self._store.events(EventQuery(key=record.id, limit=1))
        event = events[0].event if events else None
        by = None if event is None else await as_known_to(actor, creator_of(event), self._store.people)
        at = record.deleted_at or (event.at if event is not None else self._now())
        return Deletion(at, by, record.name, record.team)


def _may_be_checked(mention: Mention) -> bool:
    return mention.text is not None and (mention.is_ours or mention.form is Form.FOREIGN)


def _match(
    mention: Mention, view: KeyView | None, deletion: Deletion | None, checked: SecretCheck | None
) -> Match | None:
    if mention.form is Form.DAMAGED:
        return Match("damaged", mention)
    if mention.form is Form.FOREIGN:
        is_key = view is not None and checked in {None, SecretCheck.RIGHT}  # nothing but its secret tells which it is
        return Match("key", mention, view, None, checked is not None) if is_key else Match("foreign", mention)
    if not mention.is_ours or checked is SecretCheck.FOREIGN or (view is None and deletion is None):
        # An id that names nothing is any word of 16 letters; and a name is given to nobody who may not see it.
        return None if mention.form is Form.BARE else Match("foreign", mention)
    if view is None:
        return Match("deleted", mention, deletion=deletion)
    return Match("key", mention, view=view, is_checked=checked is SecretCheck.RIGHT)


def _each_once(found: Sequence[Mention]) -> list[Mention]:
    """Keep the first mention of each whole text, and of each key that no better form names."""
    whole = {mention.key_id for mention in found if mention.form is Form.WHOLE and mention.is_ours}
    shown = {mention.key_id for mention in found if mention.form is Form.DISPLAY}
    kept: dict[object, Mention] = {}
    for mention in found:
        weaker = mention.form in {Form.DISPLAY, Form.BARE} and mention.key_id in whole
        if weaker or (mention.form is Form.BARE and mention.key_id in shown):
            continue
        place = (mention.line, mention.column) if mention.form is Form.DAMAGED else None
        kept.setdefault((mention.form, mention.text or mention.key_id, place), mention)
    return list(kept.values())


def _portions(ids: Collection[str]) -> list[list[str]]:
    ordered = sorted(ids)
    return [ordered[start : start + _PORTION] for start in range(0, len(ordered), _PORTION)]
