"""One-time links that sign in as an admin key, which the command line makes."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from keyfob.keyring.tokens import new_token, token_digest
from keyfob.management.people.browser_rows import sealed_link
from keyfob.store.contract.console import SignInLink
from keyfob_admin.sessions import console_of

if TYPE_CHECKING:
    from datetime import datetime

    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.record import KeyRecord
    from keyfob.management.actor import Actor
    from keyfob.store.contract.key_store import KeyStore

LINK_LASTS: Final = timedelta(minutes=10)


async def make_link(store: KeyStore, key: KeyRecord, now: datetime, *, actor: Actor, signing: SigningKey) -> str:
    """Make a link that signs in as the admin key *key* once, within `LINK_LASTS`. Returns its token."""
    token = new_token(signing)
    event = actor.did("console.link_created", now, team=key.team, key_id=key.id, key=key.name)
    link = SignInLink(token_digest(signing, "link", token), key.id, now, now + LINK_LASTS)
    await console_of(store).add_link(sealed_link(signing, link), event)
    return token


def link_address(console_url: str, token: str) -> str:
    """Where the link of *token* is, in the console at *console_url*."""
    return f"{console_url}/login/link/{token}"
