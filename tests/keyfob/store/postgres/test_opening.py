"""How the PostgreSQL store is opened, and what it says when it cannot be."""

from __future__ import annotations

import subprocess
import sys

import pytest

from keyfob.errors import ConfigError, NotMigrated, StoreUnavailable
from keyfob.store.opening import open_store
from keyfob.store.url import StoreURL
from tests.keyfob.store.postgres.on_postgres import opened, url
from tests.keyfob.store.samples import KEY, SIGNING_KEY, appending, event
from tests.postgres_server import fresh_database

__all__ = ["url"]  # fixtures of this store's tests


class TestOpening:
    def test_nothing_is_asked_of_the_driver_before_it_is_needed(self) -> None:
        """Whoever keeps the keys in SQLite loads no driver of PostgreSQL."""
        program = "import sys, keyfob.runtime.runtime, keyfob.store.sqlite.store; print('asyncpg' in sys.modules)"

        told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

        assert "False\n" == told.stdout

    def test_without_the_extra_the_fix_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Who asks for PostgreSQL without its driver is told what to install."""
        monkeypatch.setattr("keyfob.store.opening.find_spec", lambda _: None)

        with pytest.raises(ConfigError, match=r"keyfob\[postgres\]"):
            open_store("postgresql://user@host/db")

    def test_opening_connects_to_nobody(self) -> None:
        """A store that cannot be reached is made all the same: what needs it is answered 503."""
        assert not open_store("postgresql://user@127.0.0.1:1/db").is_immediate

    @pytest.mark.parametrize(
        ("url", "dsn", "listens"),
        [
            ("postgresql://u:p@h/db", "postgresql://u:p@h/db", True),
            ("postgres://u@h/db", "postgresql://u@h/db", True),
            ("postgresql://u@h/db?listen=off", "postgresql://u@h/db", False),
            ("postgresql://u@h/db?listen=on&sslmode=require", "postgresql://u@h/db?sslmode=require", True),
            ("postgresql://u@h,i/db?sslmode=require&listen=off", "postgresql://u@h,i/db?sslmode=require", False),
        ],
    )
    def test_addresses(self, url: str, dsn: str, listens: bool) -> None:  # noqa: FBT001 (a parameter of the test)
        """What is Keyfob's own in the address stays here, the rest goes to the driver as it is."""
        address = StoreURL.parse(url)

        assert (dsn, listens) == (address.dsn, address.listens)
        assert "p@" not in address.shown

    def test_a_host_that_cannot_be_read_is_refused(self) -> None:
        """What is no address at all is a ConfigError."""
        with pytest.raises(ConfigError, match="host"):
            open_store("postgresql://[u@h/db")

    def test_a_listen_that_is_neither_is_refused(self) -> None:
        """A mistyped switch is not taken for one of its positions."""
        with pytest.raises(ConfigError, match="listen"):
            open_store("postgresql://u@h/db?listen=maybe")

    async def test_a_failure_tells_no_password(self, url: str) -> None:
        """Neither the store nor its failures show what is secret in its address."""
        wrong = url.replace("keyfob@", "nobody:hunter2@")
        store = opened(wrong)

        with pytest.raises(StoreUnavailable) as failed:
            await store.find(KEY.id)
        with pytest.raises(ConfigError) as unmade:
            open_store(wrong, create=True)

        assert "hunter2" not in f"{failed.value}{unmade.value}{StoreURL.parse(wrong)!r}"
        await store.close()

    async def test_a_database_without_the_schema_says_so(self) -> None:
        """Before `keyfob db migrate`, every question is answered by what is to be done."""
        async with fresh_database(empty=True) as url:
            store = opened(url)
            with pytest.raises(NotMigrated, match="db migrate"):
                await store.find(KEY.id)

            made = open_store(url, audit_key=lambda: SIGNING_KEY, create=True)
            await made.change(appending(event()))

            assert 1 == (await store.audit_head())[0]
            await store.close()
            await made.close()
