"""A provider that answers what a test wants, over real HTTP."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from joserfc import jwt
from joserfc.jwk import RSAKey

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = "keyfob"
SECRET = "s3cret:/+"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
OTHER_KEY = RSAKey.generate_key(2048, {"kid": "two", "use": "sig"})


@dataclass
class Answer:
    """What stands at one path: a JSON value or bytes."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs: bool = False  # answers nothing until the provider is closed


@dataclass
class HostileProvider:
    """The provider's answers by path, and what it was asked."""

    issuer: str = ""
    paths: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str], str]] = field(default_factory=list)  # path, headers, body
    closing: threading.Event = field(default_factory=threading.Event)

    def begin(self) -> None:
        """Answer as a good provider does, but for the ID token."""
        self.paths = {
            "/.well-known/openid-configuration": Answer(
                {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/auth",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/jwks",
                    "scopes_supported": ["openid", "email", "groups"],
                }
            ),
            "/jwks": Answer({"keys": [KEY.as_dict(private=False)]}),
        }

    def issue(self, claims: dict[str, Any], key: RSAKey = KEY, **token: Any) -> None:
        """Answer the code with an ID token of *claims*."""
        signed = jwt.encode({"alg": "RS256", "kid": key.kid}, claims, key)
        self.paths["/token"] = Answer({"id_token": signed, "access_token": "a", "token_type": "Bearer", **token})

    @property
    def described(self) -> dict[str, Any]:
        """The discovery document."""
        return cast("dict[str, Any]", self.paths["/.well-known/openid-configuration"].body)


class Handler(BaseHTTPRequestHandler):
    """Answers as the provider of its server says."""

    def do_GET(self) -> None:
        self._answer("")

    def do_POST(self) -> None:
        self._answer(self.rfile.read(int(self.headers["content-length"])).decode())

    def _answer(self, body: str) -> None:
        provider = cast("HostileServer", self.server).provider
        provider.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        answer = provider.paths.get(self.path, Answer({"error": "not_found"}, 404))
        if answer.hangs:
            provider.closing.wait()
            return
        data = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        usual = {"content-type": "application/json", "content-length": str(len(data))}
        for name, value in {**usual, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(OSError):  # the client has had enough
            self.wfile.write(data)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class HostileServer(ThreadingHTTPServer):
    """Serves one provider."""

    daemon_threads = True

    def __init__(self, provider: HostileProvider) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.provider = provider


@contextmanager
def hostile_provider() -> Iterator[HostileProvider]:
    """Run the provider in a thread."""
    provider = HostileProvider()
    server = HostileServer(provider)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    provider.begin()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield provider
    finally:
        provider.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()
