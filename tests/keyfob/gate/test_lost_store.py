"""What is answered while the store is away or not there yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.keyfob.conftest import ask, until

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard


async def test_sf_02_a_lost_store_is_503_never_401(here: Installation, guard: Guard) -> None:
    """While the store is away a cached key passes within the lease; then it is 503 without a challenge."""
    issued, cold = await here.issue("items:read"), await here.issue("items:read")
    app = guard(max_staleness=2.0)
    assert 200 == (await ask(app, "/items", issued.headers)).status

    (here.folder / "keyfob.db").rename(here.folder / "away.db")
    assert 200 == (await ask(app, "/items", issued.headers)).status
    refused = await ask(app, "/items", cold.headers)
    assert (503, "1", None) == (
        refused.status,
        refused.headers["retry-after"],
        refused.headers.get("www-authenticate"),
    )
    await until(lambda: app.runtime.freshness.lease_remaining() <= 0)

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/open")).status
    assert 401 == (await ask(app, "/items")).status
    (here.folder / "away.db").rename(here.folder / "keyfob.db")
    assert 200 == (await ask(app, "/items", issued.headers)).status


async def test_sf_01_a_database_that_is_not_there_yet(here: Installation, guard: Guard) -> None:
    """A middleware built before its database answers 503, keeps public paths up, and recovers by itself."""
    issued = await here.issue("items:read")
    (here.folder / "keyfob.db").rename(here.folder / "away.db")
    app = guard()
    await app.runtime.start()

    assert 503 == (await ask(app, "/items", issued.headers)).status
    assert 200 == (await ask(app, "/open")).status
    assert not (here.folder / "keyfob.db").exists()
    (here.folder / "away.db").rename(here.folder / "keyfob.db")

    assert 200 == (await ask(app, "/items", issued.headers)).status
