"""A receiver of webhooks: answers as it is told, and remembers what came."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyfob.config.notices import NoticeSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SECRET = base64.b64encode(b"s" * 32).decode()


@dataclass
class Receiver:
    """One HTTP server. *answer* is sent to every request; None keeps them waiting."""

    port: int = 0
    answer: bytes | None = b"HTTP/1.1 204 No Content\r\n\r\n"
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    waiting: list[asyncio.StreamWriter] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        self.bodies.append(await reader.readexactly(int(lines["Content-Length"])))
        self.headers.append({name.lower(): value for name, value in lines.items()})
        if self.answer is None:
            self.waiting.append(writer)
            return
        writer.write(self.answer)
        writer.close()

    def settings(self, folder: Path, *events: str, allow_private: bool = True) -> NoticeSettings:
        secret = folder / "hook.secret"
        secret.write_text(f"whsec_{SECRET}\n")
        return NoticeSettings(
            events=events or ("*",),
            webhook=f"http://127.0.0.1:{self.port}/hook?for=keyfob",
            secret_file=secret,
            allow_private=allow_private,
        )


@asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        for writer in receiver.waiting:
            writer.close()
        server.close()
        await asyncio.sleep(0)
