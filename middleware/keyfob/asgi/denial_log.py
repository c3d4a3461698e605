"""What happens beside a denial: a count, a line in the log, and a call of the user's own callback."""

from __future__ import annotations

import asyncio
import inspect
import logging
import secrets
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from keyfob.asgi.responses import status_of
from keyfob.gate.demands import Demands
from keyfob.gate.verdict import Reason
from keyfob.keys.foreign import LONGEST
from keyfob.keys.foreign_scan import without_foreign
from keyfob.keys.redaction import redact
from keyfob.store.contract.refusals import RefusedRequest

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.types import Scope

    from keyfob.gate.client_address import ClientAddress
    from keyfob.gate.stats import Stats
    from keyfob.gate.usage import Usage
    from keyfob.gate.verdict import Denied
    from keyfob.keys.foreign import ForeignForms
    from keyfob.rules.table import Match

log = logging.getLogger("keyfob")

_SHOWN = 500  # characters of a path, which a client makes as long as it likes
_SHOWN_METHOD = 32
_WITH_ID = frozenset(
    reason for reason in Reason if status_of(reason) in {HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}
)
_MOST_CALLBACKS = 1_000  # coroutines of on_denied at once; a flood of denials must not fill the memory


class DenialLog:
    """Records each denial that a client gets, or would get if Keyfob did not only observe."""

    def __init__(
        self,
        stats: Stats,
        usage: Usage,
        addresses: ClientAddress,
        on_denied: Callable[[Denied], object] | None = None,
        *,
        foreign_forms: ForeignForms | None = None,
    ) -> None:
        """*usage* keeps what can be explained. Keys in one of *foreign_forms* are shown nowhere.

        *on_denied* is the user's own, a function or a coroutine function; what it raises changes nothing.
        """
        self._stats = stats
        self._usage = usage
        self._addresses = addresses
        self._on_denied = on_denied
        self._foreign_forms = foreign_forms
        self._running: set[asyncio.Task[None]] = set()
        self._is_full = False

    def tell(self, denied: Denied, scope: Scope, match: Match | None = None) -> Denied:
        """Record that what *scope* asks for, under the rule of *match*, was *denied*; a 403 or 429 is given its id."""
        self._stats.denied += 1
        self._stats.denied_by[denied.reason.value] += 1
        if denied.reason is Reason.SATURATED:
            self._stats.shed += 1
        if denied.reason in _WITH_ID:
            denied = denied._replace(request_id=secrets.token_hex(8))
            self._keep(denied, scope, None if match is None else Demands.of(match))
        if log.isEnabledFor(logging.INFO):
            self._log(denied, scope)
        if self._on_denied is not None:
            self._call_back(self._on_denied, denied)
        return denied

    def tell_route(self, denied: Denied, scope: Mapping[str, Any]) -> Denied:
        """Record that the route itself *denied* a request that the gate had let pass."""
        if denied.reason in _WITH_ID:
            denied = denied._replace(request_id=secrets.token_hex(8))
            self._keep(denied, scope, Demands("the route", ((denied.needed, ()),)))
        self._log(denied, scope, by=" by the route")
        return denied

    def _log(self, denied: Denied, scope: Mapping[str, Any], by: str = "") -> None:
        # Whatever a client put into its method and path is escaped: one request, one line.
        log.info(
            "refused %d %s%s: %s %a from %s, key %s%s",
            status_of(denied.reason),
            denied.reason,
            by,
            shown_method(scope),
            shown_path(scope, self._foreign_forms),
            self._addresses.of(scope),
            denied.key_id,
            f", request {denied.request_id}" if denied.request_id else "",
            extra={"event": "request_refused"},
        )

    def _keep(self, denied: Denied, scope: Mapping[str, Any], demands: Demands | None) -> None:
        """Keep what can be explained. Without a key nothing can, and strangers could fill the table."""
        if denied.key_id is None or denied.request_id is None:
            return
        path = redact(shown_path(scope, self._foreign_forms)).encode("utf-8", "replace").decode()
        self._usage.keep_refused(
            RefusedRequest(
                denied.request_id,
                datetime.now(UTC),
                denied.key_id,
                scope.get("method", "WS"),
                path,
                self._addresses.of(scope),
                denied.reason,
                None if demands is None else demands.as_json(),
            )
        )

    def _call_back(self, on_denied: Callable[[Denied], object], denied: Denied) -> None:
        try:
            answer = on_denied(denied)
        except Exception:
            log.exception("on_denied raised; the request is refused all the same", extra={"event": "on_denied_failed"})
        else:
            if inspect.isawaitable(answer):
                self._await_in_background(answer)

    def _await_in_background(self, answer: Awaitable[object]) -> None:
        """Let the answer to the client go out meanwhile."""
        if len(self._running) >= _MOST_CALLBACKS:
            if not self._is_full:
                log.warning(
                    "on_denied takes too long: %d calls are running, more are left out",
                    _MOST_CALLBACKS,
                    extra={"event": "on_denied_slow"},
                )
            self._is_full = True
            if inspect.iscoroutine(answer):
                answer.close()
            return
        self._is_full = False
        task = asyncio.get_running_loop().create_task(_finish(answer), name="keyfob-on-denied")
        self._running.add(task)
        task.add_done_callback(self._running.discard)


def shown_method(scope: Mapping[str, Any]) -> str:
    """Return the method of a request as far as a log line needs it: over HTTP/2 it can hold any character."""
    return ascii(scope.get("method", "WS")[:_SHOWN_METHOD])[1:-1]


def shown_path(scope: Mapping[str, Any], foreign_forms: ForeignForms | None = None) -> str:
    """Return the path of a request as far as a log line needs it, without keys in one of *foreign_forms*."""
    path: str = scope["path"]
    if foreign_forms is not None:
        path = without_foreign(path[: _SHOWN + LONGEST], foreign_forms)
    return path if len(path) <= _SHOWN else f"{path[:_SHOWN]}…"


async def _finish(answer: Awaitable[object]) -> None:
    try:
        await answer
    except Exception:
        log.exception("on_denied raised; the request was refused all the same", extra={"event": "on_denied_failed"})
