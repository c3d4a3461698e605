"""Two hosts on one PostgreSQL, each behind a network that delays, drops and breaks, while keys go off and on."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import AsyncExitStack, suppress
from itertools import count
from typing import TYPE_CHECKING, Self

from keyfob.errors import StoreUnavailable
from keyfob.testing import Installation, installation
from tests.end_to_end.server import Server
from tests.history.checker import Event, What
from tests.history.load import Caller
from tests.postgres_server import fresh_database
from tests.tcp_proxy import Network, network_to

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.testing import Issued

HOSTS = 2
_CALLERS = 4  # to each host
_PATIENCE = 5.0  # seconds for every caller to find a key good; a host in trouble is not waited for any longer
_TROUBLED = 1.2  # seconds at most that one trouble lasts
_CALM = 1.5  # seconds at most between two

Admissions = dict[Caller, dict[str, float]]  # by key, when the newest request that was admitted began


class Hosts:
    """Two servers that know nothing of each other but what is in the database."""

    def __init__(self, here: Installation, servers: list[Server], networks: list[Network], bound: float) -> None:
        self.log: list[Event] = []
        self.troubles: dict[str, int] = {}
        self._here = here
        self._servers = servers
        self._networks = networks
        self._bound = bound
        self._numbers = count(1)
        self._rng = random.Random(41)  # noqa: S311 - which key is asked for, and what breaks, is no secret
        self._keys: list[Issued] = []
        self._admitted: Admissions = {}

    @classmethod
    async def serving(cls, stack: AsyncExitStack, folder: Path, *, bound: float) -> Self:
        """Start both, with *bound* (seconds) as max_staleness; *stack* ends them."""
        url = await stack.enter_async_context(fresh_database(empty=True))
        here = await stack.enter_async_context(installation(folder, url=url))
        networks = [await stack.enter_async_context(network_to(url)) for _ in range(HOSTS)]
        servers = []
        for number, network in enumerate(networks):
            log = folder / f"host-{number}.log"
            starting = asyncio.to_thread(_started, here, log, network.url, bound)
            servers.append(await starting)
            stack.callback(servers[-1].kill)
        return cls(here, servers, networks, bound)

    async def revoke(self, revocations: int, *, immediately: int) -> list[Event]:
        """Switch keys off and on until there were so many *revocations*, *at_once* at a time, amid trouble."""
        self._keys = [await self._here.issue("items:read") for _ in range(immediately)]
        callers = [await Caller.connected(server.port) for server in self._servers for _ in range(_CALLERS)]
        self._admitted = {caller: {} for caller in callers}
        left = iter(range(revocations))
        async with asyncio.TaskGroup() as group:
            around = [group.create_task(self._keep_asking(caller)) for caller in callers]
            around += [group.create_task(self._keep_troubling(network)) for network in self._networks]
            switching = [group.create_task(self._keep_switching(issued, left)) for issued in self._keys]
            await asyncio.gather(*switching)
            for task in around:
                task.cancel()
        for caller in callers:
            await caller.close()
        return self.log

    async def _keep_switching(self, issued: Issued, left: object) -> None:
        """Off for longer than the bound, so that a late admission would show; then on until the callers found it."""
        for number in left:  # type: ignore[attr-defined] # one iterator for all
            await self._until_warm(issued)
            await self._switch(issued, number % (HOSTS + 1), What.DISABLE_CALLED, What.DISABLE_RETURNED)
            await asyncio.sleep(self._bound * (1.2 + self._rng.random() / 2))
            await self._switch(issued, number % (HOSTS + 1), What.ENABLE_CALLED, What.ENABLE_RETURNED)

    async def _until_warm(self, issued: Issued) -> None:
        began = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                while any(of.get(issued.record.id, 0.0) < began for of in self._admitted.values()):  # noqa: ASYNC110 - many callers answer
                    await asyncio.sleep(0.01)

    async def _switch(self, issued: Issued, writer: int, called: What, returned: What) -> None:
        """Change the key from here or from within a host, again and again until it is acknowledged."""
        key = issued.record.id
        self.log.append(Event(time.monotonic(), called, key))
        while not await self._switched(issued, writer, is_off=called is What.DISABLE_CALLED):  # noqa: ASYNC110 (a network)
            await asyncio.sleep(0.05)
        self.log.append(Event(time.monotonic(), returned, key))

    async def _switched(self, issued: Issued, writer: int, *, is_off: bool) -> bool:
        if writer == HOSTS:
            try:
                await (self._here.disable if is_off else self._here.enable)(issued)
            except StoreUnavailable:  # a change of a host that was cut off stands before it
                return False
            return True
        target = f"/_/switch/{'off' if is_off else 'on'}/{issued.record.id}"
        return await self._switched_by(self._servers[writer], target)

    async def _switched_by(self, server: Server, target: str) -> bool:
        caller = await Caller.connected(server.port)
        try:
            return (await caller.ask(f"POST {target}"))[0] == 200
        finally:
            await caller.close()

    async def _keep_asking(self, caller: Caller) -> None:
        while True:
            key = self._rng.choice(self._keys)
            number, started = next(self._numbers), time.monotonic()
            status, _ = await caller.ask("GET /items", key.text)
            answered = time.monotonic()
            self.log.append(Event(started, What.REQUEST_STARTED, key.record.id, number))
            self.log.append(Event(answered, What.REQUEST_ANSWERED, key.record.id, number, status, caller.worker))
            if status == 200:
                self._admitted[caller][key.record.id] = started
            await asyncio.sleep(0.002)

    async def _keep_troubling(self, network: Network) -> None:
        """Let one trouble follow the other, with calm in between."""
        while True:
            await asyncio.sleep(self._rng.random() * _CALM)
            what = self._rng.choice(("delay", "cut", "black_hole", "go_down"))
            self.troubles[what] = self.troubles.get(what, 0) + 1
            if what == "delay":
                network.delay = self._rng.uniform(0.02, 0.3)
            else:
                getattr(network, what)()
            await asyncio.sleep(self._rng.random() * _TROUBLED)
            network.delay = 0.0
            network.recover()


def _started(here: Installation, log: Path, url: str, bound: float) -> Server:
    return Server(here, log, http="httptools", store=url, max_staleness=bound)
