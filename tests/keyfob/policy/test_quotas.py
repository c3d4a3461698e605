from __future__ import annotations

import re

import pytest

from keyfob.errors import ConfigError
from keyfob.keys.quota import MOST, Every, Quota
from keyfob.policy.catalogue import build_catalogue
from keyfob.policy.limits import PlanLimits

EXAMPLE = 'for example { amount = 10000, every = "month" }'
WRONG = [
    (5, f"quota must be a table with amount and every, {EXAMPLE}"),
    ({"amount": 5}, f"quota needs every, {EXAMPLE}"),
    ({"every": "day"}, f"quota needs amount, {EXAMPLE}"),
    ({"amount": 5, "evry": "day"}, "quota evry is not a setting; did you mean every?"),
    ({"amount": 0, "every": "day"}, f"quota amount must be a whole number from 1 to {MOST:,}"),
    ({"amount": MOST + 1, "every": "day"}, "quota amount must be a whole number"),
    ({"amount": True, "every": "day"}, "quota amount must be a whole number"),
    ({"amount": "5", "every": "day"}, "quota amount must be a whole number"),
    ({"amount": 5, "every": "week"}, 'quota every must be "month" or "day"'),
    ({"amount": 5, "every": []}, 'quota every must be "month" or "day"'),
]


@pytest.mark.parametrize("field", ["quota", "team_quota"])
@pytest.mark.parametrize(("raw", "message"), WRONG)
def test_a_wrong_quota_is_named_with_the_fix(field: str, raw: object, message: str) -> None:
    """A quota that cannot be meant is refused at start, under the name of its plan."""
    where = "[plans.free] " if field == "quota" else "[plans.free] team_"
    with pytest.raises(ConfigError, match=re.escape(where + message)):
        build_catalogue(plans={"free": {field: raw}})


def test_a_plan_has_a_quota_for_each_key_and_one_for_the_team() -> None:
    """Both are known by the plan's name, and admin keys have neither."""
    plans = {"free": {"quota": {"amount": 5, "every": "day"}, "team_quota": {"amount": MOST, "every": "month"}}}
    catalogue = build_catalogue(plans=plans)

    assert PlanLimits((), (), Quota(5, Every.DAY), Quota(MOST, Every.MONTH)) == catalogue.limits_of("free", "api")
    assert catalogue.limits_of("free", "admin") is None
    assert {"api", "computer", "scim"} == catalogue.plans["free"]
