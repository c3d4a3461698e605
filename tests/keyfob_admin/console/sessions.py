"""A visitor's session: its cookie, whether it is good for a page, and a link that begins one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keyfob_admin.sign_in.links import make_link
from tests.keyfob_admin.console.conftest import ANA, Installation, Visitor

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord

SESSION = "keyfob_session"


def is_in(visitor: Visitor) -> bool:
    """Whether the session is good for a page."""
    return visitor.get("/keys").status_code == 200


def linked(installation: Installation, key: KeyRecord | None = None) -> str:
    """Make a link, and give its path."""

    async def make() -> str:
        async with installation.opened() as runtime:
            return await make_link(
                runtime.store, key or installation.admin, runtime.now(), actor=ANA, signing=runtime.keyring.signing()
            )

    return f"/login/link/{asyncio.run(make())}"
