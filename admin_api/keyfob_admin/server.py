"""Running an ASGI application under uvicorn the way Keyfob wants it.

Keyfob judges proxies itself, hence ``proxy_headers=False``. Access logs stay off because a URL of the console can hold
what somebody pasted into its search field.
"""

from __future__ import annotations

import os
import signal
import socket
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

from keyfob.config.settings import load_settings
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from keyfob_admin.console import console_pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

    from starlette.types import ASGIApp

FACTORY = "keyfob_admin.server:application"
BACKLOG = 2048
NOT_STARTED = 3  # the exit code of a uvicorn worker that could not
SHUTDOWN_SECONDS = 10  # how long open requests may take to end
KEEP_ALIVE_SECONDS = 75  # longer than the gateways of examples/gateways keep an idle connection, so that they close it


def application() -> ASGIApp:
    """Build the admin application that the environment configures, first of all ``KEYFOB_CONFIG``.

    Raises:
        ConfigError: the configuration cannot work.

    """
    runtime = Runtime(load_settings(environ=os.environ))
    return build_admin(runtime, pages=console_pages(runtime))


def listening(host: str, port: int) -> socket.socket:
    """Take *port* (0: any free one) on *host*, so that a port in use is known before anything starts.

    Raises:
        OSError: the port is in use or may not be used, or there is no such address.

    """
    family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    taken = socket.socket(family, kind, protocol)
    try:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(address)
        taken.listen(BACKLOG)  # at once: several processes may bind one port, but only one may listen
    except OSError:
        taken.close()
        raise
    taken.set_inheritable(True)
    return taken


def url_of(taken: socket.socket) -> str:
    """Give the address at which a browser on this machine reaches *taken*."""
    host, port = taken.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class WithoutWebSockets(H11Protocol):
    """Answers a WebSocket handshake as the GET that it is, because gateways ask forward-auth about handshakes.

    uvicorn hands a connection that asks for an upgrade to this class, with the request written out again.
    """

    def _should_upgrade(self) -> bool:
        return False


class _Announcing(uvicorn.Server):
    """A server that says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._ready()


def run(app: ASGIApp, taken: socket.socket, *, ready: Callable[[], None], websockets: bool = False) -> bool:
    """Serve *app* on *taken* until SIGINT or SIGTERM; *ready* is called once it answers. False if it did not start.

    Without *websockets* a handshake is answered as any other GET.
    """
    server = _Announcing(_config(app, ws="auto" if websockets else WithoutWebSockets), ready)
    before = signal.signal(signal.SIGTERM, _interrupt)  # uvicorn raises it again when all is ended in good order
    try:
        server.run(sockets=[taken])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return server.started


def run_workers(taken: socket.socket, *, workers: int) -> bool:
    """Serve `application` from *workers* processes, which all read the configuration anew, until SIGINT or SIGTERM.

    False if they could not start.
    """
    config = _config(FACTORY, ws=WithoutWebSockets, factory=True, workers=workers)
    supervisor = Multiprocess(config, sockets=[taken])
    supervisor.run()
    return not any(worker.process.exitcode == NOT_STARTED for worker in supervisor.processes)


def _config(app: ASGIApp | str, **more: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's
    return uvicorn.Config(
        app,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_level="warning",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **more,
    )


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
