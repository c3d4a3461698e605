from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.refusals import kind_of
from tests.end_to_end.server import StartError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.end_to_end.conftest import Keys, Origin
    from tests.end_to_end.raw import Headers
    from tests.end_to_end.server import Server


@pytest.fixture
def refusing(server: Server) -> Iterator[Server]:
    """The server, held to let nothing through and to spend nothing."""
    server.stats()
    with server.unmoved("handled", "store_reads", "argon2_verifications"):
        yield server


def test_cp_01_a_request_without_a_key_is_challenged(refusing: Server) -> None:
    """Without a credential the answer is 401, with a challenge that names no error (RFC 6750, section 3)."""
    answer = refusing.ask("/items")

    assert "N401" == kind_of(answer)
    assert 'Bearer realm="keyfob"' == answer.one("www-authenticate")


def test_cp_02_junk_is_no_key(refusing: Server) -> None:
    """What is no key is 401 with error="invalid_token" (RFC 6750, section 3.1)."""
    assert "B401" == kind_of(refusing.ask("/items", {"Authorization": "Bearer junk"}), "junk")


@pytest.mark.cases("FF-11")
@pytest.mark.parametrize(
    "header",
    [
        "Authorization: Bearer {}",
        "X-API-Key: {}",
        "authorization: bEARER {}",
        "AUTHORIZATION:Bearer {}",
        "Authorization:  Bearer   {}  ",
        "x-api-key:{}",
        "X-Api-Key: {} ",
        "Authorization: Bearer {} \t ",
        "Authorization:\tBearer {}\t",
        "X-API-Key:\t{}\t \t",
    ],
)
def test_cp_03_a_key_is_taken_from_either_header(server: Server, keys: Keys, header: str) -> None:
    """A valid key is admitted in Authorization and in X-API-Key, in any case of the names."""
    line = header.format(keys.reader.text)

    assert 200 == server.raw(f"GET /items HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode()).status


TWICE: list[tuple[str, str]] = [
    ("Authorization: Bearer {0}", "X-API-Key: {0}"),
    ("X-API-Key: {0}", "Authorization: Bearer {0}"),
    ("Authorization: Bearer {0}", "X-API-Key: junk"),
]


@pytest.mark.parametrize(("first", "second"), TWICE)
def test_cp_04_two_credentials_are_refused(refusing: Server, keys: Keys, first: str, second: str) -> None:
    """A key in each header is 400, even if both are the same."""
    assert "B400" == kind_of(refusing.raw(_lines(keys, first, second)), keys.reader.text)


REPEATED: list[tuple[str, str]] = [
    ("Authorization: Bearer {0}", "Authorization: Bearer junk"),
    ("Authorization: Bearer junk", "Authorization: Bearer {0}"),
    ("Authorization: Bearer {0}", "Authorization: Bearer {0}"),
    ("AUTHORIZATION: Bearer {0}", "authorization: Bearer {1}"),
    ("Authorization: Basic YTpi", "Authorization: Bearer {0}"),
    ("Authorization: Bearer {0}", "aUTHORIZATION: Basic YTpi"),
    ("Authorization:", "Authorization: Bearer {0}"),
    ("Authorization: Bearer {0}", "Authorization:"),
    ("X-API-Key: {0}", "X-API-Key: {0}"),
    ("X-API-Key: {0}", "x-api-KEY: {1}"),
    ("X-API-Key:", "X-API-Key: {0}"),
    ("Accept: a\r\nAuthorization: Bearer {0}", "X-Other: b\r\nAuthorization: Bearer {1}"),
]


@pytest.mark.parametrize(("first", "second"), REPEATED)
def test_cp_05_a_header_sent_twice_is_refused(refusing: Server, keys: Keys, first: str, second: str) -> None:
    """Two lines of one credential header are 400, whichever holds the valid key, in whatever spelling."""
    assert "B400" == kind_of(refusing.raw(_lines(keys, first, second)), keys.reader.text)


@pytest.mark.parametrize("joined", ["{0},{0}", "{0}, Bearer {1}", "{0} {1}", "{0}\t{1}", ",{0}", "{0},"])
def test_cp_05_two_keys_in_one_line_are_refused(refusing: Server, keys: Keys, joined: str) -> None:
    """What an intermediary makes that joins repeated headers is 400, too."""
    value = joined.format(keys.reader.text, keys.writer.text)

    assert "B400" == kind_of(refusing.ask("/items", {"Authorization": f"Bearer {value}"}), keys.reader.text)
    kind = "B400" if "," in value else "B401"  # a list of keys, or no key
    assert kind == kind_of(refusing.ask("/items", {"X-API-Key": value}), keys.reader.text)


@pytest.mark.parametrize("line", ["Authorization: Bearer", "Authorization: bearer   ", "X-API-Key:", "X-API-Key:   "])
def test_cp_11_an_empty_credential_is_malformed(refusing: Server, line: str) -> None:
    """Bearer without a token, and an empty X-API-Key, are 400."""
    assert "B400" == kind_of(refusing.raw(f"GET /items HTTP/1.1\r\nHost: x\r\n{line}\r\n\r\n".encode()))


@pytest.mark.parametrize("value", ["Basic YTpi", "Digest a=b", "", "Bearerkf_api", "{}", "Token {}"])
def test_cp_12_other_schemes_carry_no_key(refusing: Server, keys: Keys, value: str) -> None:
    """An Authorization of another scheme is no credential of ours: 401 without an error."""
    answer = refusing.ask("/items", {"Authorization": value.format(keys.reader.text)})

    assert "N401" == kind_of(answer, keys.reader.text)


@pytest.mark.cases("FF-69")
@pytest.mark.parametrize(
    "theirs", ["Basic YTpi", "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "bearer  opaque", "Token abc", "Digest a=b, c=d"]
)
def test_cp_12_another_scheme_may_stand_beside_a_key(server: Server, keys: Keys, theirs: str) -> None:
    """Whatever of the application's own stands beside a valid X-API-Key, the request is admitted by the key."""
    headers = {"Authorization": theirs, "X-API-Key": keys.reader.text}

    assert 200 == server.ask("/items", headers).status


@pytest.mark.parametrize("character", ["\x07", "\x7f", "\x1b", "\x00", "\x01", "\x85", "\xff"])
@pytest.mark.parametrize("at", [0, 20, 101])
def test_cp_14_control_characters_make_no_key(refusing: Server, keys: Keys, character: str, at: int) -> None:
    """A key with a control character in it is refused, and nothing of it reaches the log unescaped."""
    text = keys.reader.text[:at] + character + keys.reader.text[at:]
    printed = len(refusing.printed())
    answer = refusing.ask("/items", {"X-API-Key": text})

    assert kind_of(answer) in {"B401", "400"}
    added = refusing.printed()[printed:]
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", added.replace("\x1b[", ""))
    assert keys.reader.text[-64:-21] not in added


@pytest.mark.parametrize("size", [60_000, 200_000])
@pytest.mark.parametrize("header", ["Authorization: Bearer ", "X-API-Key: "])
def test_cp_15_a_huge_credential_costs_nothing(refusing: Server, keys: Keys, header: str, size: int) -> None:
    """A credential of 60 or 200 KB is refused by Keyfob or by the server, without a read or a hash."""
    for text in ("k" * size, (keys.reader.text * (size // 100))[:size]):
        answer = refusing.raw(f"GET /items HTTP/1.1\r\nHost: x\r\n{header}{text}\r\n\r\n".encode())

        assert "B401" == kind_of(answer) or (answer.status in range(400, 500) and answer.status != 401)


@pytest.mark.parametrize(
    "query", ["api_key={}", "access_token={}", "key={}", "x-api-key={}", "authorization=Bearer%20{}"]
)
def test_cp_18_a_key_in_the_query_is_none(refusing: Server, place: Origin, query: str) -> None:
    """A valid key in the query string counts for nothing; only the server's own access log shows it."""
    text = place.issue("items:read", canary=False).text
    printed = len(refusing.printed())

    assert "N401" == kind_of(refusing.ask(f"/items?{query.format(text)}"), text)
    lines = refusing.printed()[printed:].splitlines()
    assert [] == [line for line in lines if text in line and '"GET /items?' not in line]


@pytest.mark.parametrize(
    "carrier", ["Cookie: x-api-key={}", "Cookie: Authorization=Bearer {}", "Proxy-Authorization: Bearer {}"]
)
def test_a_key_anywhere_else_is_none(refusing: Server, keys: Keys, carrier: str) -> None:
    """Neither cookies nor the headers of proxies carry a key."""
    assert "N401" == kind_of(refusing.raw(_lines(keys, carrier)), keys.reader.text)


@pytest.mark.parametrize("body", ["api_key={}", '{{"api_key": "{}"}}'])
def test_a_key_in_the_body_is_none(refusing: Server, keys: Keys, body: str) -> None:
    """Bodies are not looked at."""
    answer = refusing.ask("/items", method="POST", body=body.format(keys.writer.text).encode())

    assert "N401" == kind_of(answer, keys.writer.text)


ALTERED: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "lower": str.lower,
    "quoted": lambda text: f'"{text}"',
    "in single quotes": lambda text: f"'{text}'",
    "in brackets": lambda text: f"<{text}>",
    "underscores encoded": lambda text: text.replace("_", "%5F"),
    "all encoded": lambda text: "".join(f"%{ord(character):02x}" for character in text),
    "zero-width space behind": lambda text: text + "\u200b".encode().decode("latin-1"),
    "zero-width space before": lambda text: "\u200b".encode().decode("latin-1") + text,
    "no-break space behind": lambda text: text + "\xa0",
    "padded": lambda text: text + "=",
    "shorter": lambda text: text[:-1],
    "longer": lambda text: text + text[-1],
    "prefixed twice": lambda text: f"kf_{text}",
}


@pytest.mark.parametrize("alter", ALTERED.values(), ids=ALTERED)
def test_cp_21_every_byte_counts(refusing: Server, keys: Keys, alter: Callable[[str], str]) -> None:
    """A key in another case, quoted, encoded, or with an invisible character is another text, which is no key."""
    text = alter(keys.reader.text)

    for headers in ({"X-API-Key": text}, {"Authorization": f"Bearer {text}"}):
        assert "B401" == kind_of(refusing.ask("/items", headers), text)


def test_cp_22_a_realm_is_escaped(sensitive: Server) -> None:
    """Quotes and backslashes of the realm are escaped, so that the header parses (RFC 9110, section 5.6.4)."""
    answer = sensitive.ask("/items")

    assert "N401" == kind_of(answer)
    assert r'Bearer realm="the \"odd\\one\""' == answer.one("www-authenticate")


def test_cp_22_a_realm_that_no_header_holds_stops_the_start(alone: Callable[..., Server], place: Origin) -> None:
    """A realm that would end the header's line is refused before anything is served."""
    with pytest.raises(StartError, match="ConfigError: realm"):
        alone(place, realm="a\r\nX-Evil: 1")


PREFLIGHT = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}


def test_cp_24_a_preflight_needs_a_key(refusing: Server) -> None:
    """A CORS preflight is refused like any other request unless it is allowed."""
    assert "N401" == kind_of(refusing.ask("/items", PREFLIGHT, method="OPTIONS"))


def test_cp_24_an_allowed_preflight_lets_nothing_else_through(sensitive: Server, keys: Keys) -> None:
    """With allow_preflight the application answers OPTIONS with both headers, without a grant, and no other request."""
    assert 405 == sensitive.ask("/items", PREFLIGHT, method="OPTIONS").status
    with sensitive.unmoved("handled"):
        for headers in ({"Origin": "https://a.example"}, {"Access-Control-Request-Method": "GET"}, {}):
            assert "N401" == kind_of(sensitive.ask("/items", headers, method="OPTIONS"))
        assert 401 == sensitive.ask("/items", PREFLIGHT, method="HEAD").status
        for method in ("GET", "POST", "options", "OPTIONSX"):
            assert kind_of(sensitive.ask("/items", PREFLIGHT, method=method)) in {"N401", "M400", "400"}


HIDDEN: list[tuple[bytes, set[str]]] = [
    (b"Authorization: Bearer junk\r\n folded\r\n", {"B400", "400"}),
    (b"Accept: a\r\n Authorization: Bearer %s\r\n", {"N401", "400"}),
    (b"Authorization : Bearer %s\r\n", {"N401", "400"}),
    (b" Authorization: Bearer %s\r\n", {"N401", "400"}),
    (b"Authorization\x00: Bearer %s\r\n", {"N401", "400"}),
    (b"X_API_Key: %s\r\n", {"N401"}),
    (b"X-API-Key\xc2\xad: %s\r\n", {"N401", "400"}),
    (b"X-API-Keys: %s\r\n", {"N401"}),
    (b"Authorizatio: Bearer %s\r\n", {"N401"}),
]


@pytest.mark.parametrize(("lines", "expected"), HIDDEN)
def test_what_only_looks_like_a_credential_header_is_none(
    refusing: Server, keys: Keys, lines: bytes, expected: set[str]
) -> None:
    """Folded lines, blanks around names, NUL and lookalike names carry no key past the reading of headers."""
    lines = lines.replace(b"%s", keys.reader.text.encode())
    answer = refusing.raw(b"GET /items HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")

    assert kind_of(answer, keys.reader.text) in expected


def test_a_folded_key_is_not_put_together(refusing: Server, keys: Keys) -> None:
    """A key that is broken over two lines is never read as if it were whole."""
    text = keys.reader.text.encode()
    answer = refusing.raw(b"GET /items HTTP/1.1\r\nHost: x\r\nX-API-Key: %s\r\n %s\r\n\r\n" % (text[:50], text[50:]))

    assert kind_of(answer) in {"B400", "B401", "400"}


def test_two_thousand_headers_hide_no_second_key(refusing: Server, keys: Keys) -> None:
    """A second credential is found however many headers stand between the two."""
    headers: Headers = [("X-API-Key", keys.reader.text), *[("X-Noise", "1")] * 2000, ("X-API-Key", keys.reader.text)]

    assert kind_of(refusing.ask("/items", headers)) in {"B400", "400", "431"}


def _lines(keys: Keys, *lines: str) -> bytes:
    text = "\r\n".join(lines).format(keys.reader.text, keys.writer.text)
    return f"GET /items HTTP/1.1\r\nHost: x\r\n{text}\r\n\r\n".encode()
