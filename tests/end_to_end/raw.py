"""HTTP/1.1 byte by byte: what a test writes goes out as it is, and what comes back is read strictly (RFC 9112)."""

from __future__ import annotations

import json
import re
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType

PATIENCE = 15.0  # seconds; a server that is silent for longer has failed

_STATUS = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) [\t\x20-\x7e\x80-\xff]*\Z")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*?)[ \t]*\Z")
_WITHOUT_BODY = {204, 304}


class CutOffError(ConnectionError):
    """The server closed the connection before the answer was whole."""


@dataclass
class Answer:
    """One whole answer."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)  # names in lower case
    body: bytes = b""

    def all(self, name: str) -> list[str]:
        """Every value of one header."""
        return [value for key, value in self.headers if key == name]

    def one(self, name: str) -> str | None:
        """The only value of one header."""
        values = self.all(name)
        if len(values) > 1:
            message = f"{name} came {len(values)} times"
            raise AssertionError(message)
        return values[0] if values else None

    @property
    def json(self) -> Any:
        """The body, read as JSON."""
        return json.loads(self.body)

    @property
    def without_date(self) -> tuple[int, list[tuple[str, str]], bytes]:
        """All of the answer that does not tell the time."""
        return self.status, [pair for pair in self.headers if pair[0] != "date"], self.body


class Wire:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._unread = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def wait_at_most(self, seconds: float) -> None:
        """Fail with TimeoutError if the server is silent for longer."""
        self._socket.settimeout(seconds)

    def send(self, data: bytes) -> None:
        """Write *data* as it is."""
        self._socket.sendall(data)

    def answer(self, *, head: bool = False) -> Answer:
        """Read one answer. Raises CutOffError if it ends early."""
        answer = self.start()
        while answer.status == 100:
            answer = self.start()
        if head or answer.status in _WITHOUT_BODY:
            return answer
        length, encoding = answer.one("content-length"), answer.one("transfer-encoding")
        assert length is None or encoding is None, "two framings in one answer"
        if length is not None:
            answer.body = self.exactly(int(length))
        elif encoding is not None:
            assert encoding == "chunked"
            while chunk := self.chunk():
                answer.body += chunk
        else:
            assert answer.one("connection") == "close", "nothing says where the answer ends"
            answer.body = self.rest()
        return answer

    def start(self) -> Answer:
        """Read a status line and headers."""
        status = _STATUS.match(self._line())
        assert status is not None, "no status line"
        answer = Answer(int(status[1]))
        while line := self._line():
            header = _HEADER.match(line)
            assert header is not None, f"no header: {line!r}"
            answer.headers.append((header[1].decode().lower(), header[2].decode("latin-1")))
        return answer

    def chunk(self) -> bytes:
        """Read one chunk; the last one is empty. Raises CutOffError if the stream is cut."""
        size = int(self._line(), 16)
        data = self.exactly(size)
        assert self._line() == b"", "a chunk without its end"
        return data

    def rest(self) -> bytes:
        """Read until the server closes the connection."""
        while self._more():
            pass
        data, self._unread = self._unread, b""
        return data

    def rest_now(self) -> bytes:
        """Return what the server sends within a moment, over and above what was read."""
        self._socket.settimeout(0.2)
        try:
            self._more()
        except TimeoutError:
            pass
        finally:
            self._socket.settimeout(PATIENCE)
        return self._unread

    def _line(self) -> bytes:
        while b"\r\n" not in self._unread:
            if not self._more():
                raise CutOffError
        line, _, self._unread = self._unread.partition(b"\r\n")
        return line

    def exactly(self, size: int) -> bytes:
        """Read *size* bytes. Raises CutOffError if they end early."""
        while len(self._unread) < size:
            if not self._more():
                raise CutOffError
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _more(self) -> bool:
        try:
            data = self._socket.recv(65536)
        except ConnectionResetError:
            return False
        self._unread += data
        return bool(data)


Headers = dict[str, str] | list[tuple[str, str]]


def request(
    target: str | bytes, headers: Headers | None = None, *, method: str = "GET", body: bytes | None = None
) -> bytes:
    """One request as bytes. Header values go out as Latin-1, the target as it is."""
    pairs: Iterable[tuple[str, str]] = headers.items() if isinstance(headers, dict) else headers or []
    target = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + target + b" HTTP/1.1", b"Host: wire.test"]
    lines += [f"{name}: {value}".encode("latin-1") for name, value in pairs]
    if body is not None:
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", body or b""])
