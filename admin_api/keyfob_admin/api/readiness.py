"""``/healthz`` and ``/readyz``: in a word for whoever asks, and in detail for whoever may read the metrics."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

import msgspec

from keyfob import APIKeyMiddleware
from keyfob.errors import StoreUnavailable
from keyfob.runtime.rate_limits import LOCAL, problem_of
from keyfob_admin.api.call import Call, answer
from keyfob_admin.api.route import Route
from keyfob_admin.wire.health import Health, LimitsHealth, NoticesHealth, Readiness, ReadinessDetail, ReadinessQuery
from keyfob_admin.wire.local_clients import MEASURES, LocalOnly, key_needed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.runtime.runtime import Runtime

READYZ: Final = "/readyz"


class VerboseGuard:
    """Looks for a key where ``?verbose`` asks for detail. The path is public: without it no key is looked at."""

    def __init__(self, endpoint: ASGIApp, runtime: Runtime, *, credential_headers: Sequence[str]) -> None:
        self._endpoint = endpoint
        rules = {f"GET {READYZ}": MEASURES, READYZ: {"public": True}}
        self._guarded = APIKeyMiddleware(endpoint, runtime=runtime, rules=rules, credential_headers=credential_headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        is_verbose = "verbose" in parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        await (self._guarded if is_verbose else self._endpoint)(scope, receive, send)


async def healthz(_call: Call) -> Response:
    """Respond while the process does."""
    return answer(Health("ok"))


async def readyz(call: Call) -> Response:
    """Answer 503 while the store cannot be read, and name what keeps changes from being immediate."""
    runtime = call.runtime
    is_verbose = call.asked(ReadinessQuery).verbose is not msgspec.UNSET
    if is_verbose and not LocalOnly(runtime).admits(call.request.scope):
        raise key_needed("the detail needs")
    limits = await _limits(runtime) if is_verbose else None  # first, because it may find a problem
    try:
        await runtime.store.changes(None)
        problems = await runtime.signal_problems()
    except StoreUnavailable:
        problems = None
    if problems is not None and runtime.counter is not None and runtime.counter.problem is not None:
        problems = [*problems, runtime.counter.problem]
    detail = await _detail(runtime, limits) if is_verbose else msgspec.UNSET
    if problems is None:
        return answer(Readiness("unavailable", detail=detail), 503, {"Retry-After": "1"})
    return answer(Readiness("ok", problems or msgspec.UNSET, detail))


async def _detail(runtime: Runtime, limits: LimitsHealth | None) -> ReadinessDetail:
    store, freshness, url = runtime.store, runtime.freshness, runtime.settings.store_url
    signal = store.workers.signal_id
    workers = far = notices = None
    try:
        workers, far = len(await store.workers.all()), len(await runtime.unreached())
        notices = await _notices(runtime)
    except StoreUnavailable:
        pass  # which the status says
    return ReadinessDetail(
        version=version("keyfob"),
        database="postgresql" if url is None or url.path is None else "sqlite",
        revision=None if freshness.epoch is None else freshness.revision,
        staleness=round(freshness.staleness, 3),
        max_staleness=runtime.settings.max_staleness,
        change_signal=None if signal is None else "read" if signal else "unreadable",
        workers=workers,
        workers_unreached=None if signal is None else far,
        failed_reads=freshness.failures,
        failed_usage_writes=runtime.usage.failures,
        argon2_pending=runtime.pool.admitted,
        cached_keys=len(runtime.key_cache),
        limits=limits,
        notices=notices,
    )


async def _limits(runtime: Runtime) -> LimitsHealth | None:
    if runtime.counter is None:
        return None
    problem = await problem_of(runtime.counter)
    is_local = runtime.settings.limits_store == LOCAL
    return LimitsHealth("file" if is_local else "valkey", problem is None, problem)


async def _notices(runtime: Runtime) -> NoticesHealth | None:
    if not runtime.settings.notices:
        return None
    unfinished = await runtime.store.notices.unfinished()
    waiting = sum(delivery.due_at is not None for delivery in unfinished)
    return NoticesHealth(waiting, len(unfinished) - waiting)


ROUTES: Final[tuple[Route[Call], ...]] = (
    Route(
        method="GET",
        path="/healthz",
        name="healthz",
        summary="Check that the process responds",
        handler=healthz,
        tag="About",
        answer=Health,
    ),
    Route(
        method="GET",
        path=READYZ,
        name="readyz",
        summary="Check that the database can be read",
        handler=readyz,
        tag="About",
        query=ReadinessQuery,
        answer=Readiness,
        unready=Readiness,
    ),
)
