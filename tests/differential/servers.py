"""Real ASGI servers within this process, so that a handler that runs can be seen, and raw requests to them."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

import uvicorn
from granian.constants import Interfaces
from granian.server.embed import Server as Granian
from hypercorn.asyncio import serve
from hypercorn.config import Config as HypercornConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import ASGIApp

SERVERS = ["uvicorn h11", "uvicorn httptools", "hypercorn", "granian"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def serving(server: str, app: ASGIApp, root_path: str) -> AsyncIterator[int]:
    """Serve *app* below *root_path* by the *server* of that name. Yields the port."""
    port = _free_port()
    stop: Callable[[], object]
    if server == "granian":
        granian = Granian(
            app, port=port, interface=Interfaces.ASGINL, log_enabled=False, url_path_prefix=root_path or None
        )
        task, stop = asyncio.create_task(granian.serve()), granian.stop
    elif server == "hypercorn":
        stopping = asyncio.Event()
        options = HypercornConfig()
        options.bind, options.root_path, options.errorlog = [f"127.0.0.1:{port}"], root_path, None
        running = serve(app, options, shutdown_trigger=stopping.wait)  # type: ignore[arg-type] # its own types of ASGI
        task, stop = asyncio.create_task(running), stopping.set
    else:
        uvicorn_server = uvicorn.Server(
            uvicorn.Config(
                app,
                port=port,
                http="h11" if server.endswith("h11") else "httptools",
                root_path=root_path,
                proxy_headers=False,
                lifespan="off",
                log_level="critical",
            )
        )
        task = asyncio.create_task(uvicorn_server.serve())
        stop = partial(setattr, uvicorn_server, "should_exit", True)  # noqa: FBT003 - as setattr has it
    try:
        await _until_open(port)
        yield port
    finally:
        stop()
        await task


async def _until_open(port: int) -> None:
    async with asyncio.timeout(20):
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.01)


async def status_of(port: int, method: str, target: str, key: str | None) -> int:
    """Send one request as it is written, on a connection of its own. The status, or 0 if there was none."""
    head = f"{method} {target} HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n"
    if key is not None:
        head += f"Authorization: Bearer {key}\r\n"
    if method in {"POST", "PUT", "PATCH"}:
        head += "Content-Length: 0\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(f"{head}\r\n".encode())
        async with asyncio.timeout(20):
            answer = await reader.read()
    except ConnectionError:
        return 0
    finally:
        writer.close()
    return int(answer[9:12]) if answer.startswith(b"HTTP/1.") else 0
