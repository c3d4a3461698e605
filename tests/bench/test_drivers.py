from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from bench.drivers import closed_loop, fixed_rate, quantile, request
from bench.drivers.programs import WrongAnswerError, understood

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HEADER = [("Authorization", "Bearer key")]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
WRK = """\
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.81ms    2.07ms  35.50ms   97.13%
  Latency Distribution
     50%  980.00us
     75%    1.80ms
     90%    2.50ms
     99%    1.05s
  20312 requests in 2.00s, 2.83MB read
Requests/sec:  10155.31
Transfer/sec:      1.42MB
"""


@asynccontextmanager
async def translate_failures(*pieces: bytes) -> AsyncIterator[int]:
    """A server that answers every request with *pieces*, one write after the other; its port."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.001)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        await asyncio.sleep(0.02)  # until it has seen that its clients are gone


@pytest.mark.parametrize(("share", "figure"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.0, 1)])
def test_a_quantile_is_one_of_the_figures(share: float, figure: int) -> None:
    """Of the figures 1 to 100, the quantile is the smallest that so many are not above."""
    assert figure == quantile(range(1, 101), share)


async def test_an_answer_in_pieces_is_one_answer() -> None:
    """Head and body may be torn anywhere, and one request is under way on a connection at a time."""
    async with translate_failures(OK[:10], OK[10:30], OK[30:]) as port:
        found = await closed_loop.drive(port, 2, 0.1, request(HEADER))

    assert [200] == list(found["statuses"])
    assert found["rps"] > 0
    assert 0 < found["p50_ms"] <= found["p99_ms"]


async def test_a_chunked_answer_is_read_to_its_end() -> None:
    """Servers that do not know a body's length are measured too, and their status is told."""
    async with translate_failures(CHUNKED[:-3], CHUNKED[-3:]) as port:
        found = await closed_loop.drive(port, 1, 0.1, request(HEADER))

    assert [403] == list(found["statuses"])


async def test_a_fixed_rate_is_kept() -> None:
    """As many requests are sent as are due, each header by turns."""
    async with translate_failures(OK) as port:
        found = await fixed_rate.drive(port, 100, 0.5, [request(HEADER)], 8, patient=True)

    assert 50 == found["sent"]
    assert {"200": 50} == found["statuses"]
    assert 0 == found["unanswered"]


async def test_what_is_never_answered_is_charged(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that gets no answer, and one that never got a connection, count as the whole patience."""
    monkeypatch.setattr(fixed_rate, "PATIENCE", 0.25)
    async with translate_failures() as port:
        found = await fixed_rate.drive(port, 100, 0.1, [request(HEADER)], 2, patient=True)

    assert 2 == found["sent"]
    assert {} == found["statuses"]
    assert 10 == found["unanswered"]
    assert 250.0 == found["p50_ms"] == found["max_ms"]


async def test_a_flood_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a flood has no connection for is not sent, and not charged."""
    monkeypatch.setattr(fixed_rate, "PATIENCE", 0.25)
    async with translate_failures() as port:
        pace = fixed_rate.Pace(port, [request(HEADER)], 2)
        await asyncio.gather(pace.open(), pace.open())
        for _ in range(5):
            pace.ask(0.0, patient=False)
        pace.close()

    assert 2 == pace.sent == len(pace.took)


def test_wrk_is_read() -> None:
    """Requests per second, the two quantiles in milliseconds whatever their unit was, and the count."""
    assert (10155.31, 0.98, 1050.0, 20312, 0.0) == understood(WRK)


@pytest.mark.parametrize("line", ["  Non-2xx or 3xx responses: 12", "  Socket errors: connect 0, read 3, write 0"])
def test_a_run_with_refusals_is_no_figure(line: str) -> None:
    """Where wrk was not let in every time, nothing is measured."""
    with pytest.raises(WrongAnswerError):
        understood(f"{WRK}{line}\n")
