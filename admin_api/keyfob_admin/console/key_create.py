"""Create Key and Duplicate Key: choose the type, fill in the form, and see the secret once.

The answer to the form itself shows the secret; nothing keeps it for a second page. Each form carries a token that
works once, so that going back, reloading or pressing twice neither shows the secret again nor makes a second key.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import NotFound
from keyfob.management.key_drafts import KeyDraft, copy_of
from keyfob.policy.key_types import ADMIN
from keyfob_admin.console.form_recovery import filled_by
from keyfob_admin.console.key_form import PERIODS, KeyForm, mistakes_of, usual_expiry
from keyfob_admin.console.limit_choices import limit_choices, limits_meant
from keyfob_admin.console.owners import NO_CHOICE, TEAM, Owners, meant, new_owners, owner_of
from keyfob_admin.console.permission_choices import groups, presets
from keyfob_admin.console.permission_matrix import matrix, summary
from keyfob_admin.console.single_use import new_token, once, sent_token
from keyfob_admin.problems import STATUSES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from starlette.responses import Response

    from keyfob.errors import Refused
    from keyfob.keys.record import KeyRecord
    from keyfob.management.key_creation import CreatedKey
    from keyfob.policy.catalogue import KeyType
    from keyfob_admin.console.key_form import Mistake
    from keyfob_admin.console.page_request import PageRequest

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

    page_request: PageRequest
    key_type: KeyType
    entries: KeyForm
    token: str
    source: KeyRecord | None = None
    owners: Owners = NO_CHOICE

    def page(self, status: int = 200, mistakes: Sequence[Mistake] = ()) -> Response:
        """Write the form."""
        if status == 409:  # noqa: PLR2004
            mistakes = [replace(mistake, words=taken_words(self.key_type)) for mistake in mistakes]
        had = self.source.permissions if self.source else ()
        owner = self.page_request.form.get("owner") or self.page_request.actor.owner_of_new_keys or TEAM
        shown: dict[str, Any] = {
            "mode": "duplicate" if self.source else "new",
            "source": self.source,
            "had": had,
            "draft": self.token,
        }
        shown |= {"owners": self.owners, "owner": owner}
        return form_page(self.page_request, self.key_type, self.entries, status, **shown, mistakes=mistakes)

    async def send(self, make: Callable[[], Awaitable[CreatedKey]]) -> Response:
        """Have the key made, unless the form is only to be shown again."""
        if self.page_request.form.has("preset"):
            return self.page()
        if mistakes := self.entries.mistakes(self.page_request.now, choosing=not self.key_type.is_fixed):
            return self.page(422, mistakes)
        return await once(self.page_request, self.token, make, self._refused)

    def _refused(self, error: Refused) -> Response:
        return self.page(STATUSES[type(error)], mistakes_of(error))


async def show_new(page_request: PageRequest) -> Response:
    """Ask what will use the key, and then what it shall be called and may do."""
    page_request.actor.demand("keys:write")
    key_type = _asked_type(page_request)
    if key_type is None:
        return page_request.page(
            "type.html", choices=[await _type_choice(page_request, known) for known in _types(page_request)]
        )
    entries = KeyForm(expires=usual_expiry(key_type))
    return Draft(page_request, key_type, entries, new_token(), owners=await new_owners(page_request)).page()


async def generate(page_request: PageRequest) -> Response:
    """Make the key of the form. Raises NotFound for a type that is none."""
    page_request.actor.demand("keys:write")
    key_type = _asked_type(page_request)
    if key_type is None:
        raise NotFound("there is no such type")
    entries = pressed(page_request, key_type, KeyForm.of_form(page_request.form))

    async def make() -> CreatedKey:
        chosen = None if key_type.is_fixed else entries.permissions
        meaning: dict[str, Any] = {**entries.meaning(page_request.now), "limits": entries.limits or ()}
        owner = owner_of(await meant(page_request, page_request.form.get("owner")))
        wanted = KeyDraft(key_type=key_type.name, permissions=chosen, owner=owner, **meaning)
        if entries.handover:
            return await page_request.runtime.lifecycle.handovers.create(
                page_request.team.id, wanted, actor=page_request.actor
            )
        return await page_request.runtime.lifecycle.create(page_request.team.id, wanted, actor=page_request.actor)

    known = await new_owners(page_request)
    return await Draft(page_request, key_type, entries, sent_token(page_request), owners=known).send(make)


async def show_duplicate(page_request: PageRequest) -> Response:
    """Show a draft that is like the key."""
    page_request.actor.demand("keys:write")
    source = await _source(page_request)
    entries = KeyForm.of_record(source, _name_of_copy(page_request, source), _kept(page_request, source))
    return Draft(page_request, page_request.type_of(source), entries, new_token(), source).page()


async def duplicate(page_request: PageRequest) -> Response:
    """Make a key like the one before, as far as the form says so."""
    page_request.actor.demand("keys:write")
    source = await _source(page_request)
    key_type = page_request.type_of(source)
    entries = pressed(
        page_request, key_type, KeyForm.of_form(page_request.form, _kept(page_request, source), source.metadata)
    )

    async def make() -> CreatedKey:
        chosen = {} if key_type.is_fixed else {"permissions": entries.permissions}
        known = page_request.runtime.catalogue.limits
        limits = limits_meant(entries.limits, source.limits, known) if entries.limits is not None else {}
        overrides = {**entries.meaning(page_request.now), **chosen, **limits}
        return await page_request.runtime.lifecycle.duplicate(
            page_request.team.id, source.id, overrides, actor=page_request.actor
        )

    return await Draft(page_request, key_type, entries, sent_token(page_request), source).send(make)


def form_page(
    page_request: PageRequest,
    key_type: KeyType,
    entries: KeyForm,
    status: int = 200,
    **context: Any,  # noqa: ANN401 - whatever it shows
) -> Response:
    """Write the form that new keys, copies and changes share. *had* of *context* is what the key holds already."""
    catalogue = page_request.runtime.catalogue
    granted = key_type.permissions if key_type.permissions is not None else entries.permissions
    held = page_request.actor.grants
    grouped = groups(catalogue, key_type.name, granted, context.get("had", ()), held)
    shared = {
        "key_type": key_type,
        "entries": entries,
        "groups": grouped,
        "matrix": matrix(grouped),
        "summary": summary(grouped),
        "ends": {days: page_request.now + timedelta(days=int(days)) for days in PERIODS},
        "limits": limit_choices(page_request, key_type, context.get("raised"), is_new=context["mode"] != "edit"),
        "presets": presets(catalogue, key_type.name, held),
        "mistakes": (),
        "owners": NO_CHOICE,
        "warning": None,
        "had": (),
        "refused": status,
        "by": filled_by(page_request),
    }
    return page_request.page("form.html", status, **{**shared, **context})


def taken_words(key_type: KeyType) -> str:
    """Say that the team has its one key of a type."""
    label = key_type.label if key_type.label[1:2].isupper() else key_type.label[:1].lower() + key_type.label[1:]
    return f"A {label} already exists. Delete it to create a new one."


def pressed(page_request: PageRequest, key_type: KeyType, entries: KeyForm) -> KeyForm:
    """What the form says after the press of a preset; nothing else was pressed, usually."""
    offered = presets(page_request.runtime.catalogue, key_type.name, page_request.actor.grants)
    chosen = offered.get(page_request.form.get("preset"))
    return entries if chosen is None else replace(entries, permissions=chosen)


async def _source(page_request: PageRequest) -> KeyRecord:
    return (
        await page_request.runtime.lifecycle.get(page_request.team.id, page_request.key_id, actor=page_request.actor)
    ).record


def _name_of_copy(page_request: PageRequest, source: KeyRecord) -> str:
    return copy_of(source, {"expires_at": None}, now=page_request.now).name


def _kept(page_request: PageRequest, source: KeyRecord) -> datetime | None:
    return None if source.is_expired(page_request.now) else source.expires_at


def _asked_type(page_request: PageRequest) -> KeyType | None:
    return next((known for known in _types(page_request) if known.name == page_request.asked("type")), None)


def _types(page_request: PageRequest) -> Sequence[KeyType]:
    unseen = page_request.actor.unseen_type
    return [known for name, known in page_request.runtime.catalogue.key_types.items() if name != unseen]


async def _type_choice(page_request: PageRequest, key_type: KeyType) -> TypeChoice:
    purpose = PURPOSES.get(key_type.name, f"For what your configuration calls {key_type.name}.")
    most = key_type.per_team
    many = "" if most is None else " One per team." if most == 1 else f" At most {most:,} per team."
    return TypeChoice(key_type.name, key_type.label, purpose + many, await why_not(page_request, key_type))


async def why_not(page_request: PageRequest, key_type: KeyType) -> str | None:
    """Why the team can have no more keys of *key_type* by this visitor; None if it can."""
    if key_type.name == ADMIN and not page_request.actor.makes_admin_keys:
        return "Your role makes no admin keys."
    match await page_request.runtime.lifecycle.can_create(key_type.name, page_request.team):
        case "plan_required":
            return f"The plan of this team, {page_request.team.plan}, doesn't include keys of this type."
        case "key_type_taken":
            return taken_words(key_type)
        case "policy":
            return f"This team has {key_type.per_team:,} of these keys, and can have no more."
        case None:
            return None
