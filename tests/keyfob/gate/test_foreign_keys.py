from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.errors import Saturated
from keyfob.gate.foreign_keys import READS_IN_ALL, READS_PER_ADDRESS, ForeignKeys
from keyfob.keys.foreign import ForeignForms

if TYPE_CHECKING:
    from collections.abc import Sequence


class Nobody:
    """A store without foreign keys."""

    async def find_id(self, lookups: Sequence[str]) -> str | None:
        return None


class Seconds:
    """A clock that moves when told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Seconds:
    return Seconds()


@pytest.fixture
def keys(clock: Seconds) -> ForeignKeys:
    return ForeignKeys(ForeignForms({"legacy": "sk_[a-z]{20}"}, "kf"), Nobody(), clock)


def spent(keys: ForeignKeys, client_ip: str | None) -> int:
    """Spend until there is nothing left, and say how much that was."""
    count = 0
    try:
        while True:
            keys.spend(client_ip)
            count += 1
    except Saturated:
        return count


def test_an_address_has_a_hundred_reads_a_second(keys: ForeignKeys, clock: Seconds) -> None:
    """What one address spends, another one still has; and the next second everybody has all again."""
    assert READS_PER_ADDRESS == spent(keys, "192.0.2.1")
    assert READS_PER_ADDRESS == spent(keys, "192.0.2.2")
    clock.now += 1
    assert READS_PER_ADDRESS == spent(keys, "192.0.2.1")


def test_addresses_of_one_ipv6_network_are_counted_together(keys: ForeignKeys) -> None:
    """A customer has 2**64 addresses, but one budget."""
    assert READS_PER_ADDRESS == spent(keys, "2001:db8::1")
    assert 0 == spent(keys, "2001:db8::ffff")
    assert READS_PER_ADDRESS == spent(keys, "2001:db8:0:1::1")


def test_all_addresses_together_have_a_thousand(keys: ForeignKeys) -> None:
    """However many addresses somebody has."""
    assert READS_IN_ALL == sum(spent(keys, f"192.0.2.{number}") for number in range(20))


def test_a_client_without_an_address_has_a_budget_too(keys: ForeignKeys) -> None:
    """Behind a Unix socket nobody has one."""
    assert READS_PER_ADDRESS == spent(keys, None)
