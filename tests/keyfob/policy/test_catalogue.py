from __future__ import annotations

import re

import pytest

from keyfob.errors import ConfigError
from keyfob.policy.catalogue import Catalogue, build_catalogue
from keyfob.policy.permissions import ADMIN_PERMISSIONS

ITEMS = {"items:read": "Read items", "items:write": "Write items"}

GRANTABLE = [
    ("api", "items:read"),
    ("api", "items:*"),
    ("api", "*"),
    ("admin", "items:read"),
    ("admin", "items:*"),
    ("admin", "keys:write"),
    ("admin", "keys:*"),
    ("admin", "*"),
    ("computer", "computers:enroll"),
    ("scim", "scim:provision"),
]
NOT_GRANTABLE = [
    ("api", "items:delete"),
    ("api", "item:*"),
    ("api", "items:read:*"),
    ("api", "keys:read"),
    ("api", "keys:*"),
    ("api", "scim:provision"),
    ("api", "scim:*"),
    ("api", "computers:enroll"),
    ("admin", "scim:provision"),
    ("admin", "nothing:*"),
    ("computer", "items:read"),
    ("computer", "computers:*"),
    ("scim", "*"),
]
WRONG = [
    ({"permissions": {"items": "Items"}}, '[permissions] "items" is not a permission'),
    ({"permissions": {"items:*": "Items"}}, '[permissions] "items:*" is not a permission'),
    ({"permissions": {"items:read": ""}}, '[permissions] "items:read" must be a label'),
    ({"permissions": {"items:read": 1}}, '[permissions] "items:read" must be a label'),
    ({"permissions": {"items:read": "a\u202eb"}}, '[permissions] "items:read" must be a label'),
    ({"permissions": {1: "One"}}, "[permissions] has an entry that is not named by a text: 1"),
    ({"permissions": "items:read"}, "[permissions] must be a list of texts"),
    ({"permissions": ["items:read", 1]}, "[permissions] must be a list of texts"),
    ({"permissions": {"keys:read": "Read"}}, '[permissions] "keys:read" is a permission of Keyfob\'s own admin API'),
    ({"key_types": {"Laptop": {}}}, "[key_types.Laptop] is not a name for a key type"),
    ({"key_types": {"x": {}}}, "[key_types.x] is not a name for a key type"),
    ({"key_types": {"a" * 17: {}}}, "is not a name for a key type"),
    ({"key_types": {"robot": "Robot"}}, "[key_types.robot] must be a table"),
    ({"key_types": {"robot": {"lable": "Robot"}}}, "[key_types.robot] lable is not a setting; did you mean label?"),
    ({"key_types": {"robot": {"per_team": 0}}}, "[key_types.robot] per_team must be a whole number from 1 to"),
    ({"key_types": {"robot": {"per_team": True}}}, "[key_types.robot] per_team must be a whole number from 1 to"),
    ({"key_types": {"robot": {"expiry": "never"}}}, '[key_types.robot] expiry must be "optional" or "required"'),
    ({"key_types": {"robot": {"ip_allow": True}}}, '[key_types.robot] ip_allow must be "optional" or "required"'),
    (
        {"key_types": {"robot": {"max_lifetime": "90"}}},
        "[key_types.robot] max_lifetime must be a whole number and one of",
    ),
    (
        {"key_types": {"robot": {"max_lifetime": 90}}},
        "[key_types.robot] max_lifetime must be a whole number and one of",
    ),
    ({"key_types": {"robot": {"max_lifetime": "0s"}}}, "[key_types.robot] max_lifetime must be longer than 0s"),
    ({"key_types": {"robot": {"max_lifetime": "999999999w"}}}, "[key_types.robot] max_lifetime is too long"),
    (
        {"key_types": {"robot": {"default_lifetime": "2d", "max_lifetime": "24h"}}},
        "[key_types.robot] default_lifetime is longer than max_lifetime",
    ),
    ({"key_types": {"admin": {"max_lifetime": "90d"}}}, "[key_types.admin] can change only its label"),
    ({"key_types": {"robot": {"permissions": "a:b"}}}, "[key_types.robot] permissions must be a list of texts"),
    ({"key_types": {"robot": {"permissions": ["a:*"]}}}, '[key_types.robot] permissions: "a:*" is not a permission'),
    ({"key_types": {"robot": {"permissions": ["keys:read"]}}}, '"keys:read" belongs to admin keys'),
    ({"key_types": {"admin": {"per_team": 1}}}, "[key_types.admin] can change only its label; remove per_team"),
    ({"plans": {"Free plan": ["api"]}}, "[plans.Free plan] is not a name for a plan"),
    ({"plans": {"free": {}}}, "[plans.free] needs key_types"),
    ({"plans": {"free": {"types": []}}}, "[plans.free] types is not a setting; did you mean key_types?"),
    ({"plans": {"free": "api"}}, "[plans.free] key_types must be a list of texts"),
    ({"plans": {"free": ["apy"]}}, '[plans.free] key_types: there is no key type "apy"; did you mean api?'),
    ({"plans": ["free"]}, "[plans] must be a table"),
]


@pytest.fixture
def catalogue() -> Catalogue:
    return build_catalogue(permissions=ITEMS)


def test_the_default_key_types_are_the_documented_ones(catalogue: Catalogue) -> None:
    """Label, how many per team, and permissions are those of the reference."""
    types = catalogue.key_types.values()

    assert [
        ("api", "Public API key", None, None),
        ("computer", "Team computer key", 1, ("computers:enroll",)),
        ("scim", "SCIM key", 1, ("scim:provision",)),
        ("admin", "Admin key", None, None),
    ] == [(key_type.name, key_type.label, key_type.per_team, key_type.permissions) for key_type in types]


def test_the_default_plans_are_the_documented_ones(catalogue: Catalogue) -> None:
    """Enterprise holds all but what is Keyfob's own, teams only computers."""
    assert {"enterprise": {"api", "computer", "scim"}, "teams": {"computer"}} == dict(catalogue.plans)


@pytest.mark.parametrize(("key_type", "grant"), GRANTABLE)
def test_what_a_type_may_hold(catalogue: Catalogue, key_type: str, grant: str) -> None:
    """The catalogue, wildcards that match something in it, and for admin keys the admin permissions too."""
    assert [] == catalogue.check_grants(key_type, [grant])


@pytest.mark.parametrize(("key_type", "grant"), NOT_GRANTABLE)
def test_what_a_type_may_not_hold(catalogue: Catalogue, key_type: str, grant: str) -> None:
    """Unknown, fixed and admin permissions are not on offer, nor are wildcards that match nothing."""
    assert [grant] == catalogue.check_grants(key_type, [grant])


def test_grants_that_cannot_be_held_are_listed_in_order(catalogue: Catalogue) -> None:
    """The caller can point at each wrong entry."""
    assert ["b:b", "a:a"] == catalogue.check_grants("api", ["b:b", "items:read", "a:a"])


def test_what_is_offered_for_each_type(catalogue: Catalogue) -> None:
    """People choose from the catalogue; admin keys may also hold what the admin API asks for."""
    assert ("items:read", "items:write") == catalogue.grantable("api")
    assert (*ADMIN_PERMISSIONS, "items:read", "items:write") == catalogue.grantable("admin")
    assert ("scim:provision",) == catalogue.grantable("scim")


def test_rules_know_fixed_and_admin_permissions_too(catalogue: Catalogue) -> None:
    """A rule may ask for what nobody can choose."""
    assert {*ITEMS, "computers:enroll", "scim:provision", *ADMIN_PERMISSIONS} == catalogue.known_to_rules()


def test_without_permissions_the_catalogue_is_what_rules_name() -> None:
    """Fixed and admin permissions are left out, because nobody may choose them."""
    catalogue = build_catalogue(rules_named=("items:read", "scim:provision", "keys:read", "items:read"))

    assert {"items:read": "items:read"} == dict(catalogue.permissions)


def test_an_empty_catalogue_is_not_filled_from_the_rules() -> None:
    """Who writes an empty list of permissions means it."""
    assert {} == dict(build_catalogue(permissions={}, rules_named=("items:read",)).permissions)


def test_a_list_of_permissions_is_its_own_labels() -> None:
    """In code a list of names is enough."""
    assert {"items:read": "items:read"} == dict(build_catalogue(permissions=["items:read"]).permissions)


def test_a_fixed_permission_in_the_catalogue_stays_fixed() -> None:
    """To name it is no mistake, since a rule may ask for it, but it is offered to nobody."""
    catalogue = build_catalogue(permissions={**ITEMS, "scim:provision": "Provision"})

    assert ITEMS == dict(catalogue.permissions)
    assert "scim:provision" in catalogue.known_to_rules()


def test_a_key_type_changes_only_what_it_says() -> None:
    """An entry of a default's name is laid over it."""
    computer = build_catalogue(key_types={"computer": {"label": "Laptop key"}}).key_types["computer"]

    assert ("Laptop key", 1, ("computers:enroll",)) == (computer.label, computer.per_team, computer.permissions)


def test_a_defaults_limits_can_be_lifted() -> None:
    """The words "many" and "chosen" say what cannot be said by leaving something out."""
    raw = {"computer": {"per_team": "many", "permissions": "chosen"}}

    computer = build_catalogue(key_types=raw).key_types["computer"]

    assert (None, None, False) == (computer.per_team, computer.permissions, computer.is_fixed)


def test_a_new_key_type_needs_only_a_name() -> None:
    """Without more it is labelled by its name, has many per team, and its permissions are chosen."""
    robot = build_catalogue(key_types={"robot": {}}).key_types["robot"]

    assert ("robot", None, None) == (robot.label, robot.per_team, robot.permissions)


def test_fixed_permissions_are_sorted_without_repeats() -> None:
    """They compare equal to what a key's row holds."""
    raw = {"robot": {"label": "Robot key", "per_team": 1, "permissions": ["b:b", "a:a", "b:b"]}}

    assert ("a:a", "b:b") == build_catalogue(key_types=raw).key_types["robot"].permissions


def test_plans_are_merged_by_name() -> None:
    """A configured plan joins the defaults, or takes the place of one."""
    plans = build_catalogue(plans={"free": ["api"], "teams": {"key_types": ["api", "admin"]}}).plans

    assert {"enterprise": {"api", "computer", "scim"}, "teams": {"api"}, "free": {"api"}} == dict(plans)


def test_a_plan_suspends_the_types_it_lacks(catalogue: Catalogue) -> None:
    """Lowering a plan refuses what it no longer holds."""
    assert (True, False) == (catalogue.suspends("teams", "api"), catalogue.suspends("teams", "computer"))
    assert {"enterprise": (), "teams": ("api", "scim")} == catalogue.suspended_types()


def test_an_unknown_plan_suspends_everything_but_admin_keys(catalogue: Catalogue) -> None:
    """A plan that configuration no longer knows opens nothing, and locks no administrator out."""
    assert {"api": True, "computer": True, "scim": True, "admin": False} == {
        name: catalogue.suspends("gone", name) for name in catalogue.key_types
    }


def test_a_plan_allows_only_types_that_exist(catalogue: Catalogue) -> None:
    """Admin keys can be made under every plan, unknown types under none."""
    assert [True, False, True, False] == [
        catalogue.allows("teams", name) for name in ("computer", "api", "admin", "robot")
    ]


@pytest.mark.parametrize(("raw", "message"), WRONG)
def test_what_is_wrong_is_named_with_the_fix(raw: dict[str, object], message: str) -> None:
    """A catalogue that cannot work is refused at start, with the entry's name."""
    with pytest.raises(ConfigError, match=re.escape(message)):
        build_catalogue(permissions=raw.get("permissions"), key_types=raw.get("key_types"), plans=raw.get("plans"))
