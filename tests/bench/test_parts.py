from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import cold, limits, lists, scale, usage
from bench.limited_apps import RIVALS

if TYPE_CHECKING:
    from bench.figures import Figures


def shape(figures: Figures) -> set[int]:
    """How many figures each row has."""
    assert figures.table()
    return {len(row) for row in figures.rows.values()}


@pytest.mark.timeout(300)
async def test_scale_measures_both_engines() -> None:
    """Every row has a figure for each size on each engine."""
    figures = await scale.measure((1_200,))

    assert {2} == shape(figures)
    assert ["SQLite 1,200", "PostgreSQL 1,200"] == figures.columns


@pytest.mark.timeout(300)
async def test_lists_measure_every_filter_on_both_engines() -> None:
    """A page, the slowest order, the processor time of that and the total, on each engine."""
    figures = await lists.measure(1_000)

    assert {2 * len(lists.COLUMNS)} == shape(figures)


async def test_usage_writes_a_key_once_an_interval() -> None:
    """However many requests there were, what is written are the keys that were used."""
    figures = await usage.measure((1, 50))

    assert [1, 50, 1, 50] == figures.rows["keys written for each second of load"]


async def test_a_restart_with_digests_needs_no_argon2() -> None:
    """With stored digests none is computed; without, at least one for each key."""
    figures = await cold.measure(200, 5)

    with_digests, without = figures.rows["Argon2id computed"]
    assert 0 == with_digests
    assert without is not None
    assert without >= 5


@pytest.mark.timeout(300)
async def test_limits_hold_over_four_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keyfob admits what is allowed and no more; a package that is not there is named, and not measured."""
    monkeypatch.setenv("BENCH_QUICK", "1")
    figures = await limits.measure(20)

    assert {len(figures.columns)} == shape(figures)
    assert limits.KEYFOB == figures.columns[0]
    assert limits.ALLOWED == figures.rows["admitted"][0]
    absent = [note.split()[0] for note in figures.notes if "not installed" in note]
    assert [rival.package for rival in RIVALS] == [*figures.columns[1:], *absent] or absent
