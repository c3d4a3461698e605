"""Foreign keys at the gate: which text is one, which row it is found by, and how often strangers may ask.

A foreign key carries no tag, so an unknown one costs a read. How many reads that may be is bounded for each client
address and in all; beyond it, the answer is 503.
"""

from __future__ import annotations

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Protocol

from cachetools import LRUCache

from keyfob.errors import Saturated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from keyfob.keys.foreign import ForeignForms, ForeignText

READS_PER_ADDRESS: Final = 100  # a second
READS_IN_ALL: Final = 1_000  # a second
_ADDRESSES: Final = 10_000  # that are counted apart
_ONE_CUSTOMER: Final = 64  # bits of an IPv6 address


class ForeignLookup(Protocol):
    """All that this asks of a store."""

    async def find_id(self, lookups: Sequence[str]) -> str | None:
        """The id of the key that one of *lookups* finds, the longest first. Raises StoreUnavailable."""
        ...


class ForeignKeys:
    """Finds foreign keys in the store."""

    def __init__(self, forms: ForeignForms, lookup: ForeignLookup, clock: Callable[[], float] = time.monotonic) -> None:
        """*clock* is in seconds."""
        self._forms = forms
        self._lookup = lookup
        self._clock = clock
        self._second = 0
        self._spent = 0
        self._spent_by: LRUCache[str, int] = LRUCache(_ADDRESSES)

    def match(self, text: bytes) -> ForeignText | None:
        """Take *text* for a foreign key, if it has the form of one."""
        return self._forms.match(text)

    async def find_id(self, key: ForeignText) -> str | None:
        """The id of the key that *key* may be; its secret is not verified."""
        return await self._lookup.find_id(key.lookups())

    def spend(self, client_ip: str | None) -> None:
        """Count a read for *client_ip* in this second. Raises Saturated beyond the budget."""
        second = int(self._clock())
        if second != self._second:
            self._second, self._spent = second, 0
            self._spent_by.clear()
        who = _customer(client_ip)
        by_address = self._spent_by.get(who, 0)
        if self._spent >= READS_IN_ALL or by_address >= READS_PER_ADDRESS:
            raise Saturated("too many unknown keys in a foreign form")
        self._spent += 1
        self._spent_by[who] = by_address + 1


def _customer(client_ip: str | None) -> str:
    """Whose reads are counted together: an IPv4 address, or an IPv6 network of one customer."""
    if client_ip is None or ":" not in client_ip:
        return client_ip or ""
    return str(int(ip_address(client_ip.partition("%")[0])) >> _ONE_CUSTOMER)
