"""From ASGI to a handler and back: one endpoint per path, and the one place where exceptions become answers."""

from __future__ import annotations

import logging
import traceback
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from keyfob.errors import Invalid, KeyfobError, StoreUnavailable
from keyfob_admin.api.call import Call
from keyfob_admin.problems import REQUEST_ID, Problem, internal, problem_of, problem_response, request_id_of
from keyfob_admin.wire import check_body, check_query, is_blank, parse, read_body

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec
    from starlette.types import Receive, Scope, Send

    from keyfob.runtime.runtime import Runtime
    from keyfob_admin.api.route import Route

log = logging.getLogger("keyfob.admin")

_CLIENT_LEFT = 400  # nobody reads it


class Endpoint:
    """All calls of one path. HEAD follows GET; the server omits the body."""

    def __init__(self, methods: Mapping[str, Route[Call]], runtime: Runtime) -> None:
        self._methods = methods
        self._runtime = runtime
        self._allow = ", ".join(sorted({*methods, *(["HEAD"] if "GET" in methods else [])}))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        response = await self._answer(Request(scope, receive))
        response.headers[REQUEST_ID] = request_id_of(scope)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            return await self._handle(request)
        except (Problem, KeyfobError) as error:
            details = problem_of(error)
            if isinstance(error, StoreUnavailable):  # the store's own message; no place in our code to look at
                log.warning(
                    "request %s could not be answered: %s",
                    request_id_of(request.scope),
                    error,
                    extra={"event": "request_unanswered"},
                )
            elif details.status >= 500:  # noqa: PLR2004
                log_failure(request.scope, error)
            return problem_response(request.scope, details, getattr(error, "headers", None))
        except ClientDisconnect:
            return Response(status_code=_CLIENT_LEFT)
        except Exception as error:  # noqa: BLE001 - a caller always gets an answer
            log_failure(request.scope, error)
            return problem_response(request.scope, internal())

    async def _handle(self, request: Request) -> Response:
        route = self._methods.get("GET" if request.method == "HEAD" else request.method)
        if route is None:
            raise Problem(405, "method_not_allowed", f"This path takes {self._allow}.", {"Allow": self._allow})
        try:
            query = check_query(request.query_params.multi_items(), route.query)
            body = await _read(request, route, route.body) if route.body else None
            return await route.handler(Call(request, self._runtime, body, query))
        except (Problem, Invalid):  # another team's path is 404 whatever was sent to it
            await Call(request, self._runtime).demand_visible()
            raise


async def _read(request: Request, route: Route[Call], shape: type[msgspec.Struct]) -> msgspec.Struct:
    raw = await read_body(request, media_types=route.media_types, limit=route.longest_body)
    return check_body({} if is_blank(raw) and not route.body_required else parse(raw), shape)


def log_failure(scope: Scope, error: Exception) -> None:
    """Log where it failed, without the error's message, which may repeat what a caller sent."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error(
        "request %s failed: %s\n%s",
        request_id_of(scope),
        type(error).__qualname__,
        frames,
        extra={"event": "request_failed"},
    )
