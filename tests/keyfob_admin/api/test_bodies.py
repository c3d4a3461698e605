"""Bodies that are empty, or that other programs than ours have written."""

from __future__ import annotations

import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from tests.keyfob_admin.api.conftest import KEYS, OTHER_TEAM

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.keyfob_admin.api.conftest import LiveAdmin

EMPTY: list[Mapping[str, str]] = [
    {},
    {"Content-Length": "0"},
    {"Content-Type": "application/x-www-form-urlencoded"},
    {"Content-Type": "application/x-www-form-urlencoded", "Content-Length": "0"},
    {"Content-Type": "application/json; charset=utf-16", "Content-Length": "0"},
    {"Content-Type": "text/plain", "Transfer-Encoding": "chunked"},
    {"Content-Type": "", "Content-Length": "0"},
    {"Content-Type": "nonsense", "Content-Encoding": "gzip"},
]


def sent(admin: LiveAdmin, path: str, headers: Mapping[str, str]) -> int:
    """The status of a POST whose header lines are exactly these and whose body is empty."""
    address = urlsplit(admin.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port)
    connection.putrequest("POST", path, skip_accept_encoding=True)
    for name, value in {"Authorization": f"Bearer {admin.root}", **headers}.items():
        connection.putheader(name, value)
    connection.endheaders()
    if "Transfer-Encoding" in headers:
        connection.send(b"0\r\n\r\n")
    status = connection.getresponse().status
    connection.close()
    return status


@pytest.mark.parametrize("headers", EMPTY, ids=str)
def test_ff_28_without_a_body_no_content_type_is_asked_for(live_admin: LiveAdmin, headers: Mapping[str, str]) -> None:
    """Disable, enable and duplicate take an empty body, whatever its headers say about it."""
    made = live_admin.make()

    statuses = [sent(live_admin, f"{made.path}/{verb}", headers) for verb in ("disable", "enable", "duplicate")]

    assert [200, 200, 201] == statuses


def test_ff_28_a_call_that_needs_a_body_says_so(standing_admin: LiveAdmin) -> None:
    """Without a body a create is 400 and says that it is empty, not 415."""
    answer = standing_admin.call("POST", KEYS, headers={"Content-Type": "text/plain"})

    assert (400, "invalid_json") == (answer.status_code, answer.json()["code"])
    assert "The body is empty; this call needs a JSON object." == answer.json()["detail"]


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf", b" \r\n", b"\xef\xbb\xbf{}", b"{}"])
def test_ff_32_a_body_of_nothing_but_a_mark_counts_as_empty(live_admin: LiveAdmin, body: bytes) -> None:
    """Where the body is optional, a byte order mark or blanks alone say nothing."""
    made = live_admin.make()
    as_json = {"Content-Type": "application/json"}

    assert 200 == live_admin.call("POST", f"{made.path}/disable", content=body, headers=as_json).status_code


@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_ff_32_a_body_that_begins_with_a_mark_is_read(live_admin: LiveAdmin, method: str) -> None:
    """A body as .NET writes it means the same as one without the byte order mark."""
    path = live_admin.make().path if method == "PATCH" else KEYS
    as_json = {"Content-Type": "application/json; charset=utf-8"}

    answer = live_admin.call(method, path, content='{"name": "Zoë"}'.encode("utf-8-sig"), headers=as_json)

    assert answer.status_code in {200, 201}
    assert "Zoë" == answer.json().get("key", answer.json())["name"]


WRONG: list[Mapping[str, object]] = [
    {"content": b"{", "headers": {"Content-Type": "application/json"}},
    {"content": b"a=b", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
    {"content": b"x" * 70_000, "headers": {"Content-Type": "application/json"}},
    {"json": {"nonsense": 1}},
    {"json": {"name": ""}, "params": {"nonsense": "1"}},
    {"json": {"name": "a"}, "headers": {"Idempotency-Key": "a b"}},
]


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: str(wrong)[:40])
@pytest.mark.parametrize("what", ["team", "key"])
def test_what_cannot_be_seen_is_404_whatever_is_sent_to_it(
    standing_admin: LiveAdmin, what: str, wrong: Mapping[str, object]
) -> None:
    """After the permission comes 404: another team's path does not say that its body or query is wrong."""
    ours = standing_admin.make_admin("keys:read", "keys:write").secret
    theirs = standing_admin.make(team=OTHER_TEAM)
    path = f"/v1/teams/{OTHER_TEAM}/keys" if what == "team" else f"{theirs.path}/duplicate"

    assert (404, 403) == (
        standing_admin.call("POST", path, ours, **wrong).status_code,
        standing_admin.call("POST", path, standing_admin.make_admin("keys:read").secret, **wrong).status_code,
    )
