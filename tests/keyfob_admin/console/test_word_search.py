"""Several words in any order find a key, in all that describes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.console.key_lists import fill, names_on

if TYPE_CHECKING:
    from tests.keyfob_admin.console.conftest import LiveConsole, Visitor


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("production billing", ["billing-worker, production"]),
        ("billing PRODUCTION", ["billing-worker, production"]),
        ("billing night", ["billing-worker, production"]),
        ("billing globex-0417", ["billing-worker, staging"]),
        ("globex-0417", ["billing-worker, staging"]),
        ("night invoices", ["nightly-exporter", "billing-worker, production"]),
        ("invoices", ["nightly-exporter", "billing-worker, production"]),
        ("billing nothing", []),
    ],
)
def test_words_are_found_in_any_order(visitor: Visitor, live: LiveConsole, text: str, found: list[str]) -> None:
    """Every word must be somewhere in what names or describes the key, in any case."""
    live.make("billing-worker, production", description="Sends invoices at night")
    live.make("billing-worker, staging", external_id="globex-0417")
    live.make("nightly-exporter", description="invoices")
    assert found == names_on(visitor.get("/keys", params={"q": text}).text)


def test_one_of_the_words_may_be_everywhere(visitor: Visitor, live: LiveConsole) -> None:
    """A word that every key has narrows nothing; filters and pages hold as in any list."""
    fill(live, 60)
    assert ["key 007"] == names_on(visitor.get("/keys?q=007+key").text)
    page = visitor.get("/keys?q=0+key&state=active").text
    assert "Showing 1–50 of 60" in page
    assert not names_on(visitor.get("/keys?q=007+key&state=disabled").text)
