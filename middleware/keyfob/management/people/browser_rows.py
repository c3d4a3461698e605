"""The MACs over the rows of sessions and one-time links (`keyfob.keyring.tokens`).

Nobody who can write the database but lacks the keyring can write a row that signs in, or give a row to another key or
person.
"""

from __future__ import annotations

import hmac
from dataclasses import replace
from typing import TYPE_CHECKING

from keyfob.keyring.tokens import row_mac

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.console import Session, SignInLink


def sealed_session(entry: SigningKey, session: Session) -> Session:
    """*session* with the MAC of *entry* over its row."""
    return replace(session, mac=_session_mac(entry, session))


def is_genuine_session(entry: SigningKey, session: Session) -> bool:
    """Whether Keyfob itself wrote the session's row."""
    return hmac.compare_digest(session.mac, _session_mac(entry, session))


def sealed_link(entry: SigningKey, link: SignInLink) -> SignInLink:
    """*link* with the MAC of *entry* over its row."""
    return replace(link, mac=_link_mac(entry, link))


def is_genuine_link(entry: SigningKey, link: SignInLink) -> bool:
    """Whether Keyfob itself wrote the link's row."""
    return hmac.compare_digest(link.mac, _link_mac(entry, link))


def _session_mac(entry: SigningKey, session: Session) -> bytes:
    times = session.created_at, session.expires_at
    who = session.key_id, session.person_id
    told = session.ip, session.browser, session.return_url
    return row_mac(entry, "session row", session.id_hash.hex(), *who, *told, *times)


def _link_mac(entry: SigningKey, link: SignInLink) -> bytes:
    who = link.key_id, link.person_id
    return row_mac(entry, "link row", link.hash.hex(), *who, link.created_at, link.expires_at, link.return_url)
