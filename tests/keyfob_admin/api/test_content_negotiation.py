from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from msgspec import json
from starlette.datastructures import Headers
from starlette.requests import Request

from keyfob import errors
from keyfob_admin import problems
from keyfob_admin.api import Call
from keyfob_admin.problems import PROBLEM_JSON, Problem, problem_of, problem_response
from keyfob_admin.wire import MAX_BODY, idempotency_key, read_body
from keyfob_admin.wire.content_negotiation import prefers
from keyfob_admin.wire.media_types import JSON, MERGE_PATCH, NDJSON
from keyfob_admin.wire.requests import CreateKey, Nothing, UsageQuery
from keyfob_admin.wire.views import NewKey

if TYPE_CHECKING:
    from starlette.types import Message, Scope


class Sender:
    """A client that sends its body in chunks, and remembers how many were taken."""

    def __init__(self, *chunks: bytes, **headers: str) -> None:
        self._chunks = list(chunks)
        self.taken = 0
        encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.scope: Scope = {"type": "http", "method": "POST", "headers": encoded}

    async def receive(self) -> Message:
        self.taken += 1
        body = self._chunks.pop(0) if self._chunks else b""
        return {"type": "http.request", "body": body, "more_body": bool(self._chunks)}

    @property
    def request(self) -> Request:
        return Request(self.scope, self.receive)


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_json_is_read_under_each_of_its_names(content_type: str) -> None:
    """Case, spaces and the charset parameter of the content type don't matter."""
    assert b"{}" == await read_body(Sender(b"{", b"}", content_type=content_type).request)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=application/json",
        "application/jsonp",
        "application/json; charset=utf-16",
        "application/merge-patch+json",
        "text/plain, application/json",
        "application/json, text/plain",
        "",
    ],
)
@pytest.mark.parametrize("length", ["2", None])
async def test_co_02_what_a_foreign_page_can_send_is_refused(content_type: str, length: str | None) -> None:
    """A content type other than JSON is 415 before the body is read, or with its first part if it has no length."""
    declared = {} if length is None else {"content_length": length}
    sender = Sender(b"{}", b"never taken", content_type=content_type, **declared)

    with pytest.raises(Problem) as caught:
        await read_body(sender.request)

    assert (415, "unsupported_media_type") == (caught.value.status, caught.value.code)
    assert (0 if length else 1) == sender.taken


async def test_a_body_without_a_content_type_is_refused_and_no_body_needs_none() -> None:
    """What is not said to be JSON is not taken for JSON; where there is nothing, nothing need be said."""
    with pytest.raises(Problem) as caught:
        await read_body(Sender(b"{}").request)

    assert 415 == caught.value.status
    assert b"" == await read_body(Sender().request)


async def test_a_compressed_body_is_refused() -> None:
    """There is no decompression, so no small body can become a large one."""
    with pytest.raises(Problem) as caught:
        await read_body(Sender(b"{}", content_type=JSON, content_encoding="gzip").request)

    assert 415 == caught.value.status


async def test_patch_takes_merge_patches_too() -> None:
    """The media type of RFC 7396 is accepted where the route names it."""
    sender = Sender(b"{}", content_type=MERGE_PATCH)

    assert b"{}" == await read_body(sender.request, media_types=(JSON, MERGE_PATCH))


async def test_dl_09_a_body_that_says_it_is_too_long_is_not_read() -> None:
    """Content-Length alone is enough to refuse."""
    sender = Sender(b"x", content_type=JSON, content_length=str(MAX_BODY + 1))

    with pytest.raises(Problem) as caught:
        await read_body(sender.request)

    assert (413, 0) == (caught.value.status, sender.taken)


async def test_dl_09_a_body_that_grows_too_long_is_not_read_to_its_end() -> None:
    """Without a Content-Length the bytes are counted as they come."""
    sender = Sender(b"x" * MAX_BODY, b"x", b"never taken", content_type=JSON)

    with pytest.raises(Problem) as caught:
        await read_body(sender.request)

    assert (413, 2) == (caught.value.status, sender.taken)


async def test_a_length_that_is_no_number_is_not_believed() -> None:
    """Whatever Content-Length says, the bytes are counted."""
    sender = Sender(b"x" * MAX_BODY, b"x", content_type=JSON, content_length="no number")

    with pytest.raises(Problem) as caught:
        await read_body(sender.request)

    assert 413 == caught.value.status


async def test_dl_09_a_body_of_the_limit_is_read() -> None:
    """64 KiB are allowed."""
    sender = Sender(b"x" * MAX_BODY, content_type=JSON, content_length=str(MAX_BODY))

    assert MAX_BODY == len(await read_body(sender.request))


@pytest.mark.parametrize("key", ["a", "a" * 255, 'K-"1"', "~"])
def test_an_idempotency_key_is_taken_as_it_is(key: str) -> None:
    """1–255 visible characters are a key."""
    assert key == idempotency_key(Headers({"idempotency-key": key}))


@pytest.mark.parametrize("lines", [[b""], [b"a" * 256], [b"a\x7f"], [b"\xc3\xa9"], [b"a b"], [b"a", b"a"]])
def test_a_bad_idempotency_key_is_refused(lines: list[bytes]) -> None:
    """Too long, invisible, foreign or repeated keys are 400, never silently ignored."""
    headers = Headers(raw=[(b"idempotency-key", line) for line in lines])

    with pytest.raises(Problem) as caught:
        idempotency_key(headers)

    assert (400, "invalid_request") == (caught.value.status, caught.value.code)


PREFERS = [NDJSON, f"{NDJSON}, */*;q=0.1", f"application/json;q=0.5, {NDJSON}", f"{NDJSON}, application/json"]
PREFERS_NOT = ["", "*/*", "application/json", f"{NDJSON};q=0", f"{NDJSON};q=0.5, application/json", f"{NDJSON};q=x"]


@pytest.mark.parametrize("accept", PREFERS)
def test_a_stream_is_given_to_who_asks_for_it(accept: str) -> None:
    """The media type itself, with at least JSON's weight, asks for the stream."""
    assert prefers(NDJSON, accept)


@pytest.mark.parametrize("accept", PREFERS_NOT)
def test_a_stream_is_not_given_to_anybody_else(accept: str) -> None:
    """A wildcard, a smaller weight or none does not ask for the stream."""
    assert not prefers(NDJSON, accept)


EVERY_REFUSAL = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.Refused)]


@pytest.mark.parametrize("kind", EVERY_REFUSAL)
def test_every_refusal_of_the_lifecycle_has_a_status(kind: type[errors.Refused]) -> None:
    """A new kind of refusal cannot become a 500 by being forgotten."""
    assert kind is errors.Refused or kind in problems.STATUSES


def test_a_problem_carries_our_request_id_and_is_not_cached() -> None:
    """Body and header name the same request; the client's own id is not repeated."""
    scope: Scope = {"type": "http", "headers": [(b"x-request-id", b"theirs")]}

    response = problem_response(scope, problem_of(errors.Invalid(("/name", "Enter a name"))))

    body = json.decode(response.body)
    assert PROBLEM_JSON == response.headers["content-type"]
    assert "no-store" == response.headers["cache-control"]
    assert body["request_id"] == response.headers["x-request-id"] != "theirs"
    assert {
        "type": "about:blank",
        "title": "Unprocessable content",
        "status": 422,
        "detail": "Some values are not acceptable.",
        "code": "validation_failed",
        "request_id": body["request_id"],
        "errors": [{"pointer": "/name", "detail": "Enter a name"}],
    } == body


def test_a_ceiling_names_what_is_missing() -> None:
    """Who may not hand on a permission is told which."""
    details = problem_of(errors.ExceedsOwnPermissions(("items:write",)))

    assert (403, "exceeds_own_permissions", ["items:write"]) == (
        details.status,
        details.code,
        details.missing_permissions,
    )


def test_what_is_not_found_is_always_told_in_the_same_words() -> None:
    """Whatever the lifecycle says, another team's key looks like one that never was."""
    assert problem_of(errors.NotFound()) == problem_of(errors.NotFound("that key belongs to team b"))


def test_an_unavailable_store_is_503_with_retry_after_and_none_of_its_words() -> None:
    """What the database said is for the log alone."""
    response = problem_response({"type": "http"}, problem_of(errors.Saturated("host=10.0.0.7 password=x")))

    assert (503, "1") == (response.status_code, response.headers["retry-after"])
    assert b"10.0.0.7" not in response.body


def test_an_unknown_error_of_keyfob_is_internal() -> None:
    """What nobody gave a status is a 500 that tells nothing."""
    assert (500, "internal") == (problem_of(errors.KeyfobError("x")).status, problem_of(errors.ConfigError("x")).code)


def test_a_handler_that_asks_for_what_its_route_does_not_name_fails() -> None:
    """A handler and its row in the table cannot disagree unnoticed."""
    call = Call(Request({"type": "http"}), None, body=Nothing())  # type: ignore[arg-type]

    assert Nothing() == call.sent(Nothing)
    with pytest.raises(TypeError, match="CreateKey"):
        call.sent(CreateKey)
    with pytest.raises(TypeError, match="UsageQuery"):
        call.asked(UsageQuery)


def test_the_answer_that_holds_a_secret_does_not_print_it() -> None:
    """The repr of a new key leaves its secret out."""
    assert "kf_secret" not in repr(NewKey(None, "kf_secret"))  # type: ignore[arg-type]
