from __future__ import annotations

import os
from typing import TYPE_CHECKING

from keyfob.testing import installation
from tests.history.checker import ADMITTED, REFUSED, understand
from tests.history.load import Load
from tests.wire.server import Server

if TYPE_CHECKING:
    from pathlib import Path

ROUNDS = int(os.environ.get("KEYFOB_TEST_ROUNDS", "150"))
WORKERS = 4


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
