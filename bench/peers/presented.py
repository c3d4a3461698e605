"""What each peer is asked with, printed as one line of JSON by ``python NAME.py FOLDER``. Needs nothing installed."""

from __future__ import annotations

import json
import secrets
import string

ALPHABET = string.ascii_letters + string.digits
MANY = 200  # bogus keys of each kind; they are presented by turns


def random(length: int, alphabet: str = ALPHABET) -> str:
    """Random characters, as a key's parts are."""
    return "".join(secrets.choice(alphabet) for _ in range(length))


def show(*, header: str, scheme: str, valid: str, dead: str, forged: list[str], wrong_secret: list[str]) -> None:
    """Print the keys as values of *header*, each with *scheme* before it.

    Args:
        header: the one that the peer's users send.
        scheme: ``"Bearer "`` or what else stands before a key; perhaps nothing.
        valid: a key that is let in.
        dead: one that was switched off, revoked or deleted.
        forged: keys of the right form, with a good checksum where the form has one, that were never issued.
        wrong_secret: the same with the id of the valid key, where a key has an id.

    """
    kinds = {
        "valid": [valid],
        "random junk": [random(40) for _ in range(MANY)],
        "well-formed": forged,
        "real id, wrong secret": wrong_secret,
        "dead key, replayed": [dead],
    }
    print(json.dumps({kind: [(header, scheme + key) for key in keys] for kind, keys in kinds.items()}))
