"""Argon2 pools, and the work that holds them up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.keys.hash_pool import Argon2Pool
from tests.keyfob.keys.pool_work import Door

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def door() -> Iterator[Door]:
    door = Door()
    yield door
    door.open()


@pytest.fixture
def made(door: Door) -> Iterator[Callable[[int, int], Argon2Pool]]:
    pools: list[Argon2Pool] = []

    def make(threads: int, queue: int) -> Argon2Pool:
        pools.append(Argon2Pool(threads, queue))
        return pools[-1]

    yield make
    door.open()
    for pool in pools:
        pool.close()
