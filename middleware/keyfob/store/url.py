"""How the address of a store is written."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

SQLITE: Final = "sqlite:///"
POSTGRES: Final = "postgresql://"


def shown_url(url: str) -> str:
    """Give a store URL as it may be shown: without password and query."""
    if not url.startswith(POSTGRES):
        return url
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    return f"{POSTGRES}{credentials.partition(':')[0]}{at}{host}{parts.path}"
