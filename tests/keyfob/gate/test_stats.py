"""What the middleware tells whoever runs it: counts, and lines in the log."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.gate.stats import Stats
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_counts_are_attributes_and_a_mapping() -> None:
    """Stats can be read either way, and shown."""
    stats = Stats()
    stats.admitted += 2

    assert (2, 2, 8) == (stats.admitted, stats["admitted"], len(stats))
    assert {"admitted": 2} == {name: count for name, count in stats.items() if count}
    assert "admitted=2, denied=0" in repr(stats)
    with pytest.raises(KeyError):
        stats["nothing"]


async def test_nothing_secret_is_logged(here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG, a refusal is one escaped line that holds no key (CP-14, SE-01)."""
    caplog.set_level(logging.DEBUG)
    issued = await here.issue("items:read", disabled_at=NOON)

    await ask(guard(), "/items", issued.headers)
    await ask(guard(), "/it\x1bems\nfaked line", issued.headers)

    lines = [record.getMessage() for record in caplog.records if record.name == "keyfob"]
    assert [f"refused 401 disabled: GET '/items' from 203.0.113.9, key {issued.record.id}"] == lines[:1]
    assert "\\x1b" in lines[1]
    assert "\n" not in lines[1]
    assert issued.text not in caplog.text
