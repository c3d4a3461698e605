from __future__ import annotations

from typing import cast

import pytest

from keyfob.errors import ConfigError
from keyfob.rules.compiler import Rule, compile_rules, permissions_named

CATALOGUE = ("items:read", "items:write", "reports:read", "admin:read", "scim:provision", "members:read")
KEY_TYPES = ("api", "computer", "scim", "admin")


def compiled(text: str, needs: object) -> Rule:
    return compile_rules({text: needs}, known=CATALOGUE, key_types=KEY_TYPES).rules[0]


def complaint(raw: object) -> str:
    """What is said against the rules at start."""
    with pytest.raises(ConfigError) as caught:
        compile_rules(cast("dict[str, object]", raw), known=CATALOGUE, key_types=KEY_TYPES)
    return str(caught.value)


def test_every_form_of_a_rule_is_read() -> None:
    """A permission, a list, and a mapping say what they say in the documentation."""
    assert ("items:read",) == compiled("GET /items", "items:read").all_of
    assert ("items:read", "items:write") == compiled("/items/{id}", ["items:read", "items:write"]).all_of
    assert ("items:write",) == compiled("/x", {"all_of": ("items:write", "items:write")}).all_of
    assert ("reports:read", "admin:read") == compiled("/r", {"any_of": ["reports:read", "admin:read"]}).any_of
    assert () == compiled("/any", []).needed
    assert compiled("/docs/{path:path}", {"public": True}).public
    assert not compiled("/docs/{path:path}", {"public": False, "permission": "items:read"}).public


def test_what_is_needed_is_listed_in_order() -> None:
    """The challenge lists permissions as the rule does."""
    rule = compiled("/x", {"any_of": ["reports:read", "admin:read"], "permission": "items:write"})

    assert ("items:write", "reports:read", "admin:read") == rule.needed


def test_only_api_keys_pass_unless_types_are_named() -> None:
    """key_types is api where a rule does not say otherwise, and only what it says where it does."""
    assert frozenset({"api"}) == compiled("/x", "items:read").key_types
    assert frozenset({"api"}) == compiled("/x", []).key_types
    assert frozenset({"api"}) == compiled("/x", {"permission": "items:read"}).key_types
    assert frozenset({"scim"}) == compiled("/x", {"permission": "scim:provision", "key_types": ["scim"]}).key_types
    assert frozenset() == compiled("/x", {"public": True}).key_types


def test_a_rule_can_be_bound_to_a_team() -> None:
    """The team is named by a parameter of the path."""
    assert "team" == compiled("GET /v1/{team}/m", {"permission": "members:read", "team": "{team}"}).team_parameter
    assert "t" == compiled("/v1/{t}", {"team": "{t}"}).team_parameter
    assert None is compiled("/v1/{team}", "members:read").team_parameter


def test_methods_are_read() -> None:
    """One method, several, WebSocket, or none for all of them."""
    assert frozenset({"GET"}) == compiled("GET /items", []).methods
    assert frozenset({"GET", "POST", "WS"}) == compiled("GET,POST,WS /items", []).methods
    assert frozenset({"GET"}) == compiled("GET   /items", []).methods
    assert frozenset({"GET"}) == compiled(" GET\t/items ", []).methods
    assert frozenset() == compiled("/items", []).methods


def test_blanks_around_a_path_are_none_of_it() -> None:
    """They are seen by nobody, and such a rule would match nothing."""
    assert compiled("/items", []).template == compiled(" /items ", []).template == compiled("GET /items ", []).template


def test_permissions_named_are_listed_once_each() -> None:
    """Without a catalogue, what the rules name is the catalogue."""
    raw = {"/a": "b:r", "/b": ["a:r", "b:r"], "/c": {"any_of": ["c:r"], "permission": "d:r"}, "/d": {"public": True}}

    assert ("b:r", "a:r", "d:r", "c:r") == permissions_named(raw)


def test_without_a_catalogue_any_permission_can_be_named() -> None:
    """Where nothing is known there is nothing to compare with."""
    assert ("x:y",) == compile_rules({"/x": "x:y"}, known=None, key_types=KEY_TYPES).rules[0].needed


BAD_TARGETS = [
    ("GET items", '"GET /items"'),
    ("items", '"/items"'),
    ("GET", '"GET /…"'),
    ("", "begin with"),
    ("get /items", "GET"),
    ("Get,POST /items", "GET"),
    ("GTE /items", "did you mean GET?"),
    ("PATHC /items", "did you mean PATCH?"),
    ("ANY /items", "the path alone"),
    ("* /items", "the path alone"),
    ("WEBSOCKET /ws", "write WS"),
    ("GET, POST /items", "without spaces"),
    ("GET,,POST /items", "without spaces"),
    (",GET /items", "without spaces"),
    ("GET,GET /items", "twice"),
    ("GET POST /items", "begin with"),
    ("GET /a%2fb", "decoded"),
    ("GET /a%20b", "decoded"),
    ("GET /items?x=1", "only paths"),
    ("GET /items#x", "only paths"),
    ("GET /a//b", "empty segments"),
    ("GET //", "empty segments"),
    ("GET /a/../b", "dot segments"),
    ("GET /a\\b", "backslashes"),
    ("GET /a\nb", "control characters"),
    ("GET https://example.com/a", "begin with"),
    ("GET /items/{id:int}", "{id}"),
    ("GET /items/{id:}", "converter"),
    ("GET /items/{id:path }", "converter"),
    ("GET /items/{id}.json", "whole segment"),
    ("GET /items/x{id}", "whole segment"),
    ("GET /items/{}", "whole segment"),
    ("GET /items/{1d}", "whole segment"),
    ("GET /items/{a-b}", "whole segment"),
    ("GET /items/{id", "whole segment"),
    ("GET /items/id}", "whole segment"),
    ("GET /items/{a}{b}", "whole segment"),
    ("GET /items/{id\u00e9}", "whole segment"),
    ("GET /{a}/{a}", "called a"),
    ("GET /{a}/x/{a:path}", "called a"),
    ("GET /{p:path}/x", "last"),
    ("GET /{p:path}/{q:path}", "last"),
    ("GET /docs/{p:path}/", "slash after it"),
    ("GET /items/*", "{name:path}"),
    ("GET /**", "{name:path}"),
    ("GET /items/<id>", "{name}"),
    ("GET /items/<int:id>", "{name}"),
    ("/items/:id/parts", "{name}"),
]


@pytest.mark.parametrize(("text", "fix"), BAD_TARGETS)
def test_pm_17_a_left_side_that_cannot_be_meant_is_refused(text: str, fix: str) -> None:
    """What could never match, or match something else than was meant, names the rule and how to fix it."""
    said = complaint({text: "items:read"})

    assert f'rule "{text}"' in said
    assert fix in said


BAD_NEEDS: list[tuple[object, str]] = [
    ("items:raed", "did you mean items:read?"),
    ("nothing:like-it", "[permissions]"),
    ("items:*", "wildcard"),
    ("*", "wildcard"),
    (["items:read", "items:*"], "wildcard"),
    ({"any_of": ["*"]}, "wildcard"),
    ("items", "like items:read"),
    ("Items:Read", "like items:read"),
    ("items:read\n", "like items:read"),
    ("", "like items:read"),
    (["items:read", 1], "list of texts"),
    (None, "a permission"),
    (True, "a permission"),
    ({"items:read"}, "a permission"),
    (b"items:read", "a permission"),
    ({}, "says nothing"),
    ({"public": False}, "says nothing"),
    ({"public": "yes"}, "true or false"),
    ({"public": 1}, "true or false"),
    ({"public": True, "permission": "items:read"}, "take out public"),
    ({"public": True, "key_types": ["scim"]}, "take out public"),
    ({"any_of": []}, "any_of is empty"),
    ({"any_of": "items:read"}, '["items:read"]'),
    ({"all_of": "items:read"}, '["items:read"]'),
    ({"permission": ["items:read"]}, "must be text"),
    ({"permission": None}, "must be text"),
    ({"permission": "items:read", "all_of": []}, "one of them"),
    ({"permision": "items:read"}, "did you mean permission?"),
    ({"permission": "items:read", "teem": "{t}"}, "did you mean team?"),
    ({"permission": "items:read", 1: 2}, "not a field"),
    ({"key_types": ["scmi"]}, "did you mean scim?"),
    ({"key_types": []}, "key_types is empty"),
    ({"key_types": "scim"}, '["scim"]'),
    ({"team": "{team}"}, "it has none"),
    ({"team": 7}, "must be text"),
    ({"team": None}, "must be text"),
]


@pytest.mark.parametrize(("needs", "fix"), BAD_NEEDS)
def test_pm_17_a_right_side_that_cannot_be_meant_is_refused(needs: object, fix: str) -> None:
    """A misspelt permission, type or field never makes a rule weaker: it stops the start."""
    said = complaint({"GET /items": needs})

    assert 'rule "GET /items"' in said
    assert fix in said


@pytest.mark.parametrize(
    "team", ["team", "{id}", "{team", "team}", "{team}x", "{{team}}", "(team)", "", "{}", "acme", "{rest}"]
)
def test_a_team_must_be_one_parameter_of_the_path(team: str) -> None:
    """A binding that names no segment of the path would bind nothing."""
    assert "({team})" in complaint({"/v1/{team}/{rest:path}": {"permission": "members:read", "team": team}})


EQUAL = [
    ("GET /items/{id}", "GET /items/{name}"),
    ("/items/{id}", "/items/{name}"),
    ("GET,POST /x", "POST,PUT /x"),
    ("GET /x", "GET /x/"),
    ("/x", "/x/"),
    ("/docs/{p:path}", "/docs/{rest:path}"),
    ("WS /ws", "WS /ws/"),
    ("GET /x", "GET  /x"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_pm_12_equal_rules_are_refused(one: str, other: str) -> None:
    """Two rules for the same requests would leave it to chance which one speaks, so both are named."""
    said = complaint({one: "items:read", "/between": [], other: "items:write"})

    assert one in said
    assert other in said


UNEQUAL = [
    ("GET /x", "POST /x"),
    ("GET /x", "HEAD /x"),
    ("GET /x", "/x"),
    ("WS /x", "/x"),
    ("/x/{a}", "/x/{a:path}"),
    ("/x/{a}/y", "/x/{b}/z"),
]


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_rules_that_differ_live_side_by_side(one: str, other: str) -> None:
    """Another method, or another shape, is another rule."""
    assert 2 == len(compile_rules({one: [], other: []}, known=CATALOGUE, key_types=KEY_TYPES).rules)


@pytest.mark.parametrize("raw", [None, [("GET /items", "items:read")], "GET /items", 1])
def test_rules_must_be_a_mapping(raw: object) -> None:
    """Anything but a mapping is refused with the form that is wanted."""
    assert "mapping" in complaint(raw)


def test_the_left_side_must_be_text() -> None:
    """A tuple is not a rule's left side."""
    assert "GET /items" in complaint({("GET", "/items"): "items:read"})
