"""A real admin API: uvicorn on a free port, a real SQLite database, a real keyring."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import uvicorn

from keyfob.config.settings import load_settings
from keyfob.keyring.file import write_keyring
from keyfob.keyring.keyring import Keyring
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.format import compose, new_key_id, new_secret
from keyfob.keys.hashing import Argon2Parameters, hash_secret
from keyfob.keys.record import Creator, KeyRecord, StoredSecret, Team
from keyfob.runtime.runtime import Runtime
from keyfob.store.opening import open_store
from keyfob_admin.app import build_admin

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.types import ASGIApp

    from keyfob.config.settings import Settings
    from keyfob.store.contract.transaction import Transaction

TEAM = "acme"
OTHER_TEAM = "globex"
CATALOGUE = {"items:read": "Read items", "items:write": "Write items", "reports:read": "Read reports"}
CHEAP = {"memory_kib": 64, "time": 1}  # these tests are not about Argon2id
KEYS = f"/v1/teams/{TEAM}/keys"


@dataclass(frozen=True)
class Made:
    """A key that a test made."""

    id: str
    secret: str = field(repr=False)
    body: dict[str, Any]
    path: str


@dataclass(frozen=True)
class LiveAdmin:
    """A running admin API, and the root key of its installation."""

    url: str
    root: str = field(repr=False)
    root_id: str
    folder: Path
    client: httpx.Client
    runtime: Runtime

    def call(self, method: str, path: str, key: str | None = None, **options: Any) -> httpx.Response:
        """Call the API with *key*, or with the root key."""
        headers = {"Authorization": f"Bearer {key or self.root}", **options.pop("headers", {})}
        return self.client.request(method, self.url + path, headers=headers, **options)

    def make(self, *, team: str = TEAM, by: str | None = None, **fields: Any) -> Made:
        """Make a key and expect that to work."""
        body = {"name": "a key", "permissions": ["items:read"], **fields}
        answer = self.call("POST", f"/v1/teams/{team}/keys", by, json=body)
        assert 201 == answer.status_code, answer.text
        key = answer.json()["key"]
        return Made(key["id"], answer.json()["secret"], key, f"/v1/teams/{team}/keys/{key['id']}")

    def make_admin(self, *permissions: str, team: str = TEAM, **fields: Any) -> Made:
        """Make an admin key that holds *permissions*."""
        return self.make(team=team, type="admin", permissions=list(permissions), **fields)

    def verify(self, key: str, by: str | None = None, **fields: object) -> dict[str, Any]:
        """Ask what a key is good for."""
        answer = self.call("POST", "/v1/verify", by, json={"key": key, **fields})
        assert 200 == answer.status_code, answer.text
        verified: dict[str, Any] = answer.json()
        return verified


@pytest.fixture
def settings(tmp_path: Path, store_setting: dict[str, str]) -> Settings:
    """An installation's settings, in a folder of its own."""
    return _settings_in(tmp_path, **store_setting)


@pytest.fixture
def root(settings: Settings) -> str:
    """The first admin key of a new installation with two teams."""
    return asyncio.run(_install(settings))


@pytest.fixture
def live_admin(settings: Settings, root: str, tmp_path: Path) -> Iterator[LiveAdmin]:
    """The admin API of a new installation, at the root of a server."""
    with _live(settings, root, tmp_path) as live:
        yield live


@pytest.fixture(scope="module")
def standing_admin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveAdmin]:
    """One admin API for all tests of a module that leave nothing behind."""
    folder = tmp_path_factory.mktemp("standing")
    settings = _settings_in(folder)
    with _live(settings, asyncio.run(_install(settings)), folder) as live:
        yield live


def _settings_in(folder: Path, **store: str) -> Settings:
    overrides = {
        "store": f"sqlite:///{folder / 'keyfob.db'}",
        "keyring": folder / "keyfob.keyring",
        "permissions": CATALOGUE,
        "argon2": CHEAP,
        **store,
    }
    return load_settings(environ={}, overrides=overrides)


@contextmanager
def _live(settings: Settings, root: str, folder: Path) -> Iterator[LiveAdmin]:
    runtime = Runtime(settings)
    with serving(build_admin(runtime)) as url, httpx.Client() as client:
        yield LiveAdmin(url, root, root.split("_")[2], folder, client, runtime)


@contextmanager
def serving(app: ASGIApp, **settings: Any) -> Iterator[str]:
    """Run *app* under uvicorn in a thread, and give its address."""
    quiet: dict[str, Any] = {"log_level": "critical", "proxy_headers": False, "access_log": False}
    config = uvicorn.Config(app, port=0, lifespan="on", **quiet, **settings)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            time.sleep(0.005)
        host, port = server.servers[0].sockets[0].getsockname()
        yield f"http://{host}:{port}"
    finally:
        server.should_exit = True
        thread.join()


async def _install(settings: Settings) -> str:
    """Make a keyring, and a database with the keyring's mark, two teams and a root key. Gives the root key."""
    now = datetime.now(UTC)
    keyring = Keyring.new(now)
    write_keyring(settings.keyring or "", keyring)
    entry = keyring.newest
    key = compose(
        key_type="admin", key_id=new_key_id(), secret=new_secret(), key_char=entry.char, tag=entry.tag, prefix="kf"
    )
    hashed = hash_secret(key.secret, Argon2Parameters(CHEAP["memory_kib"], CHEAP["time"]))

    async def work(rows: Transaction) -> None:
        await rows.put_signing_key(SigningKeyRecord(entry.char, entry.fingerprint, SigningKeyState.ACTIVE, now))
        await rows.put_team(Team(TEAM, "Acme", "enterprise", now))
        await rows.put_team(Team(OTHER_TEAM, "Globex", "enterprise", now))
        creator = Creator("system", None, "keyfob")
        record = KeyRecord(key.key_id, "root", "admin", TEAM, "enterprise", ("*",), now, creator)
        await rows.add_key(record, StoredSecret(hashed, entry.digest(key.text)))

    store = open_store(settings.store or "", audit_key=lambda: entry, create=True)
    try:
        await store.change(work)
    finally:
        await store.close()
    return key.text
