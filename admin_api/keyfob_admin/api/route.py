"""One row per call of the admin API. Routing, the rules of the guard and the OpenAPI document come from these rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from keyfob_admin.wire.body import MAX_BODY
from keyfob_admin.wire.media_types import JSON, MERGE_PATCH
from keyfob_admin.wire.requests import NoQuery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    import msgspec
    from starlette.responses import Response

    from keyfob.errors import KeyfobError

C = TypeVar("C")

UNDER_GUARD: Final = "/v1/"
PUBLIC: Final = ("/v1/forward-auth/{path:path}", "/{path:path}")  # forward-auth decides for itself whom it answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Route(Generic[C]):
    """A call: who may make it, what it takes and what it responds with. *C* is what the handler takes."""

    method: str
    path: str  # in Starlette's form, below the mount
    name: str  # unique; the operationId
    summary: str
    handler: Callable[[C], Awaitable[Response]]
    tag: str
    any_of: tuple[str, ...] = ()  # permissions, one of which is needed; empty: any admin key
    body: type[msgspec.Struct] | None = None
    body_required: bool = True
    longest_body: int = MAX_BODY  # bytes
    query: type[msgspec.Struct] = NoQuery
    status: int = 200
    answer: type[msgspec.Struct] | None = None
    refusals: tuple[type[KeyfobError], ...] = ()  # beyond those that every call shares
    repeatable: bool = False  # takes Idempotency-Key
    conditional: bool = False  # takes If-Match and If-None-Match
    tagged: bool = False  # responds with ETag
    unready: type[msgspec.Struct] | None = None  # the body of a 503, in place of a problem
    streamed: type[msgspec.Struct] | None = None  # one line of NDJSON, where the caller accepts that

    @property
    def is_guarded(self) -> bool:
        """Whether the call needs an admin key."""
        return self.path.startswith(UNDER_GUARD)

    @property
    def media_types(self) -> tuple[str, ...]:
        """The content types that the body may have."""
        return (JSON, MERGE_PATCH) if self.method == "PATCH" else (JSON,)


def by_path(routes: Iterable[Route[C]]) -> dict[str, dict[str, Route[C]]]:
    """Group the rows: path → method → row."""
    grouped: dict[str, dict[str, Route[C]]] = {}
    for route in routes:
        grouped.setdefault(route.path, {})[route.method] = route
    return grouped


def guard_rules(routes: Iterable[Route[C]]) -> dict[str, Mapping[str, object]]:
    """Make the rules for the middleware: what is under ``/v1/`` needs an admin key, even where there is nothing.

    So only admin keys see 404 and 405; the rest (documentation, health, pages) is public.
    """
    rules: dict[str, Mapping[str, object]] = {
        f"{route.method} {route.path}": _rule(route.any_of) for route in routes if route.is_guarded
    }
    return {**rules, "/v1/{path:path}": _rule(()), **{path: {"public": True} for path in PUBLIC}}


def _rule(any_of: Sequence[str]) -> Mapping[str, object]:
    needed: dict[str, object] = {"any_of": list(any_of)} if any_of else {}
    return {**needed, "key_types": ["admin"]}
