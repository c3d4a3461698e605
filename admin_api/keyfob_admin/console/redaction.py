"""Keys that somebody pasted into an address: cut to their ids before anything is done with it.

An address stays in histories, bookmarks and logs, and pages repeat what was asked for. What has lost its end in copying
is cut as well: the rest of a secret is no less one.
"""

from __future__ import annotations

import re

_KEY = r"_[a-z][a-z0-9]{1,15}_([0-9A-Za-z]{16})_[0-9A-Za-z]+"
_SCHEME = r"(?:Bearer(?:\+|%20| )+)?"


def without_secrets(address: str, prefix: str) -> str:
    """*address* with the id of each key in it in the place of the key."""
    return re.sub(_SCHEME + re.escape(prefix) + _KEY, r"\1", address)
