"""Keys in the headers and schemes that the settings name, held to the same cases as those of the defaults."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING

import pytest

from keyfob import ConfigError
from keyfob.gate.credentials import CredentialReader, one_key, split_headers, stripped
from keyfob.gate.verdict import Reason
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard

KEY = b"kf_api_7Qx2mB9tKd03LpWz_" + b"0" * 64
HOST = (b"host", b"example.com")
ACME = CredentialReader(headers=["x-acme-key"])
BOTH = CredentialReader(headers=["authorization", "x-acme-key"], schemes=["bearer", "apikey", "token", "basic"])

Headers = list[tuple[bytes, bytes]]


def read(reader: CredentialReader, headers: Headers) -> bytes | Reason:
    text, carrier = reader.read(split_headers(headers)[1])
    return text if carrier is None or isinstance(text, Reason) else one_key(text, carrier)


def seen_by_app(reader: CredentialReader, headers: Headers) -> Headers:
    _, sensitive = split_headers(headers)
    return stripped(headers, sensitive, reader.read(sensitive)[1])


def basic(text: bytes) -> tuple[bytes, bytes]:
    return (b"authorization", b"Basic " + b64encode(text))


CARRIERS = [
    (b"x-acme-key", KEY),
    (b"X-Acme-Key", KEY + b" "),
    (b"authorization", b"Bearer " + KEY),
    (b"authorization", b"ApiKey " + KEY),
    (b"authorization", b"APIKEY  " + KEY),
    basic(KEY + b":"),
    basic(b":" + KEY),
    basic(b"anybody:" + KEY),
]


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_key_is_read_where_the_settings_say(carrier: tuple[bytes, bytes]) -> None:
    """Every header and scheme that is named carries a key, and is taken out of what the application sees."""
    assert KEY == read(BOTH, [HOST, carrier])
    assert [HOST] == seen_by_app(BOTH, [carrier, HOST])


@pytest.mark.parametrize("first", CARRIERS)
@pytest.mark.parametrize("second", CARRIERS)
def test_cp_04_two_of_ours_in_any_form_are_refused(first: tuple[bytes, bytes], second: tuple[bytes, bytes]) -> None:
    """Whatever two headers hold a key each, the request is refused, even if both are the same."""
    assert Reason.AMBIGUOUS == read(BOTH, [first, HOST, second])


@pytest.mark.parametrize(
    "header", [(b"authorization", b"Bearer " + KEY), (b"x-api-key", KEY), (b"cookie", KEY), basic(KEY + b":")]
)
def test_cp_01_what_is_not_named_presents_nothing(header: tuple[bytes, bytes]) -> None:
    """A key in a header that the settings do not name is no credential; beside one that they name it is a second."""
    assert Reason.MISSING == read(ACME, [header])
    is_second = header[0] in {b"authorization", b"x-api-key"} and KEY in header[1]
    assert (Reason.AMBIGUOUS if is_second else KEY) == read(ACME, [header, (b"x-acme-key", KEY)])


EMPTY = [(b"x-acme-key", b""), (b"x-acme-key", b" \t"), (b"x-acme-key", KEY + b",x"), (b"authorization", b"ApiKey")]
EMPTY += [(b"authorization", b"apikey "), (b"authorization", b"Token \t"), (b"authorization", b"Basic")]
EMPTY += [(b"authorization", b"ApiKey " + KEY + b"," + KEY), (b"authorization", b"Token a b")]


@pytest.mark.parametrize("header", EMPTY)
def test_cp_11_half_a_credential_is_refused(header: tuple[bytes, bytes]) -> None:
    """A named header or scheme without exactly one text is a malformed request."""
    assert Reason.AMBIGUOUS == read(BOTH, [header])


@pytest.mark.parametrize("value", [b"Negotiate x, ApiKey " + KEY, b"Digest a=b,token " + KEY, b"X y, BASIC"])
def test_cp_05_lines_joined_on_the_way_are_refused(value: bytes) -> None:
    """Two Authorization lines that an intermediary joined are two, for every scheme that is named."""
    assert Reason.AMBIGUOUS == read(BOTH, [(b"authorization", value)])


TWICE_IN_BASIC = [
    basic(KEY + b":" + KEY),
    basic(KEY + b":x-oauth-basic"),
    basic(KEY),
    basic(b" " + KEY + b":"),
    basic(b"a:" + KEY + b" "),
    basic(b"a:b:" + KEY),
    basic(b"a:x " + KEY),
    (b"authorization", b"Basic " + b64encode(KEY + b":") + b"===="),
    (b"authorization", b"Basic " + b64encode(KEY + b":").rstrip(b"=")[:-1] + b"!!" + b64encode(KEY + b":")[-2:]),
]


@pytest.mark.parametrize("header", TWICE_IN_BASIC)
def test_basic_is_read_in_one_way_or_not_at_all(header: tuple[bytes, bytes]) -> None:
    """What another program could read differently, or is not the one key of a Basic pair, is refused."""
    assert read(BOTH, [header]) in {Reason.AMBIGUOUS, Reason.MISSING}
    assert Reason.AMBIGUOUS == read(BOTH, [header, (b"x-acme-key", KEY)])


@pytest.mark.parametrize("header", [basic(b"user:secret"), basic(b"user:"), (b"authorization", b"Basic %%%")])
def test_cp_12_a_basic_pair_of_the_application_stays_beside_our_key(header: tuple[bytes, bytes]) -> None:
    """An Authorization without a key of ours is the application's own, also where Basic may carry one."""
    assert KEY == read(BOTH, [header, (b"x-acme-key", KEY)])
    assert [header] == seen_by_app(BOTH, [header, (b"x-acme-key", KEY)])


UNFIT = ["cookie", "host", "x-forwarded-for", "x-keyfob-team", "x-original-uri", "x_api_key", "content-type", "sec-x"]


@pytest.mark.parametrize("name", UNFIT)
def test_a_header_that_means_something_else_cannot_carry_a_key(name: str) -> None:
    """A cookie, and what proxies and browsers set, is a mistake in the settings, found at the start."""
    with pytest.raises(ConfigError, match=f"credential_headers: {name} cannot carry a key"):
        CredentialReader(headers=[name])


MISTAKES: dict[str, list[object]] = {
    "credential_headers": [[], "x-acme-key", ["x acme"], ["x-a", "X-A"], [1], [""]],
    "authorization_schemes": [[], "bearer", ["be arer"], ["bearer", "Bearer"], [None]],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in MISTAKES.items() for value in values])
async def test_mistakes_in_the_names_are_found_at_the_start(guard: Guard, name: str, value: object) -> None:
    """The settings are lists of different names; everything else is a ConfigError that names the setting."""
    with pytest.raises(ConfigError, match=name):
        guard(**{name: value})


@pytest.mark.parametrize("name", ["X-Acme-Key", "x-acme-key"])
async def test_the_middleware_takes_a_key_from_the_named_header_alone(
    guard: Guard, here: Installation, echo: Echo, name: str
) -> None:
    """A key is admitted there, removed before the application, and caches are told that the header matters."""
    app = guard(credential_headers=[name])
    issued = await here.issue("items:read")

    for _ in range(2):  # the second time from the cache
        answer = await ask(app, "/items", {"X-Acme-Key": issued.text})
        assert (200, "x-acme-key") == (answer.status, answer.headers["vary"])
        assert 401 == (await ask(app, "/items", issued.headers)).status
        assert 401 == (await ask(app, "/items", {"X-API-Key": issued.text})).status
    assert all(issued.text not in str(scope["headers"]) for scope in echo.scopes)


async def test_a_known_key_is_refused_under_a_scheme_that_is_not_named(guard: Guard, here: Installation) -> None:
    """What is remembered about a key never lets it in through another door."""
    app = guard(authorization_schemes=["apikey", "basic"])
    issued = await here.issue("items:read")
    pair = b64encode(f"{issued.text}:".encode()).decode()

    for _ in range(2):
        assert 200 == (await ask(app, "/items", {"Authorization": f"ApiKey {issued.text}"})).status
        assert 200 == (await ask(app, "/items", {"Authorization": f"Basic {pair}"})).status
        answer = await ask(app, "/items", issued.headers)
        assert (401, b"missing_key") == (answer.status, answer.body[-13:-2])
