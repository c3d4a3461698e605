from __future__ import annotations

import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.keyfob_admin.api.conftest import KEYS

if TYPE_CHECKING:
    from tests.keyfob_admin.api.conftest import LiveAdmin

JSON = {"Content-Type": "application/json"}
HOSTILE = {
    "duplicate members": (b'{"name": "a", "name": "b"}', 400),
    "duplicate members, escaped": (b'{"name": "a", "\\u006eame": "b"}', 400),
    "permissions as text": (b'{"name": "a", "permissions": "*"}', 422),
    "permissions null": (b'{"name": "a", "permissions": null}', 422),
    "name null": (b'{"name": null}', 422),
    "null": (b"null", 422),
    "NaN": (b'{"name": NaN}', 400),
    "Infinity": (b'{"name": "a", "expires_at": -Infinity}', 400),
    "a huge number": (b'{"name": 1e999}', 400),
    "a long number": (b'{"name": ' + b"1" * 60_000 + b"}", 400),
    "deep arrays": (b"[" * 10_000 + b"]" * 10_000, 400),
    "deep objects": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400),
    "deep and open": (b"[" * 60_000, 400),
    "an array of 100,000": (b'{"name": "a", "permissions": [' + b",".join([b"1"] * 100_000) + b"]}", 413),
    "an array that fits": (b'{"name": "a", "permissions": [' + b",".join([b"1"] * 32_000) + b"]}", 422),
    "texts that fit": (b'{"name": "a", "permissions": [' + b",".join([b'""'] * 21_000) + b"]}", 422),
    "addresses that fit": (b'{"name": "a", "ip_allow": [' + b",".join([b'""'] * 21_000) + b"]}", 422),
    "members that fit": (b"{" + b",".join(b'"%d":0' % number for number in range(6_000)) + b"}", 422),
    "half a character": (b'{"name": "\\ud800"}', 400),
    "not UTF-8": (b'{"name": "\xff"}', 400),
    "a NUL in the name": (b'{"name": "a\\u0000b"}', 422),
    "an override in the name": ('{"name": "a\u202eb"}'.encode(), 422),
    "a name that is too long": (b'{"name": "' + b"x" * 101 + b'"}', 422),
    "201 permissions": (b'{"name": "a", "permissions": [' + b",".join([b'"items:read"'] * 201) + b"]}", 422),
    "65 addresses": (b'{"name": "a", "ip_allow": [' + b",".join([b'"10.0.0.1"'] * 65) + b"]}", 422),
    "no address": (b'{"name": "a", "ip_allow": ["10.0.0.0/33"]}', 422),
    "an unknown permission": (b'{"name": "a", "permissions": ["nothing:here"]}', 422),
    "an admin permission": (b'{"name": "a", "permissions": ["keys:read"]}', 422),
    "an unknown type": (b'{"name": "a", "type": "root"}', 422),
    "an unknown member": (b'{"name": "a", "team": "globex"}', 422),
    "a time without offset": (b'{"name": "a", "expires_at": "2999-01-01T00:00:00"}', 422),
    "a time beyond the calendar": (b'{"name": "a", "expires_at": "9999-12-31T23:59:59-23:59"}', 422),
    "nothing": (b"", 400),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_aa_11_hostile_json_is_refused_with_a_problem(standing_admin: LiveAdmin, case: str) -> None:
    """Whatever is wrong with a body is a 4xx with a code and a request id, and nothing is made."""
    body, status = HOSTILE[case]

    answer = standing_admin.call("POST", KEYS, content=body, headers=JSON)

    assert status == answer.status_code, answer.text
    problem = answer.json()
    codes = {400: "invalid_json", 413: "content_too_large", 422: "validation_failed"}
    assert (codes[status], answer.headers["x-request-id"]) == (problem["code"], problem["request_id"])
    assert "application/problem+json" == answer.headers["content-type"]
    assert "no-store" == answer.headers["cache-control"]
    assert (status == 422) is bool(problem.get("errors"))
    assert ["root"] == [key["name"] for key in standing_admin.call("GET", KEYS).json()["keys"]]


SIMPLE = ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
"""What a page of another site can send without asking first (Fetch, CORS-safelisted request-header)."""


@pytest.mark.parametrize("content_type", SIMPLE)
def test_co_02_a_simple_request_changes_nothing(live_admin: LiveAdmin, content_type: str) -> None:
    """A body in a type that another site's page can send is 415, also where a body is optional."""
    made = live_admin.make()
    headers = {"Content-Type": content_type}

    create = live_admin.call("POST", KEYS, content=b'{"name": "a"}', headers=headers)
    disable = live_admin.call("POST", f"{made.path}/disable", content=b"{}", headers=headers)

    assert [(415, "unsupported_media_type")] * 2 == [
        (answer.status_code, answer.json()["code"]) for answer in (create, disable)
    ]
    assert "active" == live_admin.call("GET", made.path).json()["state"]


def test_a_merge_patch_is_for_patch_alone(live_admin: LiveAdmin) -> None:
    """Creating takes application/json; changing takes that and application/merge-patch+json."""
    merge = {"Content-Type": "application/merge-patch+json; charset=utf-8"}
    made = live_admin.make()

    create = live_admin.call("POST", KEYS, content=b'{"name": "a", "permissions": []}', headers=merge)
    patch = live_admin.call("PATCH", made.path, content=b'{"name": "b"}', headers=merge)

    assert (415, 200) == (create.status_code, patch.status_code)


def test_a_post_without_a_body_needs_no_content_type(live_admin: LiveAdmin) -> None:
    """Disable takes nothing, or an empty object, and refuses anything in it."""
    made = live_admin.make()

    nothing = live_admin.call("POST", f"{made.path}/disable")
    empty = live_admin.call("POST", f"{made.path}/disable", json={})
    something = live_admin.call("POST", f"{made.path}/enable", json={"now": True})

    assert (200, 200, 422) == (nothing.status_code, empty.status_code, something.status_code)


def test_dl_09_a_body_over_the_limit_is_refused_while_it_streams(standing_admin: LiveAdmin) -> None:
    """A chunked body is cut off once it is longer than 64 KiB; nobody waits for its end."""
    address = urlsplit(standing_admin.url)
    head = (
        f"POST {KEYS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {standing_admin.root}\r\n"
        "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(head.encode() + b"10001\r\n" + b" " * 0x10001 + b"\r\n")  # and never the last chunk
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")


def test_dl_09_a_declared_length_over_the_limit_is_refused_at_once(standing_admin: LiveAdmin) -> None:
    """Content-Length is believed when it says too much."""
    address = urlsplit(standing_admin.url)
    head = (
        f"POST {KEYS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {standing_admin.root}\r\n"
        "Content-Type: application/json\r\nContent-Length: 65537\r\n\r\n"
    )
    with socket.create_connection((address.hostname or "", address.port or 0), timeout=10) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "query",
    [
        "page_size=0",
        "page_size=1001",
        "page_size=x",
        "state=deleted",
        "type=root",
        "type=",
        "order_by=secret",
        "order_by=created_at;drop",
        "unused_since=yesterday",
        "page_token=x",
        "page_token=WzEse10",
        "q=%00",
        "q=" + "x" * 1000,
        "state=active&state=disabled",
    ],
)
def test_dl_09_a_bad_query_value_is_422_with_its_name(standing_admin: LiveAdmin, query: str) -> None:
    """A value that means nothing is refused with a pointer to its parameter."""
    answer = standing_admin.call("GET", f"{KEYS}?{query}")

    assert (422, f"/{query.partition('=')[0]}") == (answer.status_code, answer.json()["errors"][0]["pointer"])


@pytest.mark.parametrize("days", ["0", "366", "-1", "x", "1e2"])
def test_usage_days_have_bounds(standing_admin: LiveAdmin, days: str) -> None:
    """Usage goes back 1 to 365 days."""
    answer = standing_admin.call("GET", f"{KEYS}/{standing_admin.root_id}/usage?days={days}")

    assert (422, "/days") == (answer.status_code, answer.json()["errors"][0]["pointer"])


@pytest.mark.parametrize("key", ["x", "0" * 15, "0" * 17, "kf_api_x", "xx_api_" + "0" * 16, "é" * 16])
def test_what_is_no_id_is_404(standing_admin: LiveAdmin, key: str) -> None:
    """A path that cannot name a key names none."""
    assert 404 == standing_admin.call("GET", f"{KEYS}/{key}").status_code


def test_an_escape_that_is_not_utf_8_is_no_path(standing_admin: LiveAdmin) -> None:
    """Servers read such a path differently, so it is refused before anything is looked for."""
    answer = standing_admin.call("GET", f"{KEYS}/{'%ff' * 16}")

    assert (400, "invalid_path") == (answer.status_code, answer.json()["code"])


def test_a_clients_request_id_is_not_ours(standing_admin: LiveAdmin) -> None:
    """Every answer of the API has an id of our own, whatever the client sent."""
    answers = [standing_admin.call("GET", path, headers={"X-Request-Id": "theirs"}) for path in (KEYS, "/v1/none")]

    ids = [answer.headers["x-request-id"] for answer in answers]
    assert 2 == len(set(ids) - {"theirs"})
