from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob_admin.cli.times import from_now, read_moment
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

NOON = datetime(2026, 11, 29, 12, tzinfo=UTC)
READ = ("--permission", "items:read")

MEANS = [
    ("45s", "2026-11-29T12:00:45"),
    ("1min", "2026-11-29T12:01:00"),
    ("12H", "2026-11-30T00:00:00"),
    ("90d", "2027-02-27T12:00:00"),
    ("2w", "2026-12-13T12:00:00"),
    ("1mo", "2026-12-29T12:00:00"),
    ("3MO", "2027-02-28T12:00:00"),  # February has no 29th here
    ("14mo", "2028-01-29T12:00:00"),
    ("2027-01-01", "2027-01-01T00:00:00"),
    (" 2027-01-01T12:00:00+01:00 ", "2027-01-01T11:00:00"),
]
AMBIGUOUS = ["1M", "1m", "30m", "6M", " 3M "]


@pytest.mark.parametrize(("text", "means"), MEANS)
def test_ff_33_times_mean_what_they_say(text: str, means: str) -> None:
    """Units are seconds, minutes, hours, days, weeks and calendar months; a date is its midnight in UTC."""
    assert means + "+00:00" == read_moment(text, at=NOON).isoformat()


def test_ff_33_a_month_back_is_the_same_day() -> None:
    """Counting into the past crosses years, too."""
    assert datetime(2025, 12, 29, 12, tzinfo=UTC) == read_moment("11mo", at=NOON, back=True)


@pytest.mark.parametrize("text", AMBIGUOUS)
@pytest.mark.parametrize("option", ["create --expires", "duplicate --expires", "list --unused"])
def test_ff_33_what_could_be_minutes_or_months_is_refused(home: Home, text: str, option: str) -> None:
    """No option guesses what m or M means: it says how to write either."""
    key_id, _ = home.make("original", *READ)
    verb, flag = option.split()
    refused = typed("keys", verb, *{"create": ["ci"], "duplicate": [key_id], "list": []}[verb], flag, text)
    count = text.strip()[:-1]

    assert (2, "") == (refused.code, refused.out)
    assert f"write {count}min or {count}mo" in refused.err


@pytest.mark.parametrize(
    ("arguments", "end"),
    [
        (["create", "ci", *READ, "--expires", "2099-01-31"], "2099-01-31T00:00:00Z"),
        (["create", "ci", *READ, "--expires", "90d"], "in 90 days"),
        (["create", "ci", *READ, "--expires", "36h"], "in 36 hours"),
        (["create", "ci", *READ], "It never expires."),
        (["duplicate", "{id}", "--expires", "2099-01-31"], "2099-01-31T00:00:00Z"),
        (["duplicate", "{id}"], "It never expires."),
    ],
)
def test_ff_33_every_new_key_names_its_end(home: Home, arguments: list[str], end: str) -> None:
    """Whoever makes a key is told when it expires, or that it never does."""
    key_id, _ = home.make("original", *READ)
    made = typed("keys", *(argument.format(id=key_id) for argument in arguments))

    assert 0 == made.code
    assert end in made.err


def test_ends_are_written_in_the_largest_unit_that_fits() -> None:
    """Below two of a unit the next smaller one is used."""
    assert ["in 90 seconds", "in 2 minutes", "in 47 hours", "in 2 days"] == [
        from_now(read_moment(text, at=NOON), at=NOON) for text in ("90s", "120s", "47h", "48h")
    ]
