"""A request is judged under every reading that a router could take. Each case passed with too little before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.rules.compiler import compile_rules
from keyfob.rules.readings import Readings, Router
from keyfob.rules.rule import Match
from tests.keyfob.conftest import Echo, ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

PUBLIC = {"public": True}


async def status(guard: Guard, rules: dict[str, Any], path: str, method: str = "GET", **more: Any) -> int:
    """What *path* is answered with under *rules*; *more* goes into the scope, but for settings and headers."""
    settings, headers = more.pop("settings", {}), more.pop("headers", {})
    return (await ask(guard(rules=rules, **settings), path, headers, method=method, **more)).status


OVERLAPPING = {"/{team}/members": "members:read", "/docs/{path:path}": PUBLIC}


@pytest.mark.cases("FF-05")
async def test_a_path_that_two_rules_match_needs_what_both_need(here: Installation, guard: Guard) -> None:
    """Where neither template lies inside the other, a router may take either, so a public one adds nothing."""
    key, other = await here.issue("members:read"), await here.issue("docs:read")

    assert 401 == await status(guard, OVERLAPPING, "/docs/members")
    assert 200 == await status(guard, OVERLAPPING, "/docs/members", headers=key.headers)
    assert 403 == await status(guard, OVERLAPPING, "/docs/members", headers=other.headers)
    assert 200 == await status(guard, OVERLAPPING, "/docs/other")


@pytest.mark.cases("FF-05")
async def test_both_of_two_guarded_rules_count(here: Installation, guard: Guard) -> None:
    """Permissions, types and teams of both are needed; the challenge lists what both name, in the order of writing."""
    rules = {
        "GET /{team}/members": {"permission": "members:read", "team": "{team}", "key_types": ["api", "scim"]},
        "GET /docs/{page}": {"any_of": ["docs:read", "docs:write"], "team": "{page}"},
        "GET /default/{page}": ["docs:read", "pages:read"],
    }
    both = await here.issue("members:read", "docs:read", "pages:read")
    one = await here.issue("members:read")
    scim = await here.issue("members:read", "docs:read", "pages:read", key_type="scim")
    middleware = guard(rules=rules)

    assert 200 == (await ask(middleware, "/default/members", both.headers)).status
    assert 403 == (await ask(middleware, "/default/members", scim.headers)).status
    assert 403 == (await ask(middleware, "/docs/members", both.headers)).status  # two teams are asked for
    refused = await ask(middleware, "/default/members", one.headers)
    assert 'scope="members:read docs:read pages:read"' in refused.headers["www-authenticate"]


SLASHES: list[tuple[dict[str, Any], str]] = [
    ({"/files": PUBLIC, "GET /files/{path:path}": "files:read"}, "/files/"),
    ({"/{name}": PUBLIC, "/{a}/{path:path}": "files:read"}, "/x/"),
    ({"/status": PUBLIC, "/{path:path}": "files:read"}, "/status/"),
    ({"/status/": PUBLIC, "/{path:path}": "files:read"}, "/status"),
    ({"/api/docs/{path:path}": PUBLIC, "/api/{path:path}": "files:read"}, "/api/docs"),
]


@pytest.mark.cases("FF-15")
@pytest.mark.parametrize(("rules", "path"), SLASHES)
async def test_a_final_slash_is_read_both_ways(
    here: Installation, guard: Guard, rules: dict[str, Any], path: str
) -> None:
    """Routers that keep a final slash and routers that drop it find different rules, so both count."""
    key = await here.issue("files:read")

    assert 401 == await status(guard, rules, path)
    assert 200 == await status(guard, rules, path, headers=key.headers)


NOT_READ_BOTH_WAYS: list[tuple[dict[str, Any], str]] = [
    ({"/files": PUBLIC, "GET /files/{path:path}": "files:read"}, "/files"),
    ({"/items": PUBLIC, "/items/{id}": "files:read"}, "/items/"),
    ({"/items/": PUBLIC, "/{path:path}": "files:read"}, "/items/"),
    ({"/docs/{path:path}": PUBLIC}, "/docs"),
]


@pytest.mark.cases("FF-15", "FF-43")
@pytest.mark.parametrize(("rules", "path"), NOT_READ_BOTH_WAYS)
async def test_a_path_that_is_written_as_its_rule_is_judged_by_it(
    guard: Guard, rules: dict[str, Any], path: str
) -> None:
    """A path is not refused because of a rule that no router would take it for."""
    assert 200 == await status(guard, rules, path)


METHODS: list[tuple[dict[str, Any], str]] = [
    ({"/items": "items:write", "GET /items": "items:read"}, "get"),
    ({"POST /r": "items:write", "/r": PUBLIC}, "post"),
    ({"/r": PUBLIC}, "P\u00d6ST"),
    ({"/r": PUBLIC}, "A" * 33),
]


@pytest.mark.cases("FF-16")
@pytest.mark.parametrize(("rules", "method"), METHODS)
async def test_a_method_that_routers_read_differently_is_refused(
    guard: Guard, rules: dict[str, Any], method: str
) -> None:
    """Django and Quart take "get" for GET, so it is 400, whatever key comes with it."""
    answer = await ask(guard(rules=rules), next(iter(rules)).rpartition(" ")[2], method=method)

    assert 400 == answer.status
    assert b'"code":"invalid_method"' in answer.body


ROOTS = [("/api/", "/api/open"), ("/api/", "/api//open"), ("/api", "/api/open"), ("/", "/open"), ("/", "//open")]


@pytest.mark.cases("FF-30")
@pytest.mark.parametrize(("root_path", "path"), ROOTS)
async def test_a_final_slash_of_root_path_is_dropped(guard: Guard, echo: Echo, root_path: str, path: str) -> None:
    """--root-path /api/ is /api, for the application behind Keyfob, too: its router would read it otherwise."""
    assert 200 == await status(guard, {"/open": PUBLIC}, path, root_path=root_path)
    assert root_path.rstrip("/") == echo.scopes[0]["root_path"]
    assert root_path.rstrip("/") + "/open" == echo.scopes[0]["path"]
    assert (root_path.rstrip("/") + "/open").encode() == echo.scopes[0]["raw_path"]


@pytest.mark.cases("FF-67")
@pytest.mark.parametrize("path", ["/public/api/secret", "/open", "/apiopen", "/", "*"])
async def test_a_path_outside_root_path_is_refused(guard: Guard, path: str) -> None:
    """Litestar cuts at the prefix wherever it stands and Starlette leaves it on: there is no safe reading."""
    assert 400 == await status(guard, {"/{path:path}": PUBLIC}, path, root_path="/api")


SEMICOLONS = ["/static/..;/admin/users", "/static/a;b=c", "/static/;/a", "/static/..;x", "/static/a%3Bb"]


@pytest.mark.cases("FF-04")
@pytest.mark.parametrize("path", SEMICOLONS)
async def test_path_parameters_are_refused(guard: Guard, path: str) -> None:
    """Servers written in Java cut a segment at the semicolon, so /static/..;/admin is /admin to them."""
    rules = {"/admin/{p:path}": "files:read", "/static/{p:path}": PUBLIC}

    assert 400 == await status(guard, rules, path.replace("%3B", ";"), raw_path=path.encode())


@pytest.mark.cases("FF-04")
async def test_path_parameters_can_be_allowed(guard: Guard) -> None:
    """path_parameters="allow" lets a semicolon through, and no dot segment with one."""
    allowed, rules = {"path_parameters": "allow"}, {"/static/{p:path}": PUBLIC}

    assert 200 == await status(guard, rules, "/static/a;b=c", settings=allowed)
    assert 400 == await status(guard, rules, "/static/..;/a", settings=allowed)


RAW = [b"/static/%zz", b"/static/%", b"/static/%c0%ae%c0%ae/", b"/static/%ff", b"/static/a#b", b"/static/%u002e"]


@pytest.mark.cases("FF-04", "FF-70")
@pytest.mark.parametrize("raw", RAW)
async def test_escapes_that_everybody_decodes_otherwise_are_refused(guard: Guard, raw: bytes) -> None:
    """Malformed escapes, escapes that are not UTF-8, and a raw "#" mean something else to every server."""
    rules, path = {"/static/{p:path}": PUBLIC}, "/static/\ufffd#"

    assert 400 == await status(guard, rules, path, raw_path=raw)
    assert 400 == await status(guard, rules, path, raw_path=None)


async def test_an_encoded_number_sign_is_a_character_like_any_other(guard: Guard) -> None:
    """What stands for itself in raw_path is no fragment; where a server gives none it cannot be told apart."""
    rules = {"/static/{p:path}": PUBLIC}

    assert 200 == await status(guard, rules, "/static/#1", raw_path=b"/static/%231")
    assert 400 == await status(guard, rules, "/static/#1", raw_path=None)


CASES: list[tuple[dict[str, Any], str]] = [
    ({"/api/secret": "files:read", "/{p:path}": PUBLIC}, "/API/secret"),
    ({"/api/{name}": "files:read", "/{p:path}": PUBLIC}, "/Api/x"),
    ({"/api/k": "files:read", "/{p:path}": PUBLIC}, "/api/\u212a"),
    ({"/api/i": "files:read", "/{p:path}": PUBLIC}, "/api/\u0130"),
    ({"/api/secret": "files:read", "/{p:path}": PUBLIC}, "/api/secret/".upper()),
    ({"/API/{p:path}": "files:read", "/api/docs": PUBLIC}, "/api/docs"),
]


@pytest.mark.cases("FF-70")
@pytest.mark.parametrize(("rules", "path"), CASES)
async def test_another_letter_case_opens_nothing(guard: Guard, rules: dict[str, Any], path: str) -> None:
    """BlackSheep's router ignores case, so a public rule does not apply where a guarded one matches without it."""
    assert 401 == await status(guard, rules, path)


@pytest.mark.cases("FF-70")
async def test_another_letter_case_closes_a_public_rule_under_any_method(guard: Guard) -> None:
    """As with templates that lie inside: what is guarded for POST is not open for GET by its spelling."""
    assert 401 == await status(guard, {"POST /api/secret": "files:read", "/{p:path}": PUBLIC}, "/API/secret")


@pytest.mark.cases("FF-70")
async def test_the_path_as_it_came_is_a_reading(here: Installation, guard: Guard) -> None:
    """BlackSheep matches a path undecoded: there /%6fpen is not /open, but what the catch-all is for."""
    rules, key = {"/open": PUBLIC, "/{p:path}": "files:read"}, await here.issue("files:read")

    assert 401 == await status(guard, rules, "/open", raw_path=b"/%6fpen")
    assert 200 == await status(guard, rules, "/open", raw_path=b"/%6fpen", headers=key.headers)
    assert 200 == await status(guard, rules, "/open", raw_path=b"/open")


DAV = {"/pub/{p:path}": PUBLIC, "/files/{p:path}": "files:write", "/secret/{p:path}": "secret:write"}
DESTINATIONS = [
    ("/files/b", 200),
    ("https://example.com/files/b", 200),
    ("http://example.com:8000/files/b%20c", 200),
    ("/secret/b", 403),
    ("https://example.com/secret/b", 403),
    ("/nowhere", 403),
    ("https://example.com", 403),
    ("/files/../secret/b", 400),
    ("/files/%2e%2e/secret/b", 400),
    ("/files/b;x", 400),
    ("/files/%zz", 400),
    ("/files/b#c", 400),
    ("//evil/secret/b", 400),
    ("files/b", 400),
    ("ftp://example.com/files/b", 400),
    ("http://[/files/b", 400),
    ("/files/\tb", 400),
    ("", 400),
]


@pytest.mark.cases("FF-74")
@pytest.mark.parametrize("method", ["COPY", "MOVE"])
@pytest.mark.parametrize(("destination", "expected"), DESTINATIONS)
async def test_where_a_resource_is_copied_to_is_judged_as_well(
    here: Installation, guard: Guard, method: str, destination: str, expected: int
) -> None:
    """COPY and MOVE of WebDAV write to the path in Destination, so it needs what that path needs."""
    key = await here.issue("files:write")
    headers = {**key.headers, "Destination": destination}

    assert expected == await status(guard, DAV, "/files/a", method, headers=headers)


@pytest.mark.cases("FF-74")
async def test_a_public_resource_is_not_moved_into_a_guarded_place(here: Installation, guard: Guard) -> None:
    """Both paths count: public adds nothing. Without the header, or with another method, there is one path."""
    key, to_secret = await here.issue("secret:write"), {"Destination": "/secret/b"}
    twice = [("Destination", "/pub/a"), ("Destination", "/secret/b")]

    assert 401 == await status(guard, DAV, "/pub/a", "MOVE", headers=to_secret)
    assert 200 == await status(guard, DAV, "/pub/a", "MOVE", headers={**to_secret, **key.headers})
    assert 400 == await status(guard, DAV, "/pub/a", "MOVE", headers=twice)
    assert 200 == await status(guard, DAV, "/pub/a", "COPY", headers={"Destination": "/pub/b"})
    assert 200 == await status(guard, DAV, "/pub/a", "MOVE")
    assert 200 == await status(guard, DAV, "/pub/a", "GET", headers=to_secret)


@pytest.mark.cases("FF-74")
async def test_a_destination_lies_below_root_path(guard: Guard) -> None:
    """The header holds the path as the client sees it; an application may take it with root_path or without."""
    rules = {"/pub/{p:path}": PUBLIC, "/api/pub/secret": "secret:write"}
    move = {"method": "MOVE", "root_path": "/api"}

    assert 200 == await status(guard, rules, "/api/pub/a", headers={"Destination": "/api/pub/b"}, **move)
    assert 401 == await status(guard, rules, "/api/pub/a", headers={"Destination": "/api/pub/secret"}, **move)
    assert 400 == await status(guard, rules, "/api/pub/a", headers={"Destination": "/other/pub/b"}, **move)


@pytest.mark.cases("FF-01")
@pytest.mark.parametrize("path", ["", "/"])
@pytest.mark.parametrize("router", [Router(), Router(ignores_root=True, may_be_empty=True), Router(prefix="/auth")])
def test_an_empty_path_is_the_root(router: Router, path: str) -> None:
    """A server that sends no path at all asks for "/", with all that a router could take that for."""
    rules: dict[str, object] = {"/{path:path}": PUBLIC, "GET /{name}": "items:read"}
    table = compile_rules(rules, known=None, key_types=("api",))
    scope: Any = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "headers": [],
    }

    match = Readings(table, router=router).match(scope)

    assert isinstance(match, Match)
    assert router.may_be_empty is not match.rule.public
