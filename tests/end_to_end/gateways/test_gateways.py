"""The configurations of examples/gateways, run by the real programs, with what clients forge."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.gateways.conftest import ELSEWHERE, headers_of

if TYPE_CHECKING:
    from tests.end_to_end.gateways.conftest import Front

EMPTY = {"x-keyfob-external-id": "", "x-keyfob-metadata": ""}  # nginx hands no empty header on
FORGED = tuple(
    f"{name}: forged"
    for name in (
        "X-Keyfob-Key-Id",
        "X-Keyfob-Key-Name",
        "X-Keyfob-Key-Type",
        "X-Keyfob-Team",
        "X-Keyfob-Permissions",
        "X-Keyfob-Permissions-Omitted",
        "X-Keyfob-External-Id",
        "X-Keyfob-Plan",
        "X-Keyfob-Metadata",
        "x-keyfob-team",
        "X_Keyfob_Team",
    )
)
ASKED_ELSEWHERE = (
    "X-Forwarded-Method: GET",
    "X-Forwarded-Uri: /open",
    "X-Original-Method: GET",
    "X-Original-Uri: /open",
    "X-Original-Url: http://shop.example/open",
    "X-Rewrite-Url: /open",
)
STRANGE_TARGETS = (
    "/invoices/../open",
    "/open/../invoices",
    "/open/%2e%2e/invoices",
    "/open/..%2finvoices",
    "/open%2f..%2finvoices",
    "/open/..;/invoices",
    "/open/..;x=1/invoices",
    "/open/.",
    "/./open",
    "//open",
    "/open//",
    "/open%00",
    "/open%0a",
    "/open\\..\\invoices",
    "/open%5c..%5cinvoices",
    "/open?/../invoices",
    "/open?x=/invoices",
    "/open#/../invoices",
    "/invoices#/open",
    "/invoices?/open",
    "/invoices%3f/open",
    "/%69nvoices",
    "/%6Fpen",
    "http://shop.example/open",
    "http://shop.example/invoices",
    "*",
)

READ_DIFFERENTLY = (
    "/static/..;/admin/users",
    "/static/%2e%2e;/admin/users",
    "/static/..%3b/admin/users",
    "/static/.;/admin/users",
    "/static;x/../admin/users",
    "/static/%zz",
    "/static/%",
    "/static/%f",
    "/static/%ff",
    "/static/%c0%ae%c0%ae/admin/users",
    "/static/%ed%a0%80",
)


def key(text: str) -> str:
    return f"Authorization: Bearer {text}"


@pytest.fixture(scope="module")
def reader(front: Front) -> tuple[str, str]:
    """A key that may read, as its id and its secret."""
    return front.issue("Büro", "--permission", "items:read")


def test_the_application_is_told_of_the_key_and_not_the_key(front: Front, reader: tuple[str, str]) -> None:
    """What reaches the application has the five headers of the key, none that the client made up, and no key."""
    answer, seen = front.send("/invoices/7?year=2026", key(reader[1]), *FORGED)

    assert 200 == answer.status
    assert seen is not None
    assert ("/invoices/7", b"year=2026") == (seen["path"], seen["query_string"])
    assert {
        "x-keyfob-key-id": reader[0],
        "x-keyfob-key-name": "B%C3%BCro",
        "x-keyfob-key-type": "api",
        "x-keyfob-team": "default",
        "x-keyfob-permissions": "items:read",
        "x-keyfob-external-id": "",
        "x-keyfob-plan": "enterprise",
        "x-keyfob-metadata": "",
    } == {**EMPTY, **headers_of(seen, "x-keyfob-")}
    assert {} == headers_of(seen, "authorization") == headers_of(seen, "x-api-key") == headers_of(seen, "x_keyfob")


def test_on_a_public_path_no_claim_of_the_client_gets_through(front: Front) -> None:
    """Without a key the headers are empty or absent, whatever the client sent."""
    answer, seen = front.send("/open", *FORGED)

    assert 200 == answer.status
    assert seen is not None
    assert set() == {value for value in headers_of(seen, "x-keyfob-").values() if value}
    assert {} == headers_of(seen, "x_keyfob")


@pytest.mark.parametrize("target", ["/metrics", "/readyz?verbose", "/readyz?verbose=true"])
def test_what_is_for_operators_does_not_pass(front: Front, target: str) -> None:
    """The metrics and the detail of readiness are 404 for every client, whatever the policy lets pass."""
    answer, seen = front.send(target)
    ready, asked = front.send("/readyz")

    assert (404, None) == (answer.status, seen)
    assert (200, "/readyz") == (ready.status, asked and asked["path"])


def test_refusals_reach_the_client(front: Front, reader: tuple[str, str]) -> None:
    """Without a key it is 401 with the challenge, without the permission or a rule 403, and nothing gets through."""
    missing, none = front.send("/invoices")
    wrong, _ = front.send("/invoices", key(reader[1][:-1] + ("y" if reader[1].endswith("x") else "x")))
    lacking, _ = front.send("/invoices", key(reader[1]), "Content-Length: 0", method="POST")
    nowhere, _ = front.send("/nowhere", f"X-API-Key: {reader[1]}")
    twice, seen = front.send("/invoices", key(reader[1]), f"X-API-Key: {reader[1]}")

    assert [401, 401, 403, 403, 400] == [answer.status for answer in (missing, wrong, lacking, nowhere, twice)]
    assert 'Bearer realm="keyfob"' == missing.one("www-authenticate")
    assert none is seen is None


def test_a_client_cannot_say_what_it_asks_for(front: Front, reader: tuple[str, str]) -> None:
    """Method and path are the gateway's to say: headers of the client with the same names change nothing."""
    for forged in ASKED_ELSEWHERE:
        assert 401 == front.send("/invoices", forged)[0].status, forged
        assert 200 == front.send("/invoices", forged, key(reader[1]))[0].status, forged
    assert 403 == front.send("/nowhere", key(reader[1]), *ASKED_ELSEWHERE)[0].status


def test_ip_05_a_client_cannot_have_the_gateways_words_taken_away(front: Front, reader: tuple[str, str]) -> None:
    """What a client names in Connection is the client's own: it takes nothing from what the gateway adds."""
    names = ["X-Forwarded-Method", "X-Forwarded-Uri", "X-Original-Method", "X-Original-Uri", "X-Forwarded-For"]
    names += ["X-Keyfob-Key-Id", "X-Keyfob-Team", "X-Keyfob-Permissions", "X-Keyfob-Plan"]

    taken = f"Connection: {', '.join(names)}"

    assert front.send("/invoices", taken, *ASKED_ELSEWHERE)[0].status in {400, 401}
    answer, seen = front.send("/invoices", key(reader[1]), taken, *FORGED)

    assert (answer.status, seen is None) in {(200, False), (400, True)}
    if seen is not None:
        assert reader[0] == headers_of(seen, "x-keyfob-")["x-keyfob-key-id"]
        assert 8 == len({**EMPTY, **headers_of(seen, "x-keyfob-")})


@pytest.mark.parametrize("target", READ_DIFFERENTLY)
def test_ff_04_what_servers_read_differently_does_not_pass(front: Front, reader: tuple[str, str], target: str) -> None:
    """Path parameters and escapes that are malformed or not UTF-8 never reach the application.

    Envoy and Traefik resolve dot segments before they ask: then they ask for what they send on.
    """
    answer, seen = front.send(target)
    assert answer.status in {400, 401} or (seen is not None and seen["path"] == "/static/admin/users")
    assert seen is None or 200 == answer.status

    answer, seen = front.send(target, key(reader[1]))
    assert answer.status in {200, 400}
    assert seen is None or seen["raw_path"] in {b"/static/admin/users", b"/admin/users"}


@pytest.mark.cases("FF-74")
def test_where_a_resource_is_moved_to_is_judged_as_well(front: Front, reader: tuple[str, str]) -> None:
    """The gateway hands Destination on, so that a public path is no way to write into a guarded one."""
    denied, none = front.send("/static/a", "Destination: /admin/b", method="MOVE")
    passed, seen = front.send("/static/a", "Destination: /admin/b", key(reader[1]), method="MOVE")

    assert (401, None, 200) == (denied.status, none, passed.status)
    assert ("MOVE", "/static/a") == (seen and seen["method"], seen and seen["path"])
    assert 400 == front.send("/static/a", method="MOVE")[0].status


def test_a_client_cannot_say_where_it_is(front: Front) -> None:
    """A key that is bound to an address does not pass for whoever claims that address."""
    _, bound = front.issue("bound", "--permission", "items:read", "--ip", ELSEWHERE)

    for claim in ("X-Forwarded-For", "X-Real-Ip", "X-Envoy-External-Address", "Forwarded"):
        value = f"for={ELSEWHERE}" if claim == "Forwarded" else ELSEWHERE
        answer, seen = front.send("/invoices", key(bound), f"{claim}: {value}")
        assert (403, None) == (answer.status, seen), claim


@pytest.mark.parametrize("target", STRANGE_TARGETS)
def test_gateway_and_application_read_a_target_alike(front: Front, reader: tuple[str, str], target: str) -> None:
    """Without a key, only what the application itself reads as the public path gets there; with one, what it may."""
    answer, seen = front.send(target)
    assert answer.status in {200, 301, 308, 400, 401, 403, 404}
    assert seen is None or seen["path"].rstrip("/") == "/open"

    answer, seen = front.send(target, key(reader[1]))
    assert answer.status in {200, 301, 308, 400, 403, 404}
    assert seen is None or seen["path"].rstrip("/") in {"/open", "/invoices"}


def test_a_disabled_key_is_dead_at_the_gateway_at_once(front: Front) -> None:
    """The first request after ``keyfob keys disable`` is refused, and one after enabling it passes."""
    key_id, secret = front.issue("leaked", "--permission", "items:read")
    assert 200 == front.send("/invoices", key(secret))[0].status

    front.keys("disable", key_id)
    assert 401 == front.send("/invoices", key(secret))[0].status

    front.keys("enable", key_id)
    assert 200 == front.send("/invoices", key(secret))[0].status


def test_sf_01_without_its_database_nothing_gets_through(front: Front, reader: tuple[str, str]) -> None:
    """Once the lease has run out, what cannot be judged is 503 for the client, until the database is back."""
    database, elsewhere = front.folder / "keyfob.db", front.folder / "elsewhere.db"
    database.rename(elsewhere)
    try:
        while (answered := front.send("/invoices", key(reader[1])))[0].status != 503:
            assert 200 == answered[0].status
        assert answered[1] is None
        assert 200 == front.send("/open")[0].status
    finally:
        elsewhere.rename(database)
    while (answered := front.send("/invoices", key(reader[1])))[0].status != 200:
        assert (503, None) == (answered[0].status, answered[1])


def test_without_keyfob_nothing_gets_through(front: Front, reader: tuple[str, str]) -> None:
    """A Keyfob that does not answer is an error for the client, and no way past it."""
    os.kill(front.keyfob.pid, signal.SIGKILL)
    front.keyfob.wait()

    for target in ("/invoices", "/open", "/nowhere"):
        answer, seen = front.send(target, key(reader[1]))
        assert answer.status >= 500
        assert seen is None
