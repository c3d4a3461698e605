from __future__ import annotations

from bench import create


async def test_a_key_is_made_in_each_round() -> None:
    """The hash alone and the whole key are measured by turns, and a key costs its hash at least."""
    measured = await create.measure(2)

    assert [2, 2, 2] == [len(figures) for figures in measured.rounds.values()]
    assert 0 < measured.over_baseline(measured.beside)
    assert "create a key" in measured.table()
