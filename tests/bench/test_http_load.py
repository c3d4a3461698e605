from __future__ import annotations

import json
from importlib.util import find_spec

import pytest

from bench import http_load
from bench.drivers.programs import Figures
from bench.effort import Effort
from bench.loads import Loads, Row

SMALL = Effort(rounds=1, seconds=0.2, is_quick=True)


@pytest.mark.parametrize("server", http_load.SERVERS)
async def test_every_application_is_driven(server: str) -> None:
    """Each row has a figure of our own driver, a ratio to its bare application, and a line in the table."""
    if find_spec(server) is None:
        pytest.skip(f"{server} comes with requirements/bench.txt, which is not installed here")
    found = await http_load.measure(SMALL, on=(server,))

    shown = json.loads(json.dumps(found.as_json()))
    assert list(http_load.ROWS) == [row["name"] for row in shown["rows"]]
    assert all(row["our own driver"]["rps"] > 0 for row in shown["rows"])
    assert [1.0, 1.0] == [row["our own driver"]["of_bare"] for row in shown["rows"] if row["name"] == row["bare"]]
    assert all(f"{name}, {server}" in found.table() for name in http_load.ROWS)
    assert shown["quick"]
    assert "/" not in "".join(shown["notes"])


def test_a_ratio_is_taken_round_by_round() -> None:
    """A row is compared with what the bare one did in the same round, so that a slow minute harms neither."""
    bare, row = Row("uvicorn", "bare", "bare"), Row("uvicorn", "guarded", "bare")
    for bare_rps, rps, cpu_us in [(100.0, 90.0, 40.0), (1000.0, 950.0, 50.0), (10.0, 10.0, 100.0)]:
        bare.add("wrk", Figures(bare_rps, 1.0, 2.0, 100, cpu_us=40.0))
        row.add("wrk", Figures(rps, 1.0, 2.0, 100, cpu_us=cpu_us))

    assert (0.95, 0.8) == Loads("title", SMALL, [bare, row], ()).of_bare(row, "wrk")
