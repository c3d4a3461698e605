from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

LIMITS = """
[limits.standard]
rate = "100/min"
[limits.large]
rate = "1000/min"
[plans.enterprise]
limits = ["standard"]
"""


@pytest.fixture
def key_id(home: Home) -> str:
    """A key of an installation with limits."""
    home.configure(lambda text: text + LIMITS)
    return home.make("CI", "--permission", "items:read")[0]


def test_limits_are_shown_and_changed(key_id: str) -> None:
    """Limits of its own, a raise, and back to the plan: each is shown as it is then."""
    steps = [
        ((), ("standard-min", 100)),
        (("--set", "large"), ("large-min", 1000)),
        (("--raise", "2.5", "--for", "2h"), ("large-min", 2500)),
        (("--no-raise", "--plan"), ("standard-min", 100)),
    ]
    for options, expected in steps:
        (shown,) = typed("keys", "limits", key_id, *options, "--json").data["limits"]
        assert expected == (shown["name"], shown["q"])
        assert shown["q"] == shown["remaining"]
    said = typed("keys", "limits", key_id, "--raise", "3")
    assert said.out.splitlines()[1].split()[:4] == ["standard-min", "300", "60", "300"]
    assert said.err.startswith("Raised 3 times until ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--set", "large", "--plan"), "--set and --plan contradict each other"),
        (("--raise", "2", "--no-raise"), "--raise and --no-raise contradict each other"),
        (("--raise", "2", "--for", "soon"), "--for must be"),
        (("--add-quota", "2", "--set-quota", "2"), "--add-quota and --set-quota contradict each other"),
        (("--quota", "many/day"), "--quota must be an amount and a period, such as 10000/month, or plan"),
    ],
)
def test_what_contradicts_itself_is_refused(key_id: str, options: tuple[str, ...], message: str) -> None:
    """A change that cannot be meant is a mistake of usage."""
    said = typed("keys", "limits", key_id, *options)

    assert (2, True) == (said.code, message in said.err)


def test_quotas_are_shown_and_changed(key_id: str) -> None:
    """A quota of its own, more for the present period, and none again: each is shown as it is then."""
    steps = [
        (("--quota", "1000/month"), 1000),
        (("--add-quota", "-200"), 800),
        (("--set-quota", "5000"), 5000),
        (("--quota", "30/day"), 30),
    ]
    for options, expected in steps:
        shown = typed("keys", "limits", key_id, *options, "--json").data["quota"]
        assert (expected, 0) == (shown["amount"], shown["used"])
    said = typed("keys", "limits", key_id)
    assert ["quota-day", "30", "86400", "30"] == said.out.splitlines()[2].split()[:4]

    assert typed("keys", "limits", key_id, "--quota", "plan", "--json").data["quota"] is None
    refused = typed("keys", "limits", key_id, "--add-quota", "1")
    assert (5, True) == (refused.code, "has a quota" in refused.err)
