"""Forms that make a key once: going back, reloading or pressing twice neither shows a secret again nor makes a key."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import Forbidden, NotFound, Refused, StoreUnavailable
from keyfob.management.keys import KeySearch
from keyfob.policy.key_types import ADMIN
from keyfob_admin.console.handover_pages import link_page
from keyfob_admin.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from keyfob.keys.record import KeyRecord
    from keyfob.management.key_creation import CreatedKey
    from keyfob_admin.console.page_request import PageRequest


_NAMESAKES: Final = 200


def new_token() -> str:
    """Make the token that a form carries."""
    return secrets.token_urlsafe(16)


def sent_token(page_request: PageRequest) -> str:
    """Read the token of the form that was sent. Raises Problem if it has none."""
    draft = page_request.form.get("draft")
    if not draft:
        raise Problem(400, "bad_request", "This form is too old. Open it again.")
    return draft


async def once(
    page_request: PageRequest,
    token: str,
    make: Callable[[], Awaitable[CreatedKey]],
    refused: Callable[[Refused], Response],
) -> Response:
    """Make the key if this form was not sent before. A form that made nothing may be sent again.

    *refused* answers what the lifecycle refused, but for a missing permission and a key that is gone.
    """
    store = page_request.console.store
    claim = page_request.who.draft_hash(token)
    used = await store.claim_draft(claim, page_request.who.session.id_hash or None, page_request.now)
    if used is not None:
        there = page_request.key_url(used.key_id, again="1") if used.key_id else page_request.url("/keys", again="1")
        return page_request.goes_to(there)
    try:
        created = await make()
    except (Refused, StoreUnavailable) as error:
        with suppress(StoreUnavailable):
            await store.settle_draft(claim, None)
        if not isinstance(error, Refused) or isinstance(error, Forbidden | NotFound):
            raise
        return refused(error)
    with suppress(StoreUnavailable):  # the key is made, so its secret must be shown whatever happens now
        await store.settle_draft(claim, created.view.record.id)
    if created.link is not None:
        return link_page(page_request, created)
    return await _revealed(page_request, created)


async def _revealed(page_request: PageRequest, created: CreatedKey) -> Response:
    """Show the secret, this once."""
    record = created.view.record
    shown: dict[str, Any] = {"key": record, "secret": created.secret, "replaced": created.replaced}
    kind = page_request.runtime.catalogue.key_types.get(record.key_type)
    shown["is_only_one"] = kind is not None and kind.per_team == 1  # which has no copy beside it
    shown["twin"] = created.replaced is None and await _has_twin(page_request, record)
    return page_request.page("reveal.html", 201, example=_example(page_request, record.key_type), **shown)


async def _has_twin(page_request: PageRequest, record: KeyRecord) -> bool:
    """Whether the team has another key of the same name, which is allowed, and worth knowing."""
    if page_request.lacks("keys:read"):
        return False
    search = KeySearch(team=page_request.team.id, q=record.name, page_size=_NAMESAKES)
    try:
        found = await page_request.runtime.lifecycle.list_keys(search, actor=page_request.actor)
    except StoreUnavailable:  # the secret must be shown whatever happens now
        return False
    return any(view.record.name == record.name and view.record.id != record.id for view in found.items)


def _example(page_request: PageRequest, key_type: str) -> str:
    """An address to try the key on: the admin API, or what is served beside a mounted console, or a stand-in."""
    if key_type == ADMIN:
        return f"{page_request.place.origin}{page_request.place.url('/v1/whoami')}"
    return f"{page_request.place.origin}/" if page_request.place.prefix else "https://your-api.example.com/"
