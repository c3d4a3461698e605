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
    refused = [row["bogus"]["statuses"] for row in ours]
    assert [["401"]] * 4 == [list(statuses) for statuses in refused]
    assert [(0, 0)] * 4 == [(row["counts"]["argon2_verifications"], row["counts"]["store_reads"]) for row in ours]
    by_tag = [row["counts"]["refused_by_tag"] for row in ours]
    assert (0, 0) == (by_tag[0], by_tag[3])
    for statuses, counted in zip(refused[1:3], by_tag[1:3], strict=True):
        assert 0 < statuses["401"] <= counted <= 40  # on a busy machine fewer are sent
    assert [0] * 5 == [row["valid_lost"] for row in shown["rows"]]
    assert all(kind in found.table() for kind in KINDS)
