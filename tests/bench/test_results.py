from __future__ import annotations

import re

import pytest

from bench.charts import CHARTS, HERE, README, compared, source_of, with_tables
from bench.comparison import README as FRONT_PAGE
from bench.comparison import with_comparison
from bench.fleet import LASTS, Fleet, simulate


def test_no_figure_in_the_readme_was_typed_by_hand() -> None:
    """Every table says what the file of its results says."""
    text = README.read_text(encoding="utf-8")

    assert with_tables(text) == text
    assert 2 <= text.count("|---|")


def test_the_front_page_says_what_was_measured() -> None:
    """Its table of other packages, too, is what the files of results say."""
    text = FRONT_PAGE.read_text(encoding="utf-8")

    assert compared(text) == text


def test_a_row_of_the_front_page_tells_of_the_worst_flood() -> None:
    """The kind of bogus key that hurt most is shown, and the valid requests that all kinds together took."""
    row = {"name": "Starlette, Keyfob", "server": "uvicorn", "wrk": {"rps": 1234.4, "of_bare": 0.9, "p99_ms": 4.26}}
    kinds = [
        {
            "target": "Keyfob, uvicorn",
            "bogus": {"asked": asked},
            "idle": {"p99_ms": 2.0},
            "valid": {"p99_ms": p99},
            "valid_lost": 1,
        }
        for asked, p99 in ((1000.0, 3.0), (1000.0, 5.0), (10_000.0, 9.0))
    ]

    text = with_comparison("<!-- measured -->\n<!-- end -->", {"rows": [row]}, {"rows": kinds})
    assert "| Keyfob, uvicorn | 1,234 | 0.90 | 4.3 | 2.0 → 5.0 | 2 |" in text.splitlines()


@pytest.mark.parametrize("part", re.findall(r"\(results/(\w+)\.svg\)", README.read_text(encoding="utf-8")))
def test_every_chart_was_drawn_from_the_figures_beside_it(part: str) -> None:
    """Each names the very file that its table was written from, and nothing of when and where it was drawn."""
    drawn = (HERE / "results" / f"{part}.svg").read_text(encoding="utf-8")

    assert part in CHARTS
    assert f"<dc:description>{source_of(part)}</dc:description>" in drawn
    assert [] == re.findall(r"<dc:date>|<dc:creator>|file://|/home/|/tmp/", drawn)


def test_the_simulation_repeats_itself() -> None:
    """The same seed gives the same figures, another gives others."""
    first = simulate(Fleet(20))

    assert first == simulate(Fleet(20))
    assert first != simulate(Fleet(20), seed=8)


def test_without_notifications_a_change_waits_for_the_polls() -> None:
    """Every worker polls each half second, so the last of them has read a change by then, and an answer later."""
    load = simulate(Fleet(50, heard=0.0))

    assert load.delays
    assert 0.4 < max(load.delays) < 0.51
    assert 50 * LASTS / 0.503 < load.polls < 50 * LASTS / 0.5


def test_one_poll_answers_notifications_that_come_together() -> None:
    """With notifications a change reaches everybody soon, for at most one more poll of each worker."""
    quiet, heard = simulate(Fleet(50, changes=0.0)), simulate(Fleet(50))

    assert heard.delays
    assert max(heard.delays) < 0.03
    assert quiet.polls < heard.polls < quiet.polls + 50 * 2 * LASTS
