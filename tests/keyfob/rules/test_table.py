from __future__ import annotations

from itertools import permutations

import pytest

from keyfob.policy.permissions import Held
from keyfob.rules.compiler import Match, RuleTable, compile_rules


def table(*rules: str, public: tuple[str, ...] = ()) -> RuleTable:
    """A table in which every rule needs something, but the *public* ones."""
    raw: dict[str, object] = dict.fromkeys(rules, "items:read")
    return compile_rules({**raw, **{text: {"public": True} for text in public}}, known=None, key_types=["api"])


def chosen(rules: RuleTable, method: str, path: str) -> str | None:
    """The text of the rule that speaks for the request."""
    match = rules.match(method, path)
    return None if match is None else match.rule.text


def test_pm_17_an_empty_table_lets_nothing_in() -> None:
    """What no rule names is refused, so an empty table refuses everything."""
    for path in ("", "/", "/items", "*"):
        assert None is chosen(table(), "GET", path)


def test_pm_01_what_no_rule_names_has_no_rule() -> None:
    """Other paths, other methods, longer and shorter paths, and other letters have no rule."""
    rules = table("GET /items", "GET /a/b/c")

    for path in ("/item", "/items/1", "/ITEMS", "/a/b", "/a", "/", "", "items", "/items/1/2/3/4/5"):
        assert None is chosen(rules, "GET", path)
    for method in ("POST", "get", "WS", ""):
        assert None is chosen(rules, method, "/items")


def test_a_rule_without_method_covers_all_and_websocket() -> None:
    """A bare path speaks for every method there will ever be, and for WebSocket."""
    for method in ("GET", "HEAD", "POST", "OPTIONS", "get", "BREW", "WS"):
        assert "/items" == chosen(table("/items"), method, "/items")


def test_a_websocket_rule_covers_websocket_alone() -> None:
    """A rule for WS admits no HTTP request, and a rule for GET no handshake."""
    assert "WS /ws" == chosen(table("WS /ws"), "WS", "/ws")
    assert None is chosen(table("WS /ws"), "GET", "/ws")
    assert None is chosen(table("GET /ws"), "WS", "/ws")


def test_a_named_method_goes_before_any() -> None:
    """Of two rules for one template the one that names the method speaks."""
    for rules in (table("/items", "GET,WS /items"), table("GET,WS /items", "/items")):
        assert "GET,WS /items" == chosen(rules, "GET", "/items")
        assert "GET,WS /items" == chosen(rules, "WS", "/items")
        assert "/items" == chosen(rules, "POST", "/items")


def test_head_follows_get() -> None:
    """HEAD is answered as GET is, before a rule for any method."""
    rules = table("/items", "GET /items", "GET /a/{id}", "POST /b")

    assert "GET /items" == chosen(rules, "HEAD", "/items")
    assert "GET /a/{id}" == chosen(rules, "HEAD", "/a/1")
    assert None is chosen(rules, "HEAD", "/b")


def test_head_can_be_named_itself() -> None:
    """A rule that names HEAD speaks for it, and does not speak for GET."""
    rules = table("GET /items", "HEAD /items", "HEAD /a/{id}")

    assert "HEAD /items" == chosen(rules, "HEAD", "/items")
    assert "GET /items" == chosen(rules, "GET", "/items")
    assert None is chosen(rules, "GET", "/a/1")


@pytest.mark.parametrize("text", ["GET /items", "GET /items/"])
def test_pm_11_a_final_slash_does_not_change_the_rule(text: str) -> None:
    """With and without a final slash, in the rule and in the path, it is the same rule."""
    assert text == chosen(table(text), "GET", "/items")
    assert text == chosen(table(text), "GET", "/items/")
    assert "GET /a/{id}/" == chosen(table("GET /a/{id}/"), "GET", "/a/1")
    assert "GET /a/{id}" == chosen(table("GET /a/{id}"), "GET", "/a/1/")


def test_the_root_is_a_path_too() -> None:
    """Inside a Mount the root is "/" or nothing at all, and one rule is for both."""
    assert "/" == chosen(table("/"), "GET", "/")
    assert "/" == chosen(table("/"), "GET", "")


def test_a_parameter_takes_one_segment() -> None:
    """{name} takes one segment that is not empty: never none, never two."""
    rules = table("/items/{id}")

    assert Match(rules.rules[0], {"id": "42"}) == rules.match("GET", "/items/42")
    assert Match(rules.rules[0], {"id": "42"}) == rules.match("GET", "/items/42/")
    for path in ("/items", "/items/", "/items/42/parts", "/items//", "/items//42", "//items/42"):
        assert None is rules.match("GET", path)


REST = [("/docs/", ""), ("/docs/a", "a"), ("/docs/a/b", "a/b"), ("/docs/a/", "a/"), ("/docs/a/b/c/d/", "a/b/c/d/")]


@pytest.mark.parametrize(("path", "rest"), REST)
def test_a_path_parameter_takes_all_that_follows(path: str, rest: str) -> None:
    """{name:path} takes the rest as Starlette gives it to the application, which may be nothing."""
    rules = table("/docs/{p:path}")

    assert Match(rules.rules[0], {"p": rest}) == rules.match("GET", path)


def test_ff_43_a_path_parameter_may_be_empty() -> None:
    """/docs/{p:path} matches /docs, too, but not what only begins alike."""
    assert {"p": ""} == table("/docs/{p:path}").match("GET", "/docs").params  # type: ignore[union-attr]
    for path in ("/docsx", "/doc/s", "/"):
        assert None is chosen(table("/docs/{p:path}"), "GET", path)
    assert "/{p:path}" == chosen(table("/{p:path}"), "GET", "/")
    assert "/{p:path}" == chosen(table("/{p:path}"), "GET", "/a/b")
    assert "/{p:path}" == chosen(table("/{p:path}"), "GET", "")
    assert None is chosen(table("/{p:path}"), "OPTIONS", "*")
    assert None is chosen(table("/{p:path}"), "GET", "x/a")


def test_parameters_keep_their_own_names() -> None:
    """Templates that share a shape may call their parameters differently."""
    rules = table("GET /v1/teams/{team}/members/{id}", "POST /v1/teams/{t}/members/{m}", "/v1/x/{a}/y/{p:path}")

    assert {"team": "acme", "id": "7"} == rules.match("GET", "/v1/teams/acme/members/7").params  # type: ignore[union-attr]
    assert {"t": "acme", "m": "7"} == rules.match("POST", "/v1/teams/acme/members/7").params  # type: ignore[union-attr]
    assert {"a": "1", "p": "b/c"} == rules.match("GET", "/v1/x/1/y/b/c").params  # type: ignore[union-attr]


PRECEDENCE = ["/a/b", "/a/b/{p:path}", "/a/{x}", "/a/{x}/{p:path}", "/a/{p:path}", "/{x}/b", "/{x}/{y}", "/{p:path}"]
SPOKEN_FOR = [
    ("/a/b", "/a/b"),
    ("/a/b/", "/a/b and /a/b/{p:path}"),
    ("/a/b/c", "/a/b/{p:path}"),
    ("/a/c", "/a/{x}"),
    ("/a/c/", "/a/{x} and /a/{x}/{p:path}"),
    ("/a/c/d", "/a/{x}/{p:path}"),
    ("/a/", "/a/{p:path}"),
    ("/a", "/a/{p:path} and /{p:path}"),
    ("/c/b", "/{x}/b"),
    ("/c/d", "/{x}/{y}"),
    ("/c/d/e", "/{p:path}"),
]


@pytest.mark.parametrize(("path", "expected"), SPOKEN_FOR)
def test_the_most_specific_template_speaks(path: str, expected: str) -> None:
    """What lies inside another goes before it, in whatever order they are written; a final slash is read both ways."""
    assert expected == chosen(table(*PRECEDENCE), "GET", path)
    turned = chosen(table(*reversed(PRECEDENCE)), "GET", path)
    assert turned is not None
    assert set(expected.split(" and ")) == set(turned.split(" and "))


def test_a_rule_for_another_method_leaves_the_path_to_the_next() -> None:
    """A protected rule that is less specific still speaks where the more specific one names other methods."""
    assert "/docs/{p:path}" == chosen(table("POST /docs/private", "/docs/{p:path}"), "GET", "/docs/private")


@pytest.mark.parametrize("order", list(permutations(["/docs/private", "/docs/{p:path}"])))
def test_pm_12_a_public_wildcard_never_opens_what_is_protected(order: tuple[str, str]) -> None:
    """The protected path wins over the public wildcard, in whatever order they are written."""
    raw = {text: {"public": True} if "path" in text else "docs:secret" for text in order}
    rules = compile_rules(raw, known=None, key_types=["api"])

    assert "/docs/private" == chosen(rules, "GET", "/docs/private")
    assert "/docs/private" == chosen(rules, "GET", "/docs/private/")
    assert "/docs/{p:path}" == chosen(rules, "GET", "/docs/other")
    assert "/docs/{p:path}" == chosen(rules, "GET", "/docs/private/more")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "WS"])
@pytest.mark.parametrize(
    "specific", ["POST /docs/private", "POST /docs/{id}", "POST /docs/{id}/", "BIND /docs/private"]
)
def test_pm_12_a_public_rule_stops_where_another_method_is_protected(specific: str, method: str) -> None:
    """A public rule never applies where a more specific template matches the path under any method."""
    rules = table(specific, public=("/docs/{p:path}",))

    assert None is chosen(rules, method, "/docs/private")
    assert specific == chosen(rules, specific.partition(" ")[0], "/docs/private")
    assert "/docs/{p:path}" == chosen(rules, method, "/docs/a/b")


def test_pm_12_a_websocket_rule_stops_a_public_one_too() -> None:
    """WebSocket counts as a method for the guard."""
    assert None is chosen(table("WS /docs/live", public=("/docs/{p:path}",)), "GET", "/docs/live")


def test_pm_12_a_more_specific_public_rule_stops_a_public_one_too() -> None:
    """The guard asks for the template, not for what its rule needs."""
    assert None is chosen(table(public=("POST /docs/a", "/docs/{p:path}")), "GET", "/docs/a")


def test_a_public_rule_may_share_its_template() -> None:
    """Another method of the same template is not more specific, so GET can be public where POST is not."""
    assert "GET /docs/a" == chosen(table("POST /docs/a", public=("GET /docs/a",)), "GET", "/docs/a")
    assert "/docs/{x}" == chosen(table("POST /docs/{y}", public=("/docs/{x}",)), "GET", "/docs/a")


def test_a_final_newline_is_another_path() -> None:
    """Nothing is matched up to a newline, even if the path should come here unchecked."""
    rules = table("/docs/private", "/a/{id}")

    assert None is chosen(rules, "GET", "/docs/private\n")
    assert {"id": "b\n"} == rules.match("GET", "/a/b\n").params  # type: ignore[union-attr]


def test_nothing_is_decoded_again() -> None:
    """What is still encoded after the server decoded it is text."""
    assert None is chosen(table("/docs/private"), "GET", "/docs/%70rivate")
    assert None is chosen(table("/docs/private"), "GET", "/docs/%2e%2e/docs/private")


NEEDS: list[tuple[object, list[set[str]], list[set[str]]]] = [
    ("items:read", [{"items:read"}, {"items:*"}, {"*"}], [set(), {"items:write"}, {"itemsx:read"}, {"items:readall"}]),
    (["a:r", "b:r"], [{"a:r", "b:r"}, {"a:*", "b:*"}, {"*"}], [{"a:r"}, {"b:r"}, set()]),
    ({"any_of": ["a:r", "b:r"]}, [{"a:r"}, {"b:r"}, {"b:*"}], [set(), {"c:r"}]),
    ({"permission": "a:r", "any_of": ["b:r", "c:r"]}, [{"a:r", "c:r"}], [{"a:r"}, {"b:r", "c:r"}]),
    ([], [set(), {"a:r"}], []),
]


@pytest.mark.parametrize(("needs", "enough", "too_little"), NEEDS)
def test_pm_14_what_a_rule_allows(needs: object, enough: list[set[str]], too_little: list[set[str]]) -> None:
    """All of a list, one of any_of, any key for an empty list; wildcards cover exactly what is under them."""
    rule = compile_rules({"/x": needs}, known=None, key_types=["api"]).rules[0]

    for held in enough:
        assert rule.allows(Held(held))
    for held in too_little:
        assert not rule.allows(Held(held))


@pytest.mark.cases("FF-01")
def test_an_empty_parameter_leaves_no_slash() -> None:
    """In /a/ as Falcon reads it, {y} of /{x}/{y} is empty, whatever more special template asks for a slash as well."""
    rules = table("/{x}/{y}", "/a", "/a/{x}/")

    found = rules.speaking("GET", "/a/", may_be_empty=True)

    assert found is not None
    assert {"/a", "/{x}/{y}"} <= {one.rule.text for one in found}
    assert ["/a"] == [one.rule.text for one in rules.speaking("GET", "/a/") or ()]


@pytest.mark.cases("FF-01")
def test_a_path_that_is_public_under_another_method_is_closed_in_every_letter_case() -> None:
    """GET /b is closed where only HEAD /b is open, and so is /B, which some routers take for the same."""
    rules = compile_rules({"HEAD /b": {"public": True}, "GET /{x}": {"public": True}}, known=None, key_types=("api",))

    assert [None, None] == [rules.match("GET", path) for path in ("/b", "/B")]
    assert rules.match("GET", "/c") is not None
