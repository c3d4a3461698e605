"""Create Key and Duplicate Key: choose the type, fill in the form, and see the secret once.

The answer to the form itself shows the secret; nothing keeps it for a second page. Each form carries a token that
works once, so that going back, reloading or pressing twice neither shows the secret again nor makes a second key.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Forbidden, NotFound, Refused, StoreUnavailable
from keyfob.management.key_drafts import KeyDraft, copy_of
from keyfob.management.keys import KeySearch
from keyfob.policy.key_types import ADMIN
from keyfob_admin.console.key_form import Entries, mistakes_of
from keyfob_admin.console.permission_choices import groups, labels_of, presets
from keyfob_admin.problems import STATUSES, Problem
from keyfob_admin.sessions import digest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from starlette.responses import Response

    from keyfob.keys.record import KeyRecord
    from keyfob.management.key_creation import Minted
    from keyfob.policy.catalogue import KeyType
    from keyfob_admin.console.key_form import Mistake
    from keyfob_admin.console.page_request import Visit

PURPOSES: Final = {
    "api": "For scripts, services and partners that call your HTTP API.",
    "computer": "For machines that enrol themselves.",
    "scim": "For your identity provider to provision users.",
    "admin": "For people and tools that manage keys, here or through the admin API.",
}


@dataclass(frozen=True, slots=True)
class TypeChoice:
    """A type of key on the first page; *reason* is why it cannot be chosen."""

    name: str
    label: str
    purpose: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Draft:
    """A form for a new key or, with *source*, for a copy; *token* lets it be sent once."""

    visit: Visit
    key_type: KeyType
    entries: Entries
    token: str
    source: KeyRecord | None = None

    def page(self, status: int = 200, mistakes: Sequence[Mistake] = ()) -> Response:
        """Write the form."""
        if status == 409:  # noqa: PLR2004
            mistakes = [replace(mistake, words=taken_words(self.key_type)) for mistake in mistakes]
        had = self.source.permissions if self.source else ()
        shown = {"mode": "duplicate" if self.source else "new", "source": self.source, "had": had, "draft": self.token}
        return form_page(self.visit, self.key_type, self.entries, status, **shown, mistakes=mistakes)

    async def send(self, make: Callable[[], Awaitable[Minted]]) -> Response:
        """Have the key made, unless the form is only to be shown again."""
        if self.visit.form.has("preset"):
            return self.page()
        if mistakes := self.entries.mistakes(self.visit.now, choosing=not self.key_type.is_fixed):
            return self.page(422, mistakes)
        return await _once(self, make)


async def show_new(visit: Visit) -> Response:
    """Ask what will use the key, and then what it shall be called and may do."""
    key_type = visit.runtime.catalogue.key_types.get(visit.asked("type") or "")
    if key_type is None:
        return visit.page("type.html", choices=[await _type_choice(visit, known) for known in _types(visit)])
    return Draft(visit, key_type, Entries(), _new_token()).page()


async def generate(visit: Visit) -> Response:
    """Make the key of the form. Raises NotFound for a type that is none."""
    key_type = visit.runtime.catalogue.key_types.get(visit.asked("type") or "")
    if key_type is None:
        raise NotFound("there is no such type")
    entries = pressed(visit, key_type, Entries.of_form(visit.form))

    async def make() -> Minted:
        chosen = None if key_type.is_fixed else entries.permissions
        meaning: dict[str, Any] = entries.meaning(visit.now)
        wanted = KeyDraft(key_type=key_type.name, permissions=chosen, **meaning)
        return await visit.runtime.lifecycle.create(visit.team.id, wanted, actor=visit.actor)

    return await Draft(visit, key_type, entries, _sent_token(visit)).send(make)


async def show_duplicate(visit: Visit) -> Response:
    """Show a draft that is like the key."""
    source = await _source(visit)
    entries = Entries.of_record(source, _name_of_copy(visit, source), _kept(visit, source))
    return Draft(visit, visit.runtime.catalogue.key_types[source.key_type], entries, _new_token(), source).page()


async def duplicate(visit: Visit) -> Response:
    """Make a key like the one before, as far as the form says so."""
    source = await _source(visit)
    key_type = visit.runtime.catalogue.key_types[source.key_type]
    entries = pressed(visit, key_type, Entries.of_form(visit.form, _kept(visit, source)))

    async def make() -> Minted:
        chosen = {} if key_type.is_fixed else {"permissions": entries.permissions}
        overrides = {**entries.meaning(visit.now), **chosen}
        return await visit.runtime.lifecycle.duplicate(visit.team.id, source.id, overrides, actor=visit.actor)

    return await Draft(visit, key_type, entries, _sent_token(visit), source).send(make)


async def _once(draft: Draft, make: Callable[[], Awaitable[Minted]]) -> Response:
    """Make the key if this form was not sent before. A form that made nothing may be sent again."""
    visit, token, store = draft.visit, digest(draft.token), draft.visit.console.store
    used = await store.claim_draft(token, visit.who.session.id_hash, visit.now)
    if used is not None:
        there = visit.key_url(used.key_id, again="1") if used.key_id else visit.url("/keys", again="1")
        return visit.goes_to(there)
    try:
        minted = await make()
    except (Refused, StoreUnavailable) as error:
        with suppress(StoreUnavailable):
            await store.settle_draft(token, None)
        if not isinstance(error, Refused) or isinstance(error, Forbidden | NotFound):
            raise
        return draft.page(STATUSES[type(error)], mistakes_of(error))
    with suppress(StoreUnavailable):  # the key is made, so its secret must be shown whatever happens now
        await store.settle_draft(token, minted.view.record.id)
    record = minted.view.record
    return visit.page("reveal.html", 201, key=record, secret=minted.secret, example=_example(visit, record.key_type))


def _example(visit: Visit, key_type: str) -> str:
    """An address to try the key on: the admin API, or what is served beside a mounted console, or a stand-in."""
    if key_type == ADMIN:
        return f"{visit.place.origin}{visit.place.url('/v1/whoami')}"
    return f"{visit.place.origin}/" if visit.place.prefix else "https://your-api.example.com/"


def form_page(visit: Visit, key_type: KeyType, entries: Entries, status: int = 200, **context: Any) -> Response:  # noqa: ANN401 - whatever it shows
    """Write the form that new keys, copies and changes share. *had* of *context* is what the key holds already."""
    catalogue = visit.runtime.catalogue
    granted = key_type.permissions if key_type.permissions is not None else entries.permissions
    shared = {
        "key_type": key_type,
        "entries": entries,
        "groups": groups(catalogue, key_type.name, granted, context.get("had", ())),
        "presets": presets(catalogue, key_type.name, visit.actor.permissions),
        "labels": labels_of(catalogue, granted),
        "mistakes": (),
        "had": (),
        "refused": status,
    }
    return visit.page("form.html", status, **{**shared, **context})


def is_taken(key_type: KeyType, live: int) -> bool:
    """Whether the team has as many keys of the type as it may."""
    return key_type.per_team is not None and live >= key_type.per_team


def taken_words(key_type: KeyType) -> str:
    """Say that the team has its one key of a type."""
    label = key_type.label if key_type.label[1:2].isupper() else key_type.label[:1].lower() + key_type.label[1:]
    return f"A {label} already exists. Delete it to create a new one."


def pressed(visit: Visit, key_type: KeyType, entries: Entries) -> Entries:
    """What the form says after the press of a preset; nothing else was pressed, usually."""
    offered = presets(visit.runtime.catalogue, key_type.name, visit.actor.permissions)
    chosen = offered.get(visit.form.get("preset"))
    return entries if chosen is None else replace(entries, permissions=chosen)


async def _source(visit: Visit) -> KeyRecord:
    return (await visit.runtime.lifecycle.get(visit.team.id, visit.key_id, actor=visit.actor)).record


def _name_of_copy(visit: Visit, source: KeyRecord) -> str:
    return copy_of(source, {"expires_at": None}, now=visit.now).name


def _kept(visit: Visit, source: KeyRecord) -> datetime | None:
    return None if source.is_expired(visit.now) else source.expires_at


def _types(visit: Visit) -> Sequence[KeyType]:
    return list(visit.runtime.catalogue.key_types.values())


async def _type_choice(visit: Visit, key_type: KeyType) -> TypeChoice:
    purpose = PURPOSES.get(key_type.name, f"For what your configuration calls {key_type.name}.")
    per_team = "" if key_type.per_team is None else " One per team."
    return TypeChoice(key_type.name, key_type.label, purpose + per_team, await _why_not(visit, key_type))


async def _why_not(visit: Visit, key_type: KeyType) -> str | None:
    if not visit.runtime.catalogue.allows(visit.team.plan, key_type.name):
        return f"The plan of this team, {visit.team.plan}, doesn't include keys of this type."
    if key_type.per_team is None:
        return None
    search = KeySearch(team=visit.team.id, key_type=key_type.name, page_size=key_type.per_team)
    live = await visit.runtime.lifecycle.list_keys(search, actor=visit.actor)
    return taken_words(key_type) if is_taken(key_type, len(live.items)) else None


def _new_token() -> str:
    return secrets.token_urlsafe(16)


def _sent_token(visit: Visit) -> str:
    draft = visit.form.get("draft")
    if not draft:
        raise Problem(400, "bad_request", "This form is too old. Open it again.")
    return draft
