"""Running an ASGI application under uvicorn the way Keyfob wants it.

Keyfob judges proxies itself, hence ``proxy_headers=False``. Access logs stay off because a URL of the console can hold
what somebody pasted into its search field.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from contextlib import asynccontextmanager, contextmanager
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.supervisors import Multiprocess

from keyfob.config.log_format import logging_config
from keyfob.management.audit.daily_check import check_daily
from keyfob.notices.delivery import Courier
from keyfob.notices.watching import Watcher
from keyfob_admin.metrics import MULTIPROCESS
from keyfob_admin.mounting import mountable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
    from contextlib import AbstractAsyncContextManager
    from types import FrameType
    from typing import Any

    from starlette.applications import Starlette
    from starlette.types import ASGIApp

    from keyfob.config.log_format import Form
    from keyfob.runtime.runtime import Runtime

log = logging.getLogger("keyfob")

FACTORY = "keyfob_admin.server:application"
BACKLOG = 2048
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
_FAR_AWAY = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}  # documentation's own: nobody's
NOT_STARTED = 3  # the exit code of a uvicorn worker that could not
SHUTDOWN_SECONDS = 10  # how long open requests may take to end
PATIENCE_SECONDS = (
    60  # within which a worker has to answer, also while it starts; with uvicorn's 5 a busy one never does
)
KEEP_ALIVE_SECONDS = 75  # longer than the gateways of examples/gateways keep an idle connection, so that they close it


def application() -> ASGIApp:
    """Build the admin application that the environment configures, first of all ``KEYFOB_CONFIG``.

    Raises:
        ConfigError: the configuration cannot work.

    """
    return mountable(beside=_checking)


def _checking(runtime: Runtime) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Compare the database with the audit log once a day, and deliver notices, beside the requests.

    Raises ConfigError if a receiver's secret cannot be used.
    """
    courier = Courier(runtime.store, runtime.settings.notices, runtime.settings.smtp, runtime.now)
    watcher = Watcher(runtime.store, runtime.catalogue, runtime.now)

    def works() -> list[Coroutine[Any, Any, None]]:
        daily = check_daily(runtime.store, runtime.keyring.entries, runtime.now)
        return [daily, courier.run(), watcher.run()] if runtime.settings.notices else [daily]

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        tasks = {asyncio.create_task(work) for work in works()}
        for task in tasks:
            task.add_done_callback(_log_failure)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    return lifespan


def _log_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error(
            "work beside the requests has ended: the daily check of the audit log, or the delivery of notices",
            exc_info=task.exception(),
            extra={"event": "background_failed"},
        )


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
    return _url(LOOPBACK.get(host, host), port)


def is_everywhere(taken: socket.socket) -> bool:
    """Tell whether *taken* listens on every address of this machine."""
    return taken.getsockname()[0] in LOOPBACK


def outward_url_of(taken: socket.socket) -> str:
    """Give the address at which other machines reach *taken*, as far as this one knows: its own towards its network."""
    host, port = taken.getsockname()[:2]
    with socket.socket(taken.family, socket.SOCK_DGRAM) as towards:
        try:
            towards.connect((_FAR_AWAY[taken.family], 9))  # sends nothing: only chooses the route, and so the address
            return _url(towards.getsockname()[0], port)
        except OSError:  # without a network
            return _url(LOOPBACK.get(host, host), port)


def _url(host: str, port: int) -> str:
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


def run(
    app: ASGIApp,
    taken: socket.socket,
    *,
    ready: Callable[[], None],
    form: Form = "text",
    websockets: bool = False,
) -> bool:
    """Serve *app* on *taken* until SIGINT or SIGTERM; *ready* is called once it answers. False if it did not start.

    Without *websockets* a handshake is answered as any other GET.
    """
    server = _Announcing(_config(app, form, ws="auto" if websockets else WithoutWebSockets), ready)
    before = signal.signal(signal.SIGTERM, _interrupt)  # uvicorn raises it again when all is ended in good order
    try:
        server.run(sockets=[taken])
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGTERM, before)
    return server.started


def run_workers(taken: socket.socket, *, workers: int, ready: Callable[[], None], form: Form = "text") -> bool:
    """Serve `application` from *workers* processes, which all read the configuration anew, until SIGINT or SIGTERM.

    *ready* is called before they start. False if they could not.
    """
    config = _config(FACTORY, form, ws=WithoutWebSockets, factory=True, workers=workers)
    config.timeout_worker_healthcheck = PATIENCE_SECONDS  # no argument, which uvicorn before 0.37 does not know
    supervisor = Multiprocess(config, sockets=[taken])
    with _shared_metrics():
        ready()
        supervisor.run()
    return not any(worker.process.exitcode == NOT_STARTED for worker in supervisor.processes)


@contextmanager
def _shared_metrics() -> Iterator[None]:
    """Let the workers write their metrics into one folder, so that whichever is asked can add them up."""
    if MULTIPROCESS in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="keyfob-metrics-") as folder:
        os.environ[MULTIPROCESS] = folder
        try:
            yield
        finally:
            del os.environ[MULTIPROCESS]


def _config(app: ASGIApp | str, form: Form, **more: Any) -> uvicorn.Config:  # noqa: ANN401 - uvicorn's
    return uvicorn.Config(
        app,
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=dict(logging_config(form, others="WARNING")),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        **more,
    )


def _interrupt(_: int, __: FrameType | None) -> None:
    raise KeyboardInterrupt
