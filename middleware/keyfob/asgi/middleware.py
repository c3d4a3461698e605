"""The ASGI edge: HTTP, WebSocket and lifespan. There is no policy here."""

from __future__ import annotations

import logging
import os
from functools import cached_property
from typing import TYPE_CHECKING, Unpack

from keyfob.asgi.caching import varying
from keyfob.asgi.denial_log import DenialLog
from keyfob.asgi.forwarded import ForwardedScheme
from keyfob.asgi.lifespan import Lifespan
from keyfob.asgi.refusal import ApplicationForm
from keyfob.asgi.request_user import put_user
from keyfob.asgi.responses import DenialResponses
from keyfob.asgi.rule_report import compare_with_routes, report_overlaps, report_shared, router_behind
from keyfob.asgi.wrapped import is_starlette
from keyfob.config.settings import load_settings
from keyfob.connections.announcement import announcing
from keyfob.connections.response import OpenResponse
from keyfob.connections.servers import spoil
from keyfob.connections.websocket import OpenSocket
from keyfob.errors import ConfigError
from keyfob.gate.credentials import CredentialReader, without_ours
from keyfob.gate.verdict import Denied, Granted, Public, Reason
from keyfob.keys.redaction import redact_logs
from keyfob.runtime.in_process.management import Management
from keyfob.runtime.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.asgi.options import Options
    from keyfob.gate.stats import Stats
    from keyfob.gate.verdict import Admission, Header
    from keyfob.rules.table import Match

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
        if runtime is not None:
            _check_shared(config, options)
        self.runtime = runtime or Runtime(load_settings(config, environ=os.environ, overrides=options))
        self.stats: Stats = self.runtime.stats
        self._connections = self.runtime.connections
        settings = self.runtime.settings
        self._app_prefix = settings.app_prefix if runtime is None else ""
        self.gate = self.runtime.gate(
            settings.rules if runtime is None else options["rules"],
            router=router_behind(self.app, self._app_prefix),
            path_parameters=True,
            credentials=_credentials_beside(runtime, options),
        )
        report_overlaps(self.gate.rules)
        if runtime is None:
            report_shared(self.gate.rules)
        on_refusal = settings.on_refusal if runtime is None else options.get("on_refusal")
        form = None if on_refusal is None else ApplicationForm(on_refusal, settings.credential_headers)
        self._denial_log = _denial_log(self.runtime)
        self._refusals = DenialResponses(settings.realm, form=form, route_log=self._denial_log.tell_route)
        self._observes = runtime is None and settings.mode == "observe"
        self._closes_streams = settings.close_on_revoke
        self._sets_user = is_starlette(app) if settings.starlette_user == "auto" else bool(settings.starlette_user)
        believes = bool(settings.trusted_proxies) if settings.forwarded_scheme is None else settings.forwarded_scheme
        self._forwarded = ForwardedScheme(self.runtime.addresses) if believes else None
        redact_logs("keyfob", "keyfob.admin", "keyfob.console")
        if self._observes:
            log.warning(
                "keyfob only observes: every request passes, whatever key it carries", extra={"event": "observe_mode"}
            )

    @cached_property
    def management(self) -> Management:
        """Keys and teams of this installation, for the application itself: the verbs of `keyfob.open`."""
        return Management(self.runtime)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: C901, PLR0912 - the hot path, where a coroutine more costs 0.1 µs
        """Answer one connection, as ASGI 3 asks."""
        kind = scope["type"]
        if kind != "http" and kind != "websocket":  # noqa: PLR1714 - two comparisons are quicker than a set
            await self._live(kind, scope, receive, send)
            return
        if self._forwarded is not None:
            self._forwarded.apply(scope)
        admission = self.gate.judge(scope)
        if not isinstance(admission, tuple):
            admission = await admission
        verdict, headers, match, address, varies_by, announcement = admission
        if isinstance(verdict, Granted):
            self.stats.admitted += 1
            # Changed in place, as Starlette does: so that the server's frames do not hold the key, either.
            scope["headers"] = headers
            scope["keyfob"] = verdict.grant
            scope["keyfob.refusals"] = self._refusals
            if self._sets_user:
                put_user(scope, verdict)
            if kind == "http" and self._closes_streams:
                response = OpenResponse(self._connections, scope, receive, send, (verdict, match, address))
                sends: Send = response.send
                if varies_by or announcement:
                    sends = _dressed(sends, varies_by, announcement)
                try:
                    await self.app(scope, response.receive, sends)
                except BaseException as raised:
                    if response.finish(raised) is raised:
                        raise
                if not response.is_whole:
                    await self._finish(response, scope, send)
            else:
                await self._hand_on(admission, scope, receive, send)
        else:
            await self._answer_without_key(verdict, headers, match, scope, receive, send)
        if self.runtime.settles_each_call:
            await self.runtime.settle()

    async def _hand_on(self, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer a WebSocket, or a response that a revoked key does not end."""
        verdict, _, match, address, varies_by, announcement = admission
        if not isinstance(verdict, Granted):
            return
        sends = _dressed(send, varies_by, announcement)
        if scope["type"] == "websocket":
            await OpenSocket(self._connections, receive, sends, (verdict, match, address)).run(self.app, scope)
        else:
            await self.app(scope, receive, sends)

    async def _answer_without_key(  # noqa: PLR0917 - an ASGI call's three, and what was judged
        self,
        verdict: Public | Denied,
        headers: list[Header],
        match: Match | None,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """Refuse a request, or let it pass without a grant."""
        if type(verdict) is Denied:
            verdict = self._denial_log.tell(verdict, scope, match)
            if not self._observes:
                # Sending can fail, too, when a client breaks off; and a refused key may be a good one.
                scope["headers"] = headers
                sends = send if verdict.announcement is None else announcing(send, verdict.announcement)
                await self._refusals.refuse(verdict, scope, sends)
                return
            headers = without_ours(scope["headers"])  # a refused credential goes on as if nobody had looked
        scope["headers"] = headers
        scope["keyfob"], scope["keyfob.refusals"] = None, self._refusals
        await self.app(scope, receive, send)

    async def _finish(self, response: OpenResponse, scope: Scope, send: Send) -> None:
        """End what the application left incomplete; if its key was revoked, so that nothing outside completes it."""
        ending = response.finish(None)
        if ending is not None:
            await spoil(send)
            try:
                raise ending
            finally:
                del ending  # its traceback leads here: a cycle would keep the request until the next garbage collection
        if response.is_cut and not response.has_started:
            await self._refusals.refuse(Denied(Reason.DISABLED, response.key_id), scope, send)

    async def _live(self, kind: str, scope: Scope, receive: Receive, send: Send) -> None:
        if kind != "lifespan":
            raise ValueError(f"keyfob guards http and websocket, and knows nothing of {kind!r}")
        await Lifespan(self.app, self.runtime, self._compare_with_routes).run(scope, receive, send)

    def _compare_with_routes(self) -> None:
        compare_with_routes(self.app, self.gate, self._app_prefix)


def _denial_log(runtime: Runtime) -> DenialLog:
    on_denied, forms = runtime.settings.on_denied, runtime.foreign_forms
    return DenialLog(runtime.stats, runtime.usage, runtime.addresses, on_denied, foreign_forms=forms)


def _dressed(send: Send, varies_by: bytes | None, announcement: Sequence[Header] | None) -> Send:
    """Return what sends as *send* does, and adds to the response what its client and caches are told of the key."""
    sends = send if varies_by is None else varying(send, varies_by)
    return announcing(sends, announcement) if announcement else sends


_BESIDE_RUNTIME = frozenset(("rules", "credential_headers", "on_refusal"))


def _credentials_beside(runtime: Runtime | None, options: Options) -> CredentialReader | None:
    """Where a key may be, if it is not where the *runtime* says: the admin API has its own places."""
    if runtime is None or "credential_headers" not in options:
        return None
    forms = runtime.foreign_forms
    is_foreign_key = forms.fits if forms else None
    return CredentialReader(runtime.prefix, headers=options["credential_headers"], is_foreign_key=is_foreign_key)


def _check_shared(config: object, options: Mapping[str, object]) -> None:
    """Raise ConfigError unless *options* are what may stand beside a runtime: the rules, which have no default."""
    beside = sorted({*options, *(() if config is None else ("config",))} - _BESIDE_RUNTIME)
    if beside:
        raise ConfigError(
            f"runtime takes rules alone beside it, not {', '.join(beside)}: the rest is the runtime's own"
        )
    if "rules" not in options:
        raise ConfigError("runtime needs rules beside it: the paths of this application, and what each needs")
