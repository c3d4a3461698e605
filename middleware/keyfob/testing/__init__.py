"""The test kit: a real installation in a folder and keys for it, without the command line or the admin API.

::

    async with installation(tmp_path) as here:
        issued = await here.issue("orders:read")
        app = APIKeyMiddleware(my_app, **here.options, rules={"GET /orders": "orders:read"})
        # … send requests with {"Authorization": f"Bearer {issued.text}"}

The keyring, the database and the hashes are real. Only the Argon2id parameters are cheap; never use such an
installation outside tests.

Tests without an event loop use the pytest fixture; `from keyfob.testing import keyfob_installation` in a conftest.py
makes it known::

    def test_orders(keyfob_installation):
        keyfob_installation.use_in(app)  # an application that has called add_middleware
        reader = keyfob_installation.issue("orders:read")
        with TestClient(app) as client:
            assert 200 == client.get("/orders", headers=reader.headers).status_code
"""

from __future__ import annotations

from typing import Any

from keyfob.testing.installation import CHEAP, Installation, Issued, Origin, installation, issue_test_key
from keyfob.testing.synchronous import SyncInstallation, sync_installation

__all__ = [
    "CHEAP",
    "Installation",
    "Issued",
    "Origin",
    "SyncInstallation",
    "installation",
    "issue_test_key",
    "sync_installation",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as PEP 562 has it
    """Load the fixture, and with it pytest, only where it is asked for."""
    if name == "keyfob_installation":
        from keyfob.testing.fixture import keyfob_installation  # noqa: PLC0415

        return keyfob_installation
    raise AttributeError(name)
