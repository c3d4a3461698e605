"""One count for several hosts, in Valkey or Redis: one script call for all limits of a request, on the server's clock.

The script takes for all limits or for none, so that nothing has to be given back. Each count is a hash ``w``, ``c``,
``p``: a window's number, what passed in it, and what passed in the window before. It is forgotten two windows later.

A call waits 250 ms at most. After a failure nobody waits: for a second every request is told so at once, then one asks
again.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final

from keyfob.errors import ConfigError, LimitsUnavailable
from keyfob.limits.windows import NS, Outcome, Standing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkey.asyncio import Valkey

    from keyfob.limits.windows import Meter

PATIENCE: Final = 0.25  # seconds that a request waits for the server
PROBE_EVERY: Final = 1.0  # seconds between two tries while it is away

_PREFIX: Final = "keyfob:limits:"
_MS: Final = NS // 1_000  # nanoseconds in a millisecond

_SCRIPT: Final = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local cost = tonumber(ARGV[1])
local counts, has_room = {}, 1
for i, key in ipairs(KEYS) do
    local amount, length = tonumber(ARGV[2 * i]), ARGV[2 * i + 1] * 1000
    local window, at = math.floor(now / length), now
    local kept = redis.call('HMGET', key, 'w', 'c', 'p')
    local then_, current, previous = tonumber(kept[1]), 0, 0
    if then_ == window + 1 then
        window, at = then_, then_ * length
    end
    if then_ == window then
        current, previous = tonumber(kept[2]), tonumber(kept[3])
    elseif then_ == window - 1 then
        previous = tonumber(kept[2])
    end
    if (current + cost - amount) * length + previous * (length - at % length) > 0 then
        has_room = 0
    end
    counts[i] = {window, current, previous, at, length}
end
local answer = {has_room}
for i, key in ipairs(KEYS) do
    local window, current, previous, at, length = unpack(counts[i])
    if has_room == 1 and cost > 0 then
        current = current + cost
        redis.call('HSET', key, 'w', window, 'c', current, 'p', previous)
        redis.call('PEXPIREAT', key, (window + 2) * length)
    end
    answer[i + 1] = {current, previous, at}
end
return answer
"""


class ValkeyCounter:
    """Counts in the server at a URL. Each event loop has connections of its own."""

    def __init__(self, url: str) -> None:
        """Connect to nothing yet. Raises ConfigError where the extra is not installed, or *url* cannot be used."""
        try:
            from valkey.asyncio import Valkey  # noqa: PLC0415 - only whoever uses it pays for it
        except ImportError:
            raise ConfigError('limits in Valkey need the extra: install "keyfob[valkey]"') from None
        self._make = Valkey.from_url
        self._url = url
        self._client: Valkey | None = None
        self._script: Any = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ask_again_at = 0.0  # by the monotonic clock

    async def take_remotely(self, meters: tuple[Meter, ...], cost: int) -> Outcome:
        """Count *cost* for each of *meters* if all have room; 0 only reads. Raises LimitsUnavailable."""
        now = time.monotonic()
        if now < self._ask_again_at:
            raise LimitsUnavailable("Valkey did not answer a moment ago")
        if self._ask_again_at:
            self._ask_again_at = now + PROBE_EVERY  # one asks; the others do not wait for it
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._call(meters, cost)
        except Exception as error:  # noqa: BLE001 - whatever a client, a network or a server can think of
            self._ask_again_at = time.monotonic() + PROBE_EVERY
            raise LimitsUnavailable(f"Valkey does not answer ({type(error).__name__})") from None
        self._ask_again_at = 0.0
        has_room, *counts = answer
        return Outcome(bool(has_room), tuple(map(_standing, meters, counts)))

    async def disconnect(self) -> None:
        """Close the connections. Counting again makes new ones."""
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()

    async def _call(self, meters: tuple[Meter, ...], cost: int) -> Sequence[Any]:
        loop = asyncio.get_running_loop()
        if self._client is None or self._loop is not loop:
            self._client = self._make(self._url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE)
            self._script, self._loop = self._client.register_script(_SCRIPT), loop
        keys = [f"{_PREFIX}{meter.subject.hex()}:{meter.seconds}" for meter in meters]
        args = [cost, *(number for meter in meters for number in (meter.amount, meter.seconds))]
        answer: Sequence[Any] = await self._script(keys=keys, args=args)
        return answer


def _standing(meter: Meter, counted: Sequence[int]) -> Standing:
    current, previous, at = map(int, counted)
    return Standing(meter, current, previous, at * _MS)
