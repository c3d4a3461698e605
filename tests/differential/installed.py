"""An installation with one key for each kind of holder, for the differential test and the fuzzer."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from keyfob import APIKeyMiddleware
from keyfob.testing import installation
from tests.differential.world import Holder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.runtime.runtime import Runtime

EVERYTHING = ["p:a", "p:b", "p:c"]


async def nothing(*_: object) -> None:
    """An application that does nothing."""


@asynccontextmanager
async def installed(folder: Path) -> AsyncIterator[tuple[Runtime, list[Holder]]]:
    """Make the installation in *folder*, which must exist."""
    async with installation(folder) as here:
        holders = [Holder(), Holder(), Holder()]
        for permissions in ([], ["p:a"], ["p:b"], EVERYTHING):
            issued = await here.issue(*permissions)
            holders.append(Holder(frozenset(permissions), "api", "default", issued.text))
        issued = await here.issue("p:a", key_type="scim")
        holders.append(Holder(frozenset({"p:a"}), "scim", "default", issued.text))
        issued = await here.issue(*EVERYTHING, team="acme")
        holders.append(Holder(frozenset(EVERYTHING), "api", "acme", issued.text))
        middleware = APIKeyMiddleware(nothing, **here.options, rules={}, permissions=EVERYTHING)
        try:
            yield middleware.runtime, holders
        finally:
            await middleware.runtime.stop()
