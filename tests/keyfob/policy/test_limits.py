from __future__ import annotations

import re
from typing import Any, cast

import pytest

from keyfob.errors import ConfigError
from keyfob.policy.catalogue import build_catalogue
from keyfob.policy.limits import MOST, Limit, PlanLimits, Rate, read_limits
from keyfob.rules.compiler import compile_rules

LIMITS = {"standard": {"rate": ["100/min", "5000/day"]}, "heavy": {"rate": "10/min"}}

WRONG = [
    ([], "[limits] must hold tables"),
    ({"Heavy": {"rate": "1/s"}}, "[limits.Heavy] is not a name for a limit"),
    ({"heavy": "10/min"}, "[limits.heavy] must be a table with a rate"),
    ({"heavy": {"rate": "10/min", "rates": "1/s"}}, "[limits.heavy] rates is not a setting; did you mean rate?"),
    ({"heavy": {}}, "[limits.heavy] needs a rate"),
    ({"heavy": {"rate": []}}, "[limits.heavy] needs a rate"),
    ({"heavy": {"rate": 10}}, "[limits.heavy] needs a rate"),
    ({"heavy": {"rate": "10 per minute"}}, "rate '10 per minute' cannot be read"),
    ({"heavy": {"rate": ["10/min", 5]}}, "rate 5 cannot be read"),
    ({"heavy": {"rate": "10/month"}}, "the unit must be one of s, min, h, day"),
    ({"heavy": {"rate": "0/min"}}, "the amount must be from 1 to"),
    ({"heavy": {"rate": f"{MOST + 1}/day"}}, "the amount must be from 1 to"),
    ({"heavy": {"rate": ["10/min", "20/min"]}}, "two amounts for one unit"),
]
WRONG_PLANS = [
    ({"free": {"limits": "standard"}}, '[plans.free] limits must be a list of limits, for example ["standard"]'),
    ({"free": {"limits": ["standart"]}}, "[plans.free] limits: there is no [limits.standart]; did you mean standard?"),
    ({"free": {"team_limits": ["x"]}}, "[plans.free] team_limits: there is no [limits.x]"),
    ({"free": {"limit": ["standard"]}}, "[plans.free] limit is not a setting; did you mean limits?"),
]
WRONG_RULES = [
    ({"permission": "a:b", "limit": "heavi"}, "there is no [limits.heavi]; did you mean heavy?"),
    ({"permission": "a:b", "limit": 5}, "limit must be a list of texts"),
    ({"permission": "a:b", "cost": 0}, "cost must be a whole number from 1 to"),
    ({"permission": "a:b", "cost": True}, "cost must be a whole number from 1 to"),
    ({"permission": "a:b", "limit": "heavy", "cost": 11}, "cost is more than [limits.heavy] ever lets pass"),
    ({"public": True, "limit": "heavy"}, "a public rule can need nothing: take out public, or limit"),
]


def test_a_limit_has_one_rate_or_several() -> None:
    """A rate is a text, or a list of texts, each with an amount and a unit."""
    assert {
        "standard": Limit("standard", (Rate(100, "min"), Rate(5000, "day"))),
        "heavy": Limit("heavy", (Rate(10, "min"),)),
    } == read_limits(LIMITS)


@pytest.mark.parametrize(("unit", "seconds"), [("s", 1), ("min", 60), ("h", 3600), ("day", 86_400)])
def test_a_unit_is_a_length_of_time(unit: str, seconds: int) -> None:
    """Windows last as long as their unit says."""
    assert seconds == Rate(1, unit).seconds


@pytest.mark.parametrize(("raw", "message"), WRONG)
def test_a_wrong_limit_is_named_with_the_fix(raw: object, message: str) -> None:
    """A limit that cannot be meant is refused at start."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_limits(raw)


def test_a_plan_names_limits_for_each_key_and_for_the_team() -> None:
    """What a plan sets is known by its name, each limit once; admin keys have no limits."""
    plans = {"free": {"limits": ["standard", "standard"], "team_limits": ["heavy"]}}
    catalogue = build_catalogue(limits=LIMITS, plans=plans)

    assert PlanLimits(("standard",), ("heavy",)) == catalogue.limits_of("free", "api")
    assert [None, None] == [catalogue.limits_of("free", "admin"), catalogue.limits_of("enterprise", "api")]


def test_a_plan_with_limits_alone_keeps_the_types_of_its_default() -> None:
    """Where a plan says nothing of types, it includes those of the default of its name, or of enterprise."""
    plans = {"free": {"limits": ["heavy"]}, "teams": {"limits": ["heavy"]}}
    catalogue = build_catalogue(limits=LIMITS, plans=plans)

    assert {"api", "computer", "scim"} == catalogue.plans["free"]
    assert {"computer"} == catalogue.plans["teams"]


@pytest.mark.parametrize(("plans", "message"), WRONG_PLANS)
def test_a_plan_that_names_no_limit_is_refused(plans: dict[str, object], message: str) -> None:
    """A plan cannot name a limit that there is not."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_catalogue(limits=LIMITS, plans=plans)


def test_a_rule_names_limits_and_what_it_costs() -> None:
    """A rule adds limits to those of the key, and says what a request counts."""
    raw: dict[str, object] = {
        "POST /render": {"permission": "a:b", "limit": "heavy", "cost": 5},
        "GET /both": {"permission": "a:b", "limit": ["heavy", "standard"]},
        "GET /plain": "a:b",
    }
    rules = compile_rules(raw, known=None, key_types=("api",), limits=read_limits(LIMITS)).rules

    assert [(("heavy",), 5), (("heavy", "standard"), 1), ((), 1)] == [(rule.limits, rule.cost) for rule in rules]


def test_rules_that_count_together_have_the_limits_of_both() -> None:
    """A request that two overlapping rules match is counted for the limits of both, at the higher cost."""
    raw: dict[str, object] = {
        "GET /{kind}/new": {"permission": "a:b", "limit": "heavy"},
        "GET /items/{id}": {"permission": "a:b", "limit": "standard", "cost": 3},
    }
    table = compile_rules(raw, known=None, key_types=("api",), limits=read_limits(LIMITS))
    match = table.match("GET", "/items/new")

    assert match is not None
    assert (("heavy", "standard"), 3) == (match.rule.limits, match.rule.cost)


@pytest.mark.parametrize(("needs", "message"), WRONG_RULES)
def test_a_rule_that_cannot_be_kept_is_refused(needs: object, message: str) -> None:
    """A rule's limits exist, and its cost fits into them."""
    raw = cast("dict[str, Any]", {"GET /x": needs})
    with pytest.raises(ConfigError, match=re.escape(message)):
        compile_rules(raw, known=None, key_types=("api",), limits=read_limits(LIMITS))
