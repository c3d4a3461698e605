"""A real installation for the servers of the bench, with a key of each kind, hashed as a real one is."""

from __future__ import annotations

import json
import tempfile
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.keys.hashing import Argon2Parameters
from keyfob.management.key_issuer import KeyIssuer
from keyfob.testing import installation, issue_test_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.testing import Installation, Issued


@dataclass(frozen=True)
class Guarded:
    """The folder that everything is in, and two keys that may read items."""

    here: Installation
    good: Issued = field(repr=False)
    disabled: Issued = field(repr=False)

    @property
    def folder(self) -> Path:
        """Where logs may go, too."""
        return self.here.folder

    @property
    def header(self) -> tuple[str, str]:
        """What a request sends to be let in."""
        return bearer(self.good.text)

    def environ(self, kind: str) -> dict[str, str]:
        """What tells `bench.http_apps` to serve this *kind* of guard."""
        place = {"store": self.here.options["store"], "keyring": str(self.here.options["keyring"])}
        keys = {self.good.text: ("key", ["items:read"])}
        return {"BENCH_APP": json.dumps({"kind": kind, "keys": keys, **place})}


def bearer(key: str) -> tuple[str, str]:
    """The header that presents *key*."""
    return "Authorization", f"Bearer {key}"


@asynccontextmanager
async def guarded() -> AsyncIterator[Guarded]:
    """Make an installation in a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            issuer = KeyIssuer(lambda: here.signing, here.pool, Argon2Parameters(), "kf", persist_digests=True)
            good = await issue_test_key(here.store, "items:read", issuer=issuer)
            off = await issue_test_key(here.store, "items:read", issuer=issuer, disabled_at=datetime.now(UTC))
            yield Guarded(here, good, off)
