from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import pytest

from keyfob.testing import installation
from tests.end_to_end.server import Server
from tests.history.checker import ADMITTED, REFUSED, understand
from tests.history.hosts import HOSTS, Hosts
from tests.history.load import Load

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("KEYFOB_TEST_ROUNDS", "150"))
ROUNDS_AMID_TROUBLE = int(os.environ.get("KEYFOB_TEST_ROUNDS", "48"))  # each takes longer than the bound
WORKERS = 4


@pytest.mark.timeout(240 + 2 * ROUNDS)
async def test_mw_01_a_history_of_revocations_under_load_holds_no_violation(tmp_path: Path) -> None:
    """No worker admits a request that began after the disabling returned, nor refuses one after the enabling did."""
    async with installation(tmp_path) as here:
        server = Server(here, tmp_path / "server.log", http="httptools", workers=WORKERS)
        try:
            history = understand(await Load(here, server.port, WORKERS).revoke(ROUNDS))
        finally:
            server.stop()

    assert [] == history.violations(bound=0.0)
    assert ROUNDS == len(history.revocations)
    assert {ADMITTED, REFUSED} == {request.status for request in history.requests}
    assert WORKERS == len({request.worker for request in history.requests if request.status == REFUSED})


@pytest.mark.timeout(240 + 2 * ROUNDS_AMID_TROUBLE)
async def test_mw_02_a_history_of_two_hosts_amid_trouble_holds_no_violation(tmp_path: Path) -> None:
    """Whatever the network does: no host admits a request that began max_staleness after the disabling returned."""
    bound = 0.5
    async with AsyncExitStack() as stack:
        hosts = await Hosts.serving(stack, tmp_path, bound=bound)
        history = understand(await hosts.revoke(ROUNDS_AMID_TROUBLE, immediately=16))

    assert [] == history.violations(bound=bound)
    assert ROUNDS_AMID_TROUBLE == len(history.revocations)
    assert {ADMITTED, REFUSED} <= {request.status for request in history.requests} <= {ADMITTED, REFUSED, 503}
    assert HOSTS == len({request.worker for request in history.requests if request.status == REFUSED})
    assert {"delay", "cut", "black_hole", "go_down"} >= set(hosts.troubles) != set()
    print(f"{len(history.revocations)} revocations, {len(history.requests)} requests, troubles {hosts.troubles}")  # noqa: T201
