from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.sign_in.hostile import HostileProvider, hostile_provider

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def server() -> Iterator[HostileProvider]:
    with hostile_provider() as provider:
        yield provider
