from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ConfigError
from keyfob.gate.client_address import ClientAddress, Networks, canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

PROXY = "10.0.0.1"
TRUSTED = ("10.0.0.0/8", "fd00::/8")


def scope(peer: str | None, *forwarded: str, header: bytes = b"x-forwarded-for") -> dict[str, Any]:
    """A request from *peer*, with one line of the header for each of *forwarded*."""
    return {
        "client": None if peer is None else (peer, 4711),
        "headers": [(b"host", b"x"), *((header, line.encode("latin-1")) for line in forwarded)],
    }


def behind_proxies(*forwarded: str) -> str | None:
    return ClientAddress(TRUSTED).of(scope(PROXY, *forwarded))


def test_ip_01_without_trusted_proxies_the_peer_counts() -> None:
    """A spoofed X-Forwarded-For changes nothing where no proxy is trusted."""
    assert "203.0.113.9" == ClientAddress().of(scope("203.0.113.9", "198.51.100.1"))


def test_ip_01_a_peer_that_is_no_trusted_proxy_cannot_forward() -> None:
    """X-Forwarded-For is read from trusted peers only."""
    assert "203.0.113.9" == ClientAddress(TRUSTED).of(scope("203.0.113.9", "198.51.100.1"))


def test_ip_02_the_rightmost_untrusted_hop_is_the_client() -> None:
    """What stands left of the first untrusted hop is the client's own invention."""
    assert "203.0.113.9" == behind_proxies("198.51.100.1, 203.0.113.9")
    assert "203.0.113.9" == behind_proxies("198.51.100.1, 203.0.113.9, 10.1.2.3, fd00::7")


def test_ip_02_several_lines_are_one_chain() -> None:
    """Lines are read in their order, so that a line sent by the client comes before the proxy's."""
    assert "203.0.113.9" == behind_proxies("198.51.100.1", "203.0.113.9")
    assert "203.0.113.9" == behind_proxies("198.51.100.1,203.0.113.9", "10.1.2.3", "10.4.5.6")


def test_ip_05_the_connection_header_takes_nothing_away() -> None:
    """Naming X-Forwarded-For in Connection does not make it disappear (hop-by-hop abuse)."""
    request = scope(PROXY, "203.0.113.9")
    request["headers"].append((b"connection", b"close, X-API-Key, X-Forwarded-For"))

    assert "203.0.113.9" == ClientAddress(TRUSTED).of(request)


UNREADABLE = [
    "",
    " ",
    "unknown",
    "_hidden",
    "<script>",
    "203.0.113.9,",
    "203.0.113.9, ,",
    "203.0.113.9, unknown",
    "203.0.113.999",
    "203.0.113.09",
    "203.0.113.9:",
    "203.0.113.9:http",
    "203.0.113.9:123456",
    "[2001:db8::1",
    "2001:db8::1]",
    "[2001:db8::1]x",
    "3405803785",
    "0xcb007109",
    "203.0.113.9 198.51.100.1",
    '"203.0.113.9"',
    "for=203.0.113.9",
    "\uff11.2.3.4".encode().decode("latin-1"),
    "1" * 100_000,
]


@pytest.mark.parametrize("forwarded", UNREADABLE)
def test_an_unreadable_hop_makes_the_address_unknown(forwarded: str) -> None:
    """Nothing is guessed past a hop that cannot be read: who forwarded garbage is not believed further."""
    assert None is behind_proxies(forwarded)
    assert None is behind_proxies(f"198.51.100.1, {forwarded}, 10.1.2.3")


READABLE = [
    ("203.0.113.9", "203.0.113.9"),
    ("  203.0.113.9\t", "203.0.113.9"),
    ("203.0.113.9:8080", "203.0.113.9"),
    ("2001:DB8:0::1", "2001:db8::1"),
    ("[2001:db8::1]", "2001:db8::1"),
    ("[2001:db8::1]:443", "2001:db8::1"),
    ("fe80::1%eth0", "fe80::1"),
    ("[fe80::1%eth0]:443", "fe80::1"),
    ("::ffff:203.0.113.9", "203.0.113.9"),
    ("[::ffff:cb00:7109]:1", "203.0.113.9"),
]


@pytest.mark.parametrize(("forwarded", "expected"), READABLE)
def test_hops_are_read_in_every_usual_writing(forwarded: str, expected: str) -> None:
    """Ports, brackets, zone ids and spaces are dropped; IPv4-mapped IPv6 is IPv4."""
    assert expected == behind_proxies(forwarded)


def test_a_chain_of_trusted_proxies_alone_ends_at_its_beginning() -> None:
    """Where every hop is trusted, the first of them made the request."""
    assert "10.9.9.9" == behind_proxies("10.9.9.9, 10.1.2.3")


def test_a_trusted_proxy_that_forwards_nothing_is_the_client() -> None:
    """A proxy's own request, such as a health check, comes from the proxy."""
    assert PROXY == behind_proxies()


def test_a_mapped_address_is_trusted_as_what_it_means() -> None:
    """A dual-stack socket's ::ffff:10.0.0.1 is the trusted 10.0.0.1."""
    assert "203.0.113.9" == ClientAddress(TRUSTED).of(scope("::ffff:10.0.0.1", "203.0.113.9"))
    assert "203.0.113.9" == ClientAddress(["::ffff:10.0.0.0/104"]).of(scope(PROXY, "203.0.113.9"))


def test_a_chain_longer_than_any_real_one_is_unknown() -> None:
    """A made-up chain of thousands of trusted hops is given up early."""
    assert "10.0.0.7" == behind_proxies(",".join(["10.0.0.7"] * 33))
    assert None is behind_proxies(",".join(["10.0.0.7"] * 34))
    assert None is behind_proxies(",".join(["10.0.0.7"] * 50_000))


@pytest.mark.parametrize("peer", ["testclient", "<script>", "x" * 100_000, ""])
def test_a_peer_without_an_address_is_unknown(peer: str) -> None:
    """What a server calls a client without it being an address is no address."""
    assert None is ClientAddress().of(scope(peer))
    assert None is ClientAddress(TRUSTED).of(scope(peer, "203.0.113.9"))


def test_whether_a_peer_is_trusted_depends_on_the_peer_alone() -> None:
    """The word of a trusted proxy counts, also where it forwards nothing; of nobody else, whatever he forwards."""
    trusting, unix = ClientAddress(["10.0.0.0/8"]), ClientAddress(["unix"])
    forwarded = [(b"x-forwarded-for", b"10.0.0.1")]

    assert trusting.trusts_peer_of({"client": ("10.0.0.1", 1), "headers": []})
    assert trusting.trusts_peer_of({"client": ("::ffff:10.0.0.1", 1), "headers": []})
    assert not trusting.trusts_peer_of({"client": ("203.0.113.9", 1), "headers": forwarded})
    assert not trusting.trusts_peer_of({"client": None, "headers": forwarded})
    assert unix.trusts_peer_of({"client": None, "headers": []})
    assert not unix.trusts_peer_of({"client": ("10.0.0.1", 1), "headers": forwarded})
    assert not ClientAddress().trusts_peer_of({"client": ("10.0.0.1", 1), "headers": forwarded})


def test_a_scope_may_lack_a_client() -> None:
    """The client is optional in ASGI, and unknown then."""
    assert None is ClientAddress().of({"headers": []})
    assert None is ClientAddress(TRUSTED).of(scope(None, "203.0.113.9"))


def test_a_unix_socket_can_be_trusted() -> None:
    """Behind a Unix socket the peer has no address, so it is trusted by name or not at all."""
    assert "203.0.113.9" == ClientAddress(["unix"]).of(scope(None, "198.51.100.1, 203.0.113.9"))
    assert "203.0.113.9" == ClientAddress(["unix", *TRUSTED]).of(scope(None, "203.0.113.9, 10.0.0.1"))
    assert None is ClientAddress(["unix"]).of(scope(None))
    assert None is ClientAddress(["unix"]).of(scope("testclient", "203.0.113.9"))
    assert "198.51.100.7" == ClientAddress(["unix"]).of(scope("198.51.100.7", "203.0.113.9"))


def test_the_header_can_have_another_name() -> None:
    """Another header is read instead, and X-Forwarded-For no more; names are compared in any case."""
    addresses = ClientAddress(TRUSTED, header="X-Real-IP")

    assert "203.0.113.9" == addresses.of(scope(PROXY, "203.0.113.9", header=b"x-real-ip"))
    assert "203.0.113.9" == addresses.of(scope(PROXY, "203.0.113.9", header=b"X-Real-IP"))
    assert PROXY == addresses.of(scope(PROXY, "203.0.113.9"))


@pytest.mark.parametrize("header", ["Forwarded", "", "x forwarded", "x-forwarded-for\r\n", "x-ip\n", "é"])
def test_a_header_that_cannot_be_read_is_refused_at_start(header: str) -> None:
    """Forwarded (RFC 7239) is written otherwise; a name that is no token names no header."""
    with pytest.raises(ConfigError, match="client_ip_header"):
        ClientAddress(TRUSTED, header=header)


@pytest.mark.parametrize("proxies", ["10.0.0.0/8", ["*"], ["10.0.0.5/8"], ["proxy.local"], [""], ["fe80::1%eth0"]])
def test_proxies_that_are_no_networks_are_refused_at_start(proxies: Sequence[str]) -> None:
    """A proxy that cannot be recognised later is named at once."""
    with pytest.raises(ConfigError, match="trusted_proxies"):
        ClientAddress(proxies)


IN = [
    ("10.0.0.0/8", "10.255.0.1"),
    ("192.0.2.7", "192.0.2.7"),
    ("2001:db8::/32", "2001:db8::1"),
    ("0.0.0.0/0", "1.2.3.4"),
]
IN_BY_MEANING = [("10.0.0.0/8", "::ffff:10.0.0.1"), ("::ffff:10.0.0.0/104", "10.0.0.1"), ("fe80::/10", "fe80::1%eth0")]
OUT = [
    ("10.0.0.0/8", "11.0.0.1"),
    ("192.0.2.7", "192.0.2.8"),
    ("0.0.0.0/0", "::1"),
    ("::/0", "1.2.3.4"),
    ("::/0", "::ffff:1.2.3.4"),
    ("10.0.0.0/8", "unknown"),
    ("10.0.0.0/8", ""),
    ("10.0.0.0/8", None),
    ("0.0.0.0/0", None),
]


@pytest.mark.parametrize(("network", "address"), IN + IN_BY_MEANING)
def test_networks_contain(network: str, address: str) -> None:
    """An address is in a network that covers what it means."""
    assert Networks([network]).contains(address)
    assert Networks(["203.0.113.0/24", network]).contains(address)


@pytest.mark.parametrize(("network", "address"), OUT)
def test_networks_do_not_contain(network: str, address: str | None) -> None:
    """An address of another family, an unreadable one and an unknown one are in no network."""
    assert not Networks([network]).contains(address)


def test_no_networks_contain_nothing() -> None:
    """An empty set of networks has no address in it."""
    assert not Networks([]).contains("127.0.0.1")


def test_an_address_has_one_writing() -> None:
    """Two writings of one address become the same text."""
    assert canonical("2001:db8::1") == canonical("2001:0DB8:0:0::0001%1")
    assert None is canonical("127.0.0.1%lo")


def test_texts_longer_than_any_address_are_not_looked_at() -> None:
    """What is remembered stays small, because nothing long gets that far."""
    assert "fe80::1" == canonical("fe80::1%" + "x" * 15)
    assert None is canonical("fe80::1%" + "x" * 100)


def test_only_peers_that_are_no_proxies_are_remembered_and_not_too_many() -> None:
    """A proxy forwards for another client each time, and strangers cannot fill the memory."""
    addresses = ClientAddress(TRUSTED)
    seen = [addresses.of(scope(PROXY, f"198.51.100.{number}")) for number in (1, 2)]
    for number in range(5_000):
        assert f"2001:db8::{number + 1:x}" == addresses.of(scope(f"2001:db8:0::{number + 1:x}"))

    assert ["198.51.100.1", "198.51.100.2"] == seen
    assert len(addresses._clients) < 5_000


def test_ff_49_a_peer_that_no_address_can_be_is_not_remembered() -> None:
    """Where a server hands on what a client made up, a long text costs nothing and is in no network."""
    networks = Networks(["0.0.0.0/0"])

    for number in range(3):
        assert not networks.contains(f"{number}" + "1" * 50_000)
        assert not ClientAddress(["10.0.0.0/8"]).trusts_peer_of({"client": ("9" * 50_000, 1), "headers": []})
