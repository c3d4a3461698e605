from __future__ import annotations

import json

from bench import flood
from bench.effort import Effort

SMALL = Effort(rounds=1, seconds=0.4, is_quick=True)
KINDS = ["random junk", "well-formed", "real id, wrong secret", "dead key, replayed"]


async def test_a_flood_costs_keyfob_neither_reads_nor_hashes() -> None:
    """Every kind of bogus key is refused while the valid requests pass, and its row says what it cost."""
    found = await flood.measure(SMALL, peers=(), rates=(100.0,))

    shown = json.loads(json.dumps(found.as_json()))
    ours = [row for row in shown["rows"] if row["target"] == "Keyfob, uvicorn"]
    assert KINDS == [row["kind"] for row in ours]
    assert [["401"]] * 4 == [list(row["bogus"]["statuses"]) for row in ours]
    assert [(0, 0)] * 4 == [(row["counts"]["argon2_verifications"], row["counts"]["store_reads"]) for row in ours]
    assert [0, 40, 40, 0] == [row["counts"]["refused_by_tag"] for row in ours]
    assert [0] * 5 == [row["valid_lost"] for row in shown["rows"]]
    assert all(kind in found.table() for kind in KINDS)
