"""One route, ``GET /items``, limited by Keyfob and by three packages for limits alone. Those know keys by their header.

Each rival is set up as its documentation shows it, with its own sliding window where it has one, counts in the memory
of the process, which is its default, and tells the client where its limit stands.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

ITEMS: Final = {"items": [1, 2, 3]}
RULES: Final[dict[str, object]] = {"GET /items": "items:read"}


async def items(_: Request) -> Response:
    """Answer the one route."""
    return JSONResponse(ITEMS)


def bare() -> ASGIApp:
    """Make the route without any limit."""
    return Starlette(routes=[Route("/items", items)])


def keyfob(options: dict[str, Any], amount: int | None) -> APIKeyMiddleware:
    """Keyfob before the route, with *amount* a day for each key; None: without limits."""
    if amount is None:
        return APIKeyMiddleware(bare(), **options, rules=RULES)
    rules = {"GET /items": {"permission": "items:read", "limit": "daily"}}
    return APIKeyMiddleware(bare(), **options, rules=rules, limits={"daily": {"rate": f"{amount}/day"}})


class Rival(NamedTuple):
    """A package for limits: its name in the index, its module, and the route behind it."""

    package: str
    module: str
    make: Callable[[int], ASGIApp]

    @property
    def is_installed(self) -> bool:
        """Whether it can be measured here."""
        return find_spec(self.module) is not None


class _Before:
    """Asks *judge* before each request: whether it may pass, and header fields for the answer."""

    def __init__(self, app: ASGIApp, judge: Callable[[str], tuple[bool, dict[str, str]]]) -> None:
        self.app = app
        self.judge = judge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        key = next(value for name, value in scope["headers"] if name == b"authorization").decode()
        passes, told = self.judge(key)
        if not passes:
            await JSONResponse({"error": "too many requests"}, 429, told)(scope, receive, send)
            return
        added = [(name.encode(), value.encode()) for name, value in told.items()]

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self.app(scope, receive, sending)


def with_limits(amount: int) -> ASGIApp:
    """Put `limits` before the route: its approximated sliding window, in memory."""
    import limits  # noqa: PLC0415 - one of several that may not be installed

    window = limits.strategies.SlidingWindowCounterRateLimiter(limits.storage.MemoryStorage())
    rate = limits.RateLimitItemPerDay(amount)

    def judge(key: str) -> tuple[bool, dict[str, str]]:
        passes = window.hit(rate, key)
        stats = window.get_window_stats(rate, key)
        return passes, {"X-RateLimit-Remaining": str(stats.remaining), "X-RateLimit-Reset": f"{stats.reset_time:.0f}"}

    return _Before(bare(), judge)


def with_slowapi(amount: int) -> ASGIApp:
    """Put `slowapi` on the route, with its header fields."""
    from slowapi import Limiter, _rate_limit_exceeded_handler  # noqa: PLC0415 - as above
    from slowapi.errors import RateLimitExceeded  # noqa: PLC0415 - as above

    limiter = Limiter(key_func=lambda request: request.headers["authorization"], headers_enabled=True)

    @limiter.limit(f"{amount}/day")
    async def limited(request: Request) -> Response:  # noqa: ARG001 - it looks for an argument of this name
        return JSONResponse(ITEMS)

    app = Starlette(routes=[Route("/items", limited)])
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)
    return app


def with_throttled(amount: int) -> ASGIApp:
    """Put `throttled-py` before the route: its sliding window, in memory."""
    import throttled  # noqa: PLC0415 - as above

    # Its store forgets beyond 1,024 keys unless told otherwise, and then counts them anew.
    store = throttled.store.MemoryStore(options={"MAX_SIZE": 1 << 20})
    throttle = throttled.Throttled(
        using=throttled.RateLimiterType.SLIDING_WINDOW.value, quota=throttled.per_day(amount), store=store
    )

    def judge(key: str) -> tuple[bool, dict[str, str]]:
        result = throttle.limit(key)
        state = result.state
        return not result.limited, {
            "X-RateLimit-Remaining": str(state.remaining),
            "X-RateLimit-Reset": f"{state.reset_after:.0f}",
        }

    return _Before(bare(), judge)


RIVALS: Final = (
    Rival("limits", "limits", with_limits),
    Rival("slowapi", "slowapi", with_slowapi),
    Rival("throttled-py", "throttled", with_throttled),
)
