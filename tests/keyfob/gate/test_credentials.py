from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyfob.gate.credentials import CredentialReader, one_key, split_headers, stripped
from keyfob.gate.verdict import Reason

KEY = b"kf_api_7Qx2mB9tKd03LpWz_" + b"0" * 64
HOST = (b"host", b"example.com")


def read(headers: list[tuple[bytes, bytes]]) -> bytes | Reason:
    text, carrier = CredentialReader().read(split_headers(headers)[1])
    return text if carrier is None or isinstance(text, Reason) else one_key(text, carrier)


def without_key(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    _, sensitive = split_headers(headers)
    return stripped(headers, sensitive, CredentialReader().read(sensitive)[1])


def as_they_came(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return stripped(headers, split_headers(headers)[1], None)


def authorization(value: bytes) -> tuple[bytes, bytes]:
    return (b"authorization", value)


def api_key(value: bytes) -> tuple[bytes, bytes]:
    return (b"x-api-key", value)


BEARER = authorization(b"Bearer " + KEY)


def test_cp_01_no_credential_is_missing() -> None:
    """A request without any credential is told apart from one with a bad credential."""
    assert Reason.MISSING == read([HOST, (b"cookie", KEY), (b"accept", b"*/*")])


def test_cp_02_junk_is_handed_on_as_it_is() -> None:
    """What follows Bearer is somebody else's to judge."""
    assert b"junk" == read([HOST, authorization(b"Bearer junk")])


@pytest.mark.parametrize("header", [BEARER, api_key(KEY)])
def test_cp_03_either_header_presents_the_key(header: tuple[bytes, bytes]) -> None:
    """A key can come in Authorization or in X-API-Key."""
    assert KEY == read([HOST, header])


@pytest.mark.parametrize("headers", [[BEARER, api_key(KEY)], [api_key(KEY), BEARER], [BEARER, api_key(b"")]])
def test_cp_04_two_credentials_are_refused(headers: list[tuple[bytes, bytes]]) -> None:
    """Both headers at once are refused, even with the same key in them."""
    assert Reason.AMBIGUOUS == read(headers)


@pytest.mark.parametrize("other", [b"Bearer junk", b"Basic eDp5", b"", b"Bearer " + KEY])
def test_cp_05_two_authorization_lines_are_refused(other: bytes) -> None:
    """A second Authorization line of any scheme is refused, whichever comes first."""
    assert Reason.AMBIGUOUS == read([BEARER, HOST, authorization(other)])
    assert Reason.AMBIGUOUS == read([authorization(other), HOST, BEARER])


def test_cp_05_two_api_key_lines_are_refused() -> None:
    """A second X-API-Key line is refused, even if it says the same."""
    assert Reason.AMBIGUOUS == read([api_key(KEY), api_key(KEY)])


@pytest.mark.parametrize("value", [b"Basic eDp5, Bearer " + KEY, b"Basic eDp5,bearer " + KEY, b"Negotiate,BEARER"])
def test_cp_05_lines_joined_on_the_way_are_refused(value: bytes) -> None:
    """Two Authorization lines that an intermediary joined to one are still two."""
    assert Reason.AMBIGUOUS == read([authorization(value)])
    assert Reason.AMBIGUOUS == read([authorization(value), api_key(KEY)])


@pytest.mark.parametrize("value", [b"Bearer", b"bearer", b"Bearer ", b"Bearer   ", b" Bearer", b"Bearer\t"])
def test_cp_11_bearer_alone_is_refused(value: bytes) -> None:
    """The scheme without a key is a malformed request, not a missing key."""
    assert Reason.AMBIGUOUS == read([authorization(value)])


@pytest.mark.parametrize("value", [b"", b" ", b"  \t"])
def test_cp_11_an_empty_api_key_is_refused(value: bytes) -> None:
    """An empty X-API-Key is a malformed request, beside another scheme too."""
    assert Reason.AMBIGUOUS == read([api_key(value)])
    assert Reason.AMBIGUOUS == read([authorization(b"Basic eDp5"), api_key(value)])


NOT_BEARER = [b"", b" ", b"\t", b"Basic eDp5", b"Bearerkey", b"Bear er", KEY, b'Digest username="x", realm="y"']


@pytest.mark.parametrize("value", NOT_BEARER)
def test_cp_12_other_schemes_are_not_ours(value: bytes) -> None:
    """Another scheme alone presents no key, and leaves X-API-Key to present one; two keys in any form are refused."""
    assert Reason.MISSING == read([authorization(value)])
    assert (Reason.AMBIGUOUS if value == KEY else KEY) == read([authorization(value), api_key(KEY)])


@pytest.mark.parametrize("sensitive", [b"\x07", b"\x7f", b"\x1b[31m", b"\x00", b"\xff", b"\xc3\xa9"])
def test_cp_14_unusual_bytes_are_handed_on_untouched(sensitive: bytes) -> None:
    """Control characters and bytes beyond ASCII stay in the text, so that the key is refused for them later."""
    assert KEY + sensitive + b"x" == read([authorization(b"Bearer " + KEY + sensitive + b"x")])
    assert KEY + sensitive + b"x" == read([api_key(KEY + sensitive + b"x")])


@pytest.mark.parametrize("size", [60_000, 200_000])
def test_cp_15_a_huge_credential_is_handed_on_whole(size: int) -> None:
    """Length is for the parser of keys to judge; nothing is cut off on the way."""
    assert b"a" * size == read([authorization(b"Bearer " + b"a" * size)])


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
@pytest.mark.parametrize("spaces", [b" ", b"   "])
def test_the_scheme_is_read_in_any_case(scheme: bytes, spaces: bytes) -> None:
    """The scheme is written in any case, with one or more spaces after it (RFC 9110, section 11.1)."""
    assert KEY == read([authorization(scheme + spaces + KEY)])


@pytest.mark.parametrize("value", [KEY.upper(), KEY.lower(), b'"' + KEY + b'"', b"kf%5fapi", KEY + b"\xe2\x80\x8b"])
def test_cp_21_the_key_is_not_tidied(value: bytes) -> None:
    """A key in other letters, quoted or encoded is another text, and is handed on as that."""
    assert value == read([authorization(b"Bearer " + value)])


@pytest.mark.parametrize("value", [KEY + b"," + KEY, KEY + b", x", b"a b", b"a\tb", b"\t" + KEY, b",", KEY + b" x=y"])
def test_two_keys_in_one_line_are_refused(value: bytes) -> None:
    """A comma or an inner space makes two things of a Bearer value, so it is refused."""
    assert Reason.AMBIGUOUS == read([authorization(b"Bearer " + value)])


@pytest.mark.parametrize("value", [KEY + b"," + KEY, KEY + b", x", b","])
def test_two_keys_joined_in_x_api_key_are_refused(value: bytes) -> None:
    """A comma is how a proxy joins repeated headers, so it stands for two keys."""
    assert Reason.AMBIGUOUS == read([api_key(value)])


def test_a_space_inside_x_api_key_is_only_a_bad_key() -> None:
    """X-API-Key has no scheme and no parameters, so a space in it is part of a text that is no key."""
    assert b"a b" == read([api_key(b" a b\t")])


def test_names_are_read_in_any_case() -> None:
    """A server that does not lower the names of headers cannot smuggle a second credential past."""
    assert KEY == read([(b"Authorization", b"Bearer " + KEY)])
    assert Reason.AMBIGUOUS == read([BEARER, (b"X-API-Key", KEY)])
    assert Reason.AMBIGUOUS == read([BEARER, (b"AUTHORIZATION", b"")])


def test_names_of_the_same_length_are_no_credentials() -> None:
    """Only the name decides, never its length."""
    assert Reason.MISSING == read([(b"cache-control", b"Bearer " + KEY), (b"x-api_key", KEY)])


WORDS = st.sampled_from([b"Bearer", b"bearer", b"Basic", b" ", b",", b"\t", b"kf_1", b"kf_2", b"Bearer kf_1"])
LINES = st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"host"]), st.lists(WORDS).map(b"".join)))


def presents(name: bytes, value: bytes, *, alone: bool) -> bool:
    scheme, _, text = (value.replace(b"\t", b" ").lstrip(b" ") + b" ").partition(b" ")
    is_bearer = name == b"authorization" and scheme.lower() == b"bearer"
    return name == b"x-api-key" or (is_bearer and (alone or text.lstrip(b" ").startswith(b"kf_")))


@given(LINES)
def test_what_is_read_stands_once_in_the_headers(headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever the headers, an accepted text is whole, and the only credential there is."""
    text = read(headers)

    if isinstance(text, bytes):
        assert text
        assert b"," not in text
        assert text == text.strip(b" \t")
        alone = all(name != b"x-api-key" for name, _ in headers)  # beside one, a foreign Bearer is the application's
        assert 1 == sum(presents(name, value, alone=alone) for name, value in headers)
        assert not any(presents(name, value, alone=alone) for name, value in without_key(headers))


def test_the_header_that_carried_the_key_is_taken_out() -> None:
    """The application never sees the key, unless it is forwarded on purpose."""
    assert [HOST] == without_key([BEARER, HOST])
    assert [HOST] == without_key([HOST, (b"X-Api-Key", KEY)])
    assert [BEARER, HOST] == as_they_came([BEARER, HOST])
    assert [HOST, api_key(KEY)] == as_they_came([HOST, api_key(KEY)])


@pytest.mark.parametrize("value", [b"bearer " + KEY, b"BEARER  " + KEY, b" Bearer " + KEY, b"Bearer"])
def test_every_writing_of_bearer_is_taken_out(value: bytes) -> None:
    """What was read as Bearer is also taken out as Bearer."""
    assert [] == without_key([(b"Authorization", value)])


def test_cp_12_another_scheme_beside_the_key_stays() -> None:
    """Authorization of another scheme is the application's own."""
    basic = authorization(b"Basic eDp5")

    assert [basic, HOST] == without_key([basic, api_key(KEY), HOST])


OURS = [b"x-keyfob-team", b"X-Keyfob-Key-Id", b"x_keyfob_team", b"X-KEYFOB_permissions", b"x-keyfob-", b"x_keyfob-name"]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("credential", [True, False])
def test_headers_of_keyfob_never_come_from_outside(name: bytes, *, credential: bool) -> None:
    """Nobody can send what only Keyfob says, in any spelling that a gateway may take for it."""
    headers = [HOST, BEARER, (name, b"forged")]

    assert ([HOST] if credential else [HOST, BEARER]) == (without_key if credential else as_they_came)(headers)


@pytest.mark.parametrize("name", [b"x-keyfobs-team", b"x-request-id", b"cache-control", b"", b"x", b"my-x-keyfob-team"])
def test_other_headers_stay(name: bytes) -> None:
    """What is not ours and not the key stays as it came."""
    assert [(name, b"1")] == as_they_came([(name, b"1")])


FOREIGN = [b"Bearer eyJhbGciOi.e30.x", b"bearer  opaque", b"Bearer KF_api_1", b"Bearer kfapi", b"Negotiate abc==", b""]
MAYBE_OURS = [b"Bearer", b"Bearer  ", b"Bearer kf_", b"bearer kf_api_x", b"Bearer " + KEY, b"Basic x, Bearer y"]
MAYBE_OURS += [b"Bearer a b", b"Bearer a,b", b"Bearer \tx", b"Token " + KEY, KEY, b'Bearer "' + KEY + b'"']


@pytest.mark.parametrize("value", FOREIGN)
def test_ff_69_a_bearer_token_of_the_applications_own_stays_beside_our_key(value: bytes) -> None:
    """An Authorization that is not ours beside an X-API-Key is the application's: it is left in the headers."""
    headers = [authorization(value), HOST, api_key(KEY)]

    assert KEY == read(headers)
    assert [authorization(value), HOST] == without_key(headers)


@pytest.mark.parametrize("value", MAYBE_OURS)
def test_ff_69_what_may_be_ours_twice_is_refused(value: bytes) -> None:
    """Two of our keys in any form, and what cannot be read in one way, are refused."""
    assert Reason.AMBIGUOUS == read([authorization(value), api_key(KEY)])


def test_ff_69_the_prefix_is_the_configured_one() -> None:
    """What begins with another installation's prefix is foreign, and with ours is not, whatever ours is."""
    both = [authorization(b"Bearer acme_api_x"), api_key(b"acme_api_y")]

    assert b"acme_api_y" == CredentialReader().read(both)[0]
    assert Reason.AMBIGUOUS == CredentialReader("acme").read(both)[0]


@pytest.mark.parametrize("blank", [b" ", b"\t", b" \t ", b"\t\t", b"  "])
def test_ff_11_whitespace_behind_a_value_is_no_part_of_it(blank: bytes) -> None:
    """Spaces and tabs around a field's value are not its own (RFC 9110, section 5.5)."""
    assert KEY == read([authorization(b"Bearer " + KEY + blank)])
    assert KEY == read([authorization(blank + b"Bearer  " + KEY + blank)])
    assert KEY == read([api_key(blank + KEY + blank)])
    assert Reason.AMBIGUOUS == read([authorization(b"Bearer" + blank)])
    assert Reason.AMBIGUOUS == read([api_key(blank)])


class Counted(bytes):
    """A header's name that counts how often it is compared or taken apart."""

    looks = 0

    def __eq__(self, other: object) -> bool:
        Counted.looks += 1
        return bytes.__eq__(self, other)

    __hash__ = bytes.__hash__


@pytest.mark.parametrize("count", [100, 20_000])
def test_ff_17_headers_are_gone_through_a_fixed_number_of_times(count: int) -> None:
    """To take out forged headers costs a few looks at each one, not one for each other one."""
    Counted.looks = 0
    headers = [HOST, *((Counted(b"X-Keyfob-A"), b"x") for _ in range(count))]

    assert [HOST] == as_they_came(headers)
    assert Counted.looks <= 6 * count


def test_ff_17_a_key_is_not_looked_for_among_thousands_of_headers() -> None:
    """More headers than any client sends are refused before the first one is read."""
    few = [(b"x-a", b"1")] * 200

    assert KEY == read([*few, BEARER])
    assert Reason.AMBIGUOUS == read([*few * 2, BEARER])
