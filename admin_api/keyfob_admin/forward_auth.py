"""Forward-auth: a gateway asks for each request whether it may pass, and learns which key sent it.

The gateway forwards the request's headers and states its method and path in two more, of the family that the policy
names. Keyfob trusts these two only from an address in the policy's ``trusted_proxies``, and only if each occurs exactly
once; so a client cannot supply what the gateway left out. The query string is ignored.
"""

from __future__ import annotations

import base64
import json
import logging
import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from starlette.routing import Route, WebSocketRoute

from keyfob.asgi.denial_log import DenialLog
from keyfob.asgi.responses import DenialResponses
from keyfob.errors import ConfigError
from keyfob.gate.client_address import ClientAddress
from keyfob.gate.verdict import Denied, Granted, Reason
from keyfob.rules.readings import TWO_PATHS
from keyfob.rules.table import WEBSOCKET
from keyfob.runtime.configured import rules_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.routing import BaseRoute
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from keyfob.config.settings import ForwardAuthSettings
    from keyfob.gate.verdict import Grant, Header, Verdict
    from keyfob.keys.record import MetadataValue
    from keyfob.policy.catalogue import Catalogue
    from keyfob.rules.table import Match
    from keyfob.runtime.runtime import Runtime

log = logging.getLogger("keyfob")

PREFIX: Final = "/v1/forward-auth"
NGINX: Final = frozenset({401, 403})  # denials that ngx_http_auth_request_module passes on; it makes others a 500
HEADERS_LIMIT: Final = 16 * 1024  # bytes, of all X-Keyfob-* headers of one answer; gateways size their buffers by it

_PERMISSIONS: Final = b"x-keyfob-permissions"
_OMITTED: Final = (b"x-keyfob-permissions-omitted", b"1")
_SYNTAX: Final = len(": ") + len("\r\n")  # what HTTP/1.1 adds to a header's name and value
# What a header value can hold as it is: printable ASCII, except "%", which begins an escape (RFC 3986, section 2.1).
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
# A path in origin-form (RFC 9112, 3.2.1) that every program reads alike: visible ASCII with whole escapes, without "#",
# which ends a path for some, "\\", which is a slash for some, and ";", which begins a parameter for servlet containers.
_PATH: Final = re.compile(rb"/(?:[!\"$&-:<-\[\]-~]|%[0-9A-Fa-f]{2})*")


def policy_routes(runtime: Runtime) -> list[BaseRoute]:
    """Make the routes of every policy that *runtime* is configured with. Raises ConfigError.

    Whatever follows the policy's name is ignored: Envoy appends the path of the original request. The routes also take
    WebSocket handshakes, because Caddy hands the client's ``Upgrade`` header on.
    """
    routes: list[BaseRoute] = []
    for name, policy in runtime.settings.forward_auth.items():
        answer = ForwardAuth(name, policy, runtime)
        for path in (f"{PREFIX}/{name}", f"{PREFIX}/{name}/{{rest:path}}"):
            routes += [Route(path, answer), WebSocketRoute(path, answer)]
    return routes


class AskedByGet:
    """Middleware that takes each question of a gateway for a GET: which method it comes with means nothing.

    Envoy asks with the client's. Then the admin API's own rules would judge a Destination that is the client's, too.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the question on."""
        if scope["type"] == "http" and scope["path"].removeprefix(scope["root_path"]).startswith(f"{PREFIX}/"):
            scope = {**scope, "method": "GET"}  # a copy: the server has to remember a HEAD
        await self._app(scope, receive, send)


def check_rules(name: str, rules: Mapping[str, object], catalogue: Catalogue) -> None:
    """Check the *rules* of the policy *name*. Raises ConfigError."""
    where = f"[forward_auth.{name}.rules]"
    try:
        table = rules_of(rules, catalogue)
    except ConfigError as wrong:
        raise ConfigError(f"{where}: {wrong}") from None
    for rule in table.rules:
        if WEBSOCKET in rule.methods:
            fix = 'a gateway asks for a handshake as the GET that it is: write "GET /path"'
            raise ConfigError(f'{where}: "{rule.text}" can never match; {fix}')
        if rule.otherwise_app:
            fix = "a gateway cannot tell the application that no key was there: leave out otherwise"
            raise ConfigError(f'{where}: "{rule.text}" leaves the judging to the application; {fix}')


class Family(NamedTuple):
    """The headers in which a gateway states the original request."""

    method: bytes
    path: bytes  # the request target as received, with its query


FAMILIES: Final = {
    "x-forwarded": Family(b"x-forwarded-method", b"x-forwarded-uri"),
    "x-original": Family(b"x-original-method", b"x-original-uri"),
}


class ForwardAuth:
    """One policy: an ASGI application that answers 200 if the original request may pass, or else the denial."""

    def __init__(self, name: str, policy: ForwardAuthSettings, runtime: Runtime) -> None:
        """Raise ConfigError if a rule is invalid."""
        settings = runtime.settings
        self._name = name
        self._family = FAMILIES[policy.headers]
        self._address_header = settings.client_ip_header.encode()
        self._addresses = ClientAddress(policy.trusted_proxies, settings.client_ip_header)
        check_rules(name, policy.rules, runtime.catalogue)
        self._gate = runtime.gate(policy.rules, self._addresses)
        self._responses = DenialResponses(settings.realm)
        self._nginx = DenialResponses(settings.realm, passed_on=NGINX) if policy.status_map == "nginx" else None
        self._denial_log = DenialLog(
            runtime.stats, runtime.usage, self._addresses, settings.on_denied, foreign_forms=runtime.foreign_forms
        )
        self._stats = runtime.stats
        self._warned: set[Reason] = set()

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer for one request that the gateway holds back."""
        asked = self._asked(scope)
        verdict, match, announcement = (asked, None, None) if isinstance(asked, Denied) else await self._judge(asked)
        if isinstance(verdict, Denied):
            start, body = self._denial(verdict, scope if isinstance(asked, Denied) else asked, match)
            start["headers"] += verdict.announcement or ()
        else:
            start, body = _permission(verdict.grant if isinstance(verdict, Granted) else None)
            start["headers"] += announcement or ()
            self._stats.admitted += isinstance(verdict, Granted)
        await _answer(start, body, scope, send)

    async def _judge(self, asked: Scope) -> tuple[Verdict, Match | None, tuple[Header, ...] | None]:
        admission = self._gate.judge(asked)
        verdict, _, match, _, _, announcement = admission if isinstance(admission, tuple) else await admission
        return verdict, match, announcement

    def _denial(self, denied: Denied, scope: Scope, match: Match | None) -> tuple[Message, Message]:
        self._warn_once(denied.reason, scope)
        denied = self._denial_log.tell(denied, scope, match)
        start, body = self._responses.response(denied)
        if self._nginx is None:
            return start, body
        # nginx drops the body of an auth subrequest and can read only its headers, so the problem stands in one.
        problem = body["body"]
        start, body = self._nginx.response(denied)
        start["headers"].append((b"x-keyfob-problem", problem))
        return start, body

    def _warn_once(self, reason: Reason, scope: Scope) -> None:
        """Log what a gateway's configuration lacks, once for each reason: strangers can cause it, too."""
        if reason in self._warned:
            return
        if reason is Reason.UNTRUSTED:
            peer = (scope.get("client") or ("a Unix socket",))[0]
            log.warning(
                "forward-auth %s: %a asks, and is not in its trusted_proxies",
                self._name,
                peer,
                extra={"event": "gateway_untrusted"},
            )
        elif reason is Reason.UNTOLD:
            method, path = (name.decode().title() for name in self._family)
            log.warning(
                "forward-auth %s: the gateway must send %s and %s, once each, and with COPY or MOVE Destination",
                self._name,
                method,
                path,
                extra={"event": "gateway_incomplete"},
            )
        else:
            return
        self._warned.add(reason)

    def _asked(self, scope: Scope) -> Scope | Denied:
        """Build the scope of the original request, as if its client had sent it here."""
        if not self._addresses.trusts_peer_of(scope):
            return Denied(Reason.UNTRUSTED)
        headers: list[Header] = scope["headers"]
        method, target = (_only(headers, name) for name in self._family)
        if not method or not target or not method.isascii():
            return Denied(Reason.UNTOLD)
        if method.decode() in TWO_PATHS and not any(name == b"destination" for name, _ in headers):
            return Denied(Reason.UNTOLD)  # every client sends it (RFC 4918), so the gateway has left it out
        raw_path = target.partition(b"?")[0]
        path = _decoded(raw_path)
        if path is None:
            return Denied(Reason.BAD_PATH)
        says_address = any(name == self._address_header for name, _ in headers)
        return {
            "type": "http",
            "method": method.decode(),
            "path": path,
            "raw_path": raw_path,
            "root_path": "",
            "headers": headers,
            # Without that header the client's address is unknown; the gateway's own is not a substitute.
            "client": scope.get("client") if says_address else None,
        }


def _only(headers: list[Header], wanted: bytes) -> bytes | None:
    """The value of the header *wanted*; None unless it occurs exactly once."""
    values = [value for name, value in headers if name == wanted]
    return values[0] if len(values) == 1 else None


def _decoded(raw_path: bytes) -> str | None:
    """The path of the original request; None if another program could read *raw_path* differently."""
    if not _PATH.fullmatch(raw_path):
        return None
    try:
        path = unquote_to_bytes(raw_path).decode()
    except UnicodeDecodeError:
        return None
    return None if ";" in path else path


async def _answer(start: Message, body: Message, scope: Scope, send: Send) -> None:
    """Send the two messages of an HTTP response, whatever the connection is."""
    if any(name == b"upgrade" for name, _ in scope["headers"]):
        # Parsers stop reading after a proposal to switch protocols; the gateway must not reuse this connection.
        start["headers"].append((b"connection", b"close"))
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or ()):
            await send({"type": "websocket.close", "code": 1008, "reason": ""})  # clients get a 403
            return
        start["type"], body["type"] = f"websocket.{start['type']}", f"websocket.{body['type']}"
    await send(start)
    await send(body)


def _permission(grant: Grant | None) -> tuple[Message, Message]:
    """Return the messages of a 200. The headers are always there, so that they replace what a client sent."""
    headers = [(b"content-length", b"0"), (b"cache-control", b"no-store"), *_identity(grant)]
    start = {"type": "http.response.start", "status": 200, "headers": headers}
    return start, {"type": "http.response.body", "body": b""}


def _identity(grant: Grant | None) -> list[Header]:
    """Describe the key of *grant* in at most `HEADERS_LIMIT` bytes: permissions that do not fit are left out whole."""
    key_id, name, key_type, team = (
        ("",) * 4 if grant is None else (grant.key_id, grant.name, grant.key_type, grant.team)
    )
    headers = [
        (b"x-keyfob-key-id", _quoted(key_id)),
        (b"x-keyfob-key-name", _quoted(name)),
        (b"x-keyfob-key-type", _quoted(key_type)),
        (b"x-keyfob-team", _quoted(team)),
        (b"x-keyfob-external-id", _quoted((grant and grant.external_id) or "")),
        (b"x-keyfob-plan", _quoted((grant and grant.plan) or "")),
        (b"x-keyfob-metadata", _encoded(grant.metadata) if grant is not None and grant.metadata else b""),
    ]
    permissions = [] if grant is None else [_quoted(permission) for permission in sorted(grant.permissions)]
    room = HEADERS_LIMIT - sum(map(_size, [*headers, (_PERMISSIONS, b""), _OMITTED]))
    fitting, size = 0, 0
    for permission in permissions:
        size += len(permission) + (len(", ") if fitting else 0)
        if size > room:
            break
        fitting += 1
    headers.append((_PERMISSIONS, b", ".join(permissions[:fitting])))  # a list (RFC 9110, section 5.6.1)
    return headers if fitting == len(permissions) else [*headers, _OMITTED]


def _encoded(metadata: Mapping[str, MetadataValue]) -> bytes:
    """Write *metadata* as base64url (RFC 4648, section 5) of its JSON in UTF-8."""
    text = json.dumps(dict(metadata), ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode())


def _size(header: Header) -> int:
    return len(header[0]) + len(header[1]) + _SYNTAX


def _quoted(value: str) -> bytes:
    """Write *value* for a header. A space at an end would be lost there (RFC 9110, section 5.5)."""
    return quote(value, safe=_PLAIN if value == value.strip(" ") else _PLAIN.replace(" ", "")).encode()
