"""The verbs for the audit log."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from keyfob.management.audit.audit_log import EventSearch
from keyfob.runtime.in_process.arguments import actor_of, known

if TYPE_CHECKING:
    from keyfob.audit import ChainedEvent
    from keyfob.management.pagination import Page
    from keyfob.runtime.in_process.arguments import By
    from keyfob.runtime.runtime import Runtime

_EVENT_FIELDS: Final = frozenset(field.name for field in fields(EventSearch))


class Audit:
    """Who did what."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def events(self, *, actor: By, **filters: Any) -> Page[ChainedEvent]:  # noqa: ANN401
        """Give one page of events, newest first. *filters* are those of the API, with ``by`` for who acted."""
        search = EventSearch(**known(filters, _EVENT_FIELDS))
        await self._runtime.ready()
        return await self._runtime.audit_log.events(search, actor=actor_of(actor))
