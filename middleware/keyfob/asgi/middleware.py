"""The ASGI edge: HTTP, WebSocket and lifespan. There is no policy here."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Unpack

from keyfob.asgi.denial_log import DenialLog
from keyfob.asgi.lifespan import Lifespan
from keyfob.asgi.request_user import add_user
from keyfob.asgi.responses import DenialResponses
from keyfob.config.settings import load_settings
from keyfob.connections.websocket import OpenSocket
from keyfob.gate.credentials import without_ours
from keyfob.gate.verdict import Admission, Denied, Granted
from keyfob.runtime.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.asgi.options import Options
    from keyfob.gate.credentials import Header
    from keyfob.gate.stats import Stats
    from keyfob.gate.verdict import Public

log = logging.getLogger("keyfob")


class APIKeyMiddleware:
    """Lets through to *app* only requests whose API key may do what they ask.

    Args:
        app: any ASGI 3 application.
        config: a file with the settings; keywords override it.
        runtime: what another Keyfob of this process knows already, to share it. Only *rules* are given beside it;
            every other setting is the other one's, and the mode is always "enforce".
        options: the settings, each described in ``docs/configuration.md``.

    Raises:
        ConfigError: the settings cannot work; the message names the one, and how to fix it.

    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        config: str | Path | None = None,
        runtime: Runtime | None = None,
        **options: Unpack[Options],
    ) -> None:
        self.app: ASGIApp = app  # whatever its framework calls the types of scope, receive and send
        self.runtime = runtime or Runtime(load_settings(config, environ=os.environ, overrides=options))
        self.stats: Stats = self.runtime.stats
        self._connections = self.runtime.connections
        settings = self.runtime.settings
        self.gate = self.runtime.gate(settings.rules if runtime is None else options["rules"])
        self._refusals = DenialResponses(settings.realm)
        self._denial_log = DenialLog(self.stats, self.runtime.addresses, settings.on_denied)
        self._observes = runtime is None and settings.mode == "observe"
        self._closes_streams = settings.close_on_revoke
        if self._observes:
            log.warning(
                "keyfob only observes: every request passes, whatever key it carries", extra={"event": "observe_mode"}
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI 3 asks."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":  # noqa: PLR1714 - two comparisons are quicker than a set
            await self._live(kind, scope, receive, send)
            return

        admission = self.gate.judge(scope)
        if type(admission) is not Admission:
            admission = await admission
        verdict, headers, match, address, _ = admission
        if isinstance(verdict, Granted):
            self.stats.admitted += 1
            if verdict.user is None:
                add_user(verdict)
            # Changed in place, as Starlette does: so that the server's frames do not hold the key, either.
            scope["headers"] = headers
            scope["keyfob"], scope["keyfob.refusals"] = verdict.grant, self._refusals
            scope["user"], scope["auth"] = verdict.user, verdict.auth
            if kind == "websocket":
                await OpenSocket(verdict, match, address).run(self._connections, self.app, scope, receive, send)
            elif self._closes_streams:
                try:
                    await self.app(scope, receive, self._connections.watch(send, verdict, match, address))
                except BaseException as broken:
                    if not self._connections.was_cut_off(send, broken):
                        raise
                finally:
                    if self._connections.responses:
                        self._connections.release(send)
            else:
                await self.app(scope, receive, send)
        else:
            await self._answer_without_key(verdict, headers, scope, receive, send)

    async def _answer_without_key(
        self, verdict: Public | Denied, headers: list[Header], scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Refuse a request, or let it pass without a grant."""
        if isinstance(verdict, Denied) and not self._lets_pass(verdict, scope):
            # Sending can fail, too, when a client breaks off; and a refused key may be a good one.
            scope["headers"] = headers
            await self._refusals.refuse(verdict, scope, send)
            return
        # Where Keyfob only observes, a refused credential goes on as if nobody had looked.
        scope["headers"] = without_ours(scope["headers"]) if isinstance(verdict, Denied) else headers
        scope["keyfob"], scope["keyfob.refusals"] = None, self._refusals
        await self.app(scope, receive, send)

    async def _live(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        if kind != "lifespan":
            raise ValueError(f"keyfob guards http and websocket, and knows nothing of {kind!r}")
        await Lifespan(self.app, self.runtime, self._report_unused_rules).run(scope, receive, send)

    def _report_unused_rules(self) -> None:
        """Warn of rules that are probably misspelled."""
        from keyfob.asgi.unused_rules import unused_rules  # noqa: PLC0415 (who imports keyfob need not load Starlette's routing)

        idle = unused_rules(self.app, self.gate.rules)
        if idle:
            named = ", ".join(f'"{rule.text}"' for rule in idle)
            log.warning(
                "no route of the application answers to the rules %s: misspelled, or left of an example?",
                named,
                extra={"event": "unused_rules"},
            )

    def _lets_pass(self, denied: Denied, scope: Scope) -> bool:
        """Tell of a refusal; only a Keyfob that observes lets it pass."""
        self._denial_log.tell(denied, scope)
        return self._observes
