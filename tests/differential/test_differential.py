from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from tests.differential.applications import FRAMEWORKS
from tests.differential.drive import run
from tests.differential.installed import installed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SEED, REQUESTS = 20_286, 10_000


@pytest.fixture(autouse=True)
def levels() -> Iterator[None]:
    """What the frameworks say of ten thousand odd requests is for nobody, and the levels come back."""
    names = ("keyfob", "django.request", "blacksheep.server", "")
    before = {name: logging.getLogger(name).level for name in names}
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.cases("FF-01", "FF-05", "FF-15", "FF-16", "FF-67", "FF-70")
async def test_no_handler_runs_without_what_the_rules_demand_for_it(tmp_path: Path) -> None:
    """Whatever the framework, the rules, the prefix and the request, the gate gives no more than the router."""
    async with installed(tmp_path) as (runtime, holders):
        findings = await run(runtime, holders, seed=SEED, requests=REQUESTS)

    assert [] == findings.wrong
    assert REQUESTS <= sum(findings.counts[framework.name] for framework in FRAMEWORKS)
    assert findings.counts["ran"] > REQUESTS / 20  # enough of them get through to mean something
