from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.app import RULES
from tests.end_to_end.refusals import kind_of, scope_of
from tests.end_to_end.server import StartError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.conftest import Keys, Origin
    from tests.end_to_end.server import Server


def test_pm_01_an_unknown_path_looks_like_any_other(server: Server, keys: Keys) -> None:
    """What no rule names is 401 without a key, exactly like what one names, and 403 with one."""
    with server.unmoved("handled"):
        assert server.ask("/items").without_date == server.ask("/unknown").without_date
        answer = server.ask("/unknown", keys.reader.headers)

    assert ("F403", None) == (kind_of(answer, keys.reader.text), scope_of(answer))


def test_pm_02_a_missing_permission_is_named(server: Server, keys: Keys) -> None:
    """A key without the permission is 403, and the challenge names what the rule asks for."""
    with server.unmoved("handled"):
        answer = server.ask("/items", keys.reader.headers, method="POST", body=b"{}")

    assert ("F403", "items:write") == (kind_of(answer, keys.reader.text), scope_of(answer))
    assert 201 == server.ask("/items", keys.writer.headers, method="POST", body=b"{}").status


def test_another_method_has_no_rule(server: Server, keys: Keys) -> None:
    """A method that no rule names is 403 on a path that others are allowed on, and 401 without a key."""
    with server.unmoved("handled"):
        for method in ("DELETE", "PUT", "PATCH", "OPTIONS", "TRACE", "get", "WS"):
            assert kind_of(server.ask("/items", method=method)) in {"N401", "M400", "400"}
            assert kind_of(server.ask("/items", keys.writer.headers, method=method)) in {"F403", "M400", "400"}


def test_another_type_of_key_is_forbidden(server: Server, keys: Keys) -> None:
    """An admin key, whatever it holds, does not pass a rule for api keys, and no permission would help."""
    with server.unmoved("handled"):
        answer = server.ask("/items", keys.admin.headers)

    assert ("F403", None) == (kind_of(answer, keys.admin.text), scope_of(answer))


def test_pm_10_outside_a_mount_rules_see_the_whole_path(server: Server, keys: Keys) -> None:
    """Around the application, a mounted path is judged by its whole path."""
    assert "N401" == kind_of(server.ask("/m/x"))
    assert "F403" == kind_of(server.ask("/x", keys.reader.headers))
    assert 200 == server.ask("/m/x", keys.reader.headers).status


def test_pm_10_inside_a_mount_rules_see_the_rest(shared: Callable[..., Server], keys: Keys, http: str) -> None:
    """Inside a Mount, paths are judged relative to it; what lies beside the Mount is not Keyfob's."""
    inside = shared(http, wiring={"kind": "inside"})

    assert "N401" == kind_of(inside.ask("/m/x"))
    assert 200 == inside.ask("/m/x", keys.reader.headers).status
    assert "F403" == kind_of(inside.ask("/m/m/x", keys.reader.headers))
    assert "P400" == kind_of(inside.ask("/m//x", keys.reader.headers))
    assert 200 == inside.ask("/open").status


def test_pm_11_a_trailing_slash_tells_nothing_without_a_key(server: Server, keys: Keys) -> None:
    """/items/ is 401 without a key; only with one does the application's own redirect show that /items exists."""
    with server.unmoved("handled"):
        assert server.ask("/items").without_date == server.ask("/items/").without_date
    assert 307 == server.ask("/items/", keys.reader.headers).status


@pytest.mark.parametrize("order", ["as written", "reversed"])
def test_pm_12_a_public_wildcard_yields_to_what_is_protected(
    shared: Callable[..., Server], keys: Keys, http: str, order: str
) -> None:
    """The protected path under a public wildcard stays protected, in whatever order the rules are written."""
    server = shared(http) if order == "as written" else shared(http, rules=dict(reversed(RULES.items())))

    for path in ("/docs/private", "/docs/private/", "/docs/%70rivate", "/docs/privat%65"):
        for method in ("GET", "HEAD", "POST", "DELETE"):
            assert 401 == server.ask(path, method=method).status
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):  # though the rule that is more specific names but one
        assert 401 == server.ask("/docs/own/1", method=method).status
    assert ("F403", None) == (
        kind_of(posted := server.ask("/docs/own/1", keys.writer.headers, method="POST")),
        scope_of(posted),
    )
    assert ("F403", "docs:secret") == _kind_and_scope(server, "/docs/private", keys)
    assert 200 == server.ask("/docs/private", keys.writer.headers).status
    assert 401 == server.ask("/docs/Private").status  # a router may ignore the case of letters
    for path in ("/docs/public", "/docs/a/b", "/docs/privates", "/docs/privat"):
        assert 200 == server.ask(path).status


def test_a_public_rule_for_one_method_opens_no_other(server: Server) -> None:
    """GET /open is public, and HEAD with it; every other method needs a key."""
    assert [200, 200] == [server.ask("/open", method=method).status for method in ("GET", "HEAD")]
    assert "N401" == kind_of(server.ask("/open", method="POST"))


COVERS = ["items:*", "items:read", "*", "items:read,items:write"]
DOES_NOT_COVER = ["itemsx:read", "items:readall", "items:re", "item:read", "ite:*", "items:read:*", "items:write"]


def test_pm_14_a_grant_covers_exactly_what_it_says(server: Server, place: Origin) -> None:
    """A wildcard covers what is under its prefix, a permission only itself."""
    for grants in COVERS:
        issued = place.issue(*grants.split(","))
        assert 200 == server.ask("/items", issued.headers).status
    with server.unmoved("handled"):
        for grants in DOES_NOT_COVER:
            issued = place.issue(grants)
            assert "F403" == kind_of(server.ask("/items", issued.headers), issued.text)


def test_pm_16_nothing_is_open_because_nobody_thought_of_it(server: Server, keys: Keys) -> None:
    """Static files, other hosts and routes added to a running application are refused where no rule names them."""
    assert 200 == server.ask("/_/grow", method="POST").status
    with server.unmoved("handled"):
        for path in ("/static/app.py", "/static/", "/grown", "/elsewhere"):
            assert "N401" == kind_of(server.ask(path))
            assert "F403" == kind_of(server.ask(path, keys.writer.headers))
        elsewhere = server.raw(b"GET /elsewhere HTTP/1.1\r\nHost: other.example\r\n\r\n")
        assert "N401" == kind_of(elsewhere)


def test_pm_17_an_empty_table_denies_everything(shared: Callable[..., Server], keys: Keys, http: str) -> None:
    """Without rules nothing passes, not even what would be public."""
    with shared(http).unmoved("handled"):
        empty = shared(http, rules={}, permissions={"items:read": "Read items"}, wiring={})
        for path in ("/open", "/items", "/", "/_/stats", "/docs/public"):
            assert "N401" == kind_of(empty.ask(path))
            assert "F403" == kind_of(empty.ask(path, keys.writer.headers))


def test_pm_17_an_unknown_permission_stops_the_start(alone: Callable[..., Server], place: Origin) -> None:
    """A rule that names a permission outside the catalogue is an error before anything is served."""
    with pytest.raises(StartError, match=r"ConfigError: .*GET /items"):
        alone(place, rules={"GET /items": "items:raed"}, permissions={"items:read": "Read items"})


def _kind_and_scope(server: Server, path: str, keys: Keys) -> tuple[str, str | None]:
    answer = server.ask(path, keys.reader.headers)
    return kind_of(answer, keys.reader.text), scope_of(answer)
