"""Forward-auth: for each request a gateway asks whether it may pass, and what the application may know of its key.

The gateway sends the headers of the request that it holds back, and says method and path in two more: those of one
family, chosen in the policy. They are believed only if the gateway is trusted, and only if each is there once, so
that nothing that a client sends can stand in for what the gateway did not say. The query string counts for nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import quote, unquote

from starlette.routing import Route

from keyfob.asgi.denial_log import DenialLog
from keyfob.asgi.responses import DenialResponses
from keyfob.errors import ConfigError
from keyfob.gate.client_address import ClientAddress
from keyfob.gate.verdict import Admission, Denied, Granted, Reason
from keyfob.rules.compiler import compile_rules
from keyfob.rules.table import WEBSOCKET

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from starlette.routing import BaseRoute
    from starlette.types import Receive, Scope, Send

    from keyfob.config.settings import ForwardAuthSettings
    from keyfob.gate.credentials import Header
    from keyfob.gate.verdict import Grant
    from keyfob.policy.catalogue import Catalogue
    from keyfob.runtime.runtime import Runtime

log = logging.getLogger("keyfob")

PREFIX: Final = "/v1/forward-auth"
NGINX: Final = frozenset({401, 403})  # refusals that ngx_http_auth_request_module hands on; others it makes a 500

_TOLD: Final = (
    b"x-keyfob-key-id",
    b"x-keyfob-key-name",
    b"x-keyfob-key-type",
    b"x-keyfob-team",
    b"x-keyfob-permissions",
)
# What may stand in a header as it is: printable ASCII, save the sign that begins an escape (RFC 3986, section 2.1).
_PLAIN: Final = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def policy_routes(runtime: Runtime) -> list[BaseRoute]:
    """Make the routes of every policy that *runtime* is configured with. Raises ConfigError.

    What follows the policy's name is nothing to us: Envoy appends the path that was asked for.
    """
    routes: list[BaseRoute] = []
    for name, policy in runtime.settings.forward_auth.items():
        answer = ForwardAuth(name, policy, runtime)
        routes += [Route(f"{PREFIX}/{name}", answer), Route(f"{PREFIX}/{name}/{{rest:path}}", answer)]
    return routes


def check_rules(name: str, rules: Mapping[str, object], catalogue: Catalogue) -> None:
    """Hold that the *rules* of the policy *name* can be meant. Raises ConfigError."""
    where = f"[forward_auth.{name}.rules]"
    try:
        table = compile_rules(rules, known=catalogue.known_to_rules(), key_types=catalogue.key_types)
    except ConfigError as wrong:
        raise ConfigError(f"{where}: {wrong}") from None
    for rule in table.rules:
        if WEBSOCKET in rule.methods:
            fix = 'a gateway asks for a handshake as the GET that it is: write "GET /path"'
            raise ConfigError(f'{where}: "{rule.text}" can never match; {fix}')


class Family(NamedTuple):
    """The headers in which a gateway says what it was asked for."""

    method: bytes
    path: bytes  # the target as it came, with its query


FAMILIES: Final = {
    "x-forwarded": Family(b"x-forwarded-method", b"x-forwarded-uri"),
    "x-original": Family(b"x-original-method", b"x-original-uri"),
}


class ForwardAuth:
    """One policy: an ASGI application that answers 200 where the original request may pass, and else why not."""

    def __init__(self, name: str, policy: ForwardAuthSettings, runtime: Runtime) -> None:
        """Raise ConfigError if a rule cannot be meant."""
        settings = runtime.settings
        self._name = name
        self._family = FAMILIES[policy.headers]
        self._address_header = settings.client_ip_header.encode()
        self._addresses = ClientAddress(policy.trusted_proxies, settings.client_ip_header)
        check_rules(name, policy.rules, runtime.catalogue)
        self._gate = runtime.gate(policy.rules, self._addresses)
        self._refusals = DenialResponses(settings.realm, passed_on=NGINX if policy.status_map == "nginx" else None)
        self._denial_log = DenialLog(runtime.stats, self._addresses, settings.on_denied)
        self._stats = runtime.stats
        self._warned: set[Reason] = set()

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        """Answer for one request that the gateway holds back."""
        asked = self._asked(scope)
        if isinstance(asked, Denied):
            await self._refuse(asked, scope, send)
            return
        admission = self._gate.judge(asked)
        verdict = (admission if isinstance(admission, Admission) else await admission).verdict
        if isinstance(verdict, Denied):
            await self._refuse(verdict, asked, send)
        elif isinstance(verdict, Granted):
            self._stats.admitted += 1
            await _let_pass(verdict.grant, send)
        else:
            await _let_pass(None, send)

    async def _refuse(self, denied: Denied, scope: Scope, send: Send) -> None:
        self._warn_once(denied.reason, scope)
        self._denial_log.tell(denied, scope)
        await self._refusals.refuse(denied, scope, send)

    def _warn_once(self, reason: Reason, scope: Scope) -> None:
        """Tell whoever sets a gateway up what is missing; strangers may cause it, too, so not each time."""
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
                "forward-auth %s: the gateway must send %s and %s, once each",
                self._name,
                method,
                path,
                extra={"event": "gateway_incomplete"},
            )
        else:
            return
        self._warned.add(reason)

    def _asked(self, scope: Scope) -> Scope | Denied:
        """The request that the gateway speaks of, as if its client had sent it here."""
        if not self._addresses.trusts_peer_of(scope):
            return Denied(Reason.UNTRUSTED)
        headers: list[Header] = scope["headers"]
        method, target = (_only(headers, name) for name in self._family)
        if not method or not target or not method.isascii():
            return Denied(Reason.UNTOLD)
        path = target.partition(b"?")[0]
        # Other forms of a target (RFC 9112, section 3.2) name no path, and no target has a fragment.
        if not path.startswith(b"/") or b"#" in path or not path.isascii():
            return Denied(Reason.BAD_PATH)
        says_address = any(name == self._address_header for name, _ in headers)
        return {
            "type": "http",
            "method": method.decode(),
            "path": unquote(path.decode()),
            "raw_path": path,
            "root_path": "",
            "headers": headers,
            # The gateway's own address is nobody's who must be let in.
            "client": scope.get("client") if says_address else None,
        }


def _only(headers: list[Header], wanted: bytes) -> bytes | None:
    """The value of the one header *wanted*; None where there is not exactly one."""
    values = [value for name, value in headers if name == wanted]
    return values[0] if len(values) == 1 else None


async def _let_pass(grant: Grant | None, send: Send) -> None:
    """Answer 200. Every header is always sent, so that none of a client's own takes its place."""
    headers = [(b"content-length", b"0"), (b"cache-control", b"no-store"), *_told(grant)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


def _told(grant: Grant | None) -> Iterator[Header]:
    values = [""] * len(_TOLD)
    if grant is not None:
        permissions = ", ".join(sorted(grant.permissions))  # a list, as headers have them (RFC 9110, section 5.6.1)
        values = [grant.key_id, grant.name, grant.key_type, grant.team, permissions]
    for name, value in zip(_TOLD, values, strict=True):
        yield name, quote(value, safe=_PLAIN).encode()
