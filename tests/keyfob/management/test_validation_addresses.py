from __future__ import annotations

import pytest

from keyfob.errors import Invalid
from keyfob.management import validation as limits
from tests.keyfob.management.refused_fields import refused

ADDRESSES = [
    ("203.0.113.7", "203.0.113.7"),
    ("203.0.113.7/32", "203.0.113.7/32"),
    ("10.0.0.0/8", "10.0.0.0/8"),
    (" 10.0.0.0/08 ", "10.0.0.0/8"),
    ("2001:DB8:0::/32", "2001:db8::/32"),
    ("2001:db8::0001", "2001:db8::1"),
    ("::ffff:203.0.113.7", "203.0.113.7"),
    ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
    ("0.0.0.0/0", "0.0.0.0/0"),
    ("::/0", "::/0"),
]
BAD_ADDRESSES = [
    ("10.0.0.0/33", "10.0.0.0/33 isn't an IP address or range"),
    ("", " isn't an IP address or range"),
    ("localhost", "localhost isn't an IP address or range"),
    ("10.0.0.0/255.0.0.0", "10.0.0.0/255.0.0.0 isn't an IP address or range"),
    ("fe80::1%eth0", "fe80::1%eth0 isn't an IP address or range"),
    ("010.0.0.1", "010.0.0.1 isn't an IP address or range"),
    ("10.0.0.1\n", None),
    ("10.1.2.3/8", "10.1.2.3/8 has host bits; write 10.0.0.0/8 for the range or 10.1.2.3 for the address"),
    (167772161, "This isn't an IP address or range"),
    ("x" * 70, "x" * 50 + "… isn't an IP address or range"),
]


@pytest.mark.parametrize(("given", "kept"), ADDRESSES)
def test_an_address_is_kept_in_canonical_form(given: str, kept: str) -> None:
    """One address has one spelling; IPv4-mapped IPv6 counts as IPv4."""
    assert (kept,) == limits.clean_addresses([given])


@pytest.mark.parametrize(("given", "detail"), BAD_ADDRESSES)
def test_what_is_no_address_is_refused(given: object, detail: str | None) -> None:
    """Ambiguous or broken ranges are refused with the words of the form; a line end around one is trimmed."""
    if detail is None:
        assert 1 == len(limits.clean_addresses([given]))
        return
    with pytest.raises(Invalid) as caught:
        limits.clean_addresses(["10.0.0.0/8", given])

    assert [("/ip_allow/1", detail)] == refused(caught)


def test_addresses_keep_their_order_without_repeats() -> None:
    """The same range in two spellings is one."""
    given = ["203.0.113.7", "10.0.0.0/8", "203.0.113.7/32", "::ffff:203.0.113.7"]

    assert ("203.0.113.7", "10.0.0.0/8") == limits.clean_addresses(given)


def test_no_addresses_means_no_limit() -> None:
    """None and an empty list both clear it."""
    assert [(), ()] == [limits.clean_addresses(None), limits.clean_addresses([])]


def test_no_more_than_64_addresses() -> None:
    """The list is looked through on the way of a request, so it stays short."""
    many = [f"10.0.0.{number}" for number in range(65)]

    assert 64 == len(limits.clean_addresses(many[:64]))
    with pytest.raises(Invalid) as caught:
        limits.clean_addresses(many)
    assert [("/ip_allow", "At most 64 addresses are allowed")] == refused(caught)
