"""Exports of real packages are imported, and their keys are admitted as they were."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from bench.peer_environments import AbsentError, prepared, python_of
from keyfob.gate.verdict import Granted
from keyfob.runtime.runtime import Runtime
from tests.conftest import require
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from pathlib import Path

    from bench.peer_environments import Presented
    from tests.keyfob_admin.cli.conftest import Home

pytestmark = pytest.mark.both_engines
PEPPER = "a pepper of thirty-two characters"
REAL = {
    "drf-api-key": ("djangorestframework_api_key", r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}", "rest_framework_api_key_apikey"),
    "keyshield": ("keyshield", "ak_v1-[0-9a-f-]{16}-[A-Za-z0-9]{64}", "api_keys"),
    "safe-api-keys": ("safe_api_keys", "acme_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", "safe_api_keys"),
    "fastapi-keygate": ("fastapi_keygate", "kg_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", "keygate_keys"),
}


class Exported(NamedTuple):
    """A table of a real package, and the keys that it tells apart."""

    kind: str
    pattern: str
    rows: list[dict[str, Any]]
    keys: Presented


def rows_of(database: Path, table: str) -> list[dict[str, Any]]:
    """Read the table, as an export of it has it."""
    with closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - named above


def use_form(home: Home, pattern: str) -> None:
    home.configure(lambda text: f"{text}\n[foreign.legacy]\npattern = '{pattern}'\n")


def import_rows(home: Home, kind: str, rows: list[dict[str, Any]], *options: str) -> str:
    """Import *rows* of an export, and give what was said."""
    (home.folder / "export.json").write_text(json.dumps(rows))
    said = typed("import", "export.json", "--format", kind, *options)
    assert 0 == said.code, said.err
    return said.err


def granted(home: Home, text: str) -> Granted | None:
    """What this installation makes of a key."""

    async def look() -> Granted | None:
        runtime = Runtime(home.settings)
        try:
            verdict = await runtime.inspect(text)
        finally:
            await runtime.stop()
        return verdict if isinstance(verdict, Granted) else None

    return asyncio.run(look())


@pytest.fixture(scope="module", params=REAL)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """What a real package made, once for every store that it is imported into."""
    name, pattern, table = REAL[request.param]
    folder = tmp_path_factory.mktemp(name)
    try:
        keys = prepared(name, python_of(name), {"PEER_FOLDER": str(folder)})
    except AbsentError as absent:
        require(name, str(absent))
    return Exported(request.param, pattern, rows_of(folder / "keys.db", table), keys)


@pytest.mark.timeout(600)
def test_keys_of_a_real_package_go_on_working(home: Home, exported: Exported) -> None:
    """Its live key is admitted with its permissions, its revoked one is left out, and a forged one is refused."""
    kind, pattern, rows, keys = exported
    use_form(home, pattern)
    (home.folder / "pepper").write_text(f"{PEPPER}\n")
    told = () if kind == "fastapi-keygate" else ("--secret-file", "pepper")
    said = import_rows(home, kind, rows, "--permission", "items:read", *told)

    def presented(which: str) -> Granted | None:
        return granted(home, keys[which][0][1].split()[-1])

    live = presented("valid")
    assert "1 keys were imported, 0 were there already, 0 failed, 1 left out." in said
    assert live is not None
    assert {"items:read"} == live.grant.permissions
    assert {None} == {presented(which) for which in keys if which != "valid"}


def test_two_thousand_customers_notice_nothing(home: Home) -> None:
    """All keys of a table are imported in one go, every one that is tried is admitted, and none is imported twice."""
    # Keys are imported 200 in a transaction: ten of them show what more would.
    texts = [f"{number:08}.{number:032}" for number in range(2_000)]
    rows = [
        {"name": "customer", "prefix": text[:8], "hashed_key": f"sha512$${hashlib.sha512(text.encode()).hexdigest()}"}
        for text in texts
    ]
    use_form(home, REAL["drf-api-key"][1])

    first = import_rows(home, "drf-api-key", rows, "--permission", "items:read")
    second = import_rows(home, "drf-api-key", rows)

    assert "2,000 keys were imported, 0 were there already, 0 failed, 0 left out." in first
    assert "0 keys were imported, 2,000 were there already, 0 failed, 0 left out." in second
    assert None not in [granted(home, text) for text in (texts[0], texts[1_111], texts[-1])]


DOCUMENTED: dict[str, dict[str, Any]] = {
    "unkey": {"id": "key_1", "start": "uk_ab", "name": "billing", "externalId": "org_1", "createdAt": 1735689600000},
    "better-auth": {
        "id": "1",
        "name": "billing",
        "userId": "u1",
        "enabled": True,
        "permissions": '{"items": ["read"]}',
    },
}


@pytest.mark.parametrize("kind", DOCUMENTED)
def test_keys_of_documented_formats_go_on_working(home: Home, kind: str) -> None:
    """Unkey is a service and better-auth runs on Node.js: their documents say what they store."""
    text = "uk_" + "Ab3" * 8
    digest = hashlib.sha256(text.encode()).digest()
    stored: dict[str, dict[str, Any]] = {
        "unkey": {"hash": base64.b64encode(digest).decode(), "permissions": ["items:read"]},
        "better-auth": {"key": base64.urlsafe_b64encode(digest).decode().rstrip("=")},
    }
    off = {**DOCUMENTED[kind], **stored[kind], "enabled": False}
    use_form(home, "uk_[A-Za-z0-9]{24}")

    said = import_rows(home, kind, [{**DOCUMENTED[kind], **stored[kind]}, off])

    live = granted(home, text)
    assert "1 keys were imported, 0 were there already, 0 failed, 1 left out." in said
    assert live is not None
    assert ("billing", ["items:read"]) == (live.grant.name, list(live.grant.permissions))


def test_a_dump_of_django_is_read(home: Home) -> None:
    """`manage.py dumpdata` writes objects with `pk` and `fields`; PBKDF2, of old versions, is refused by name."""
    text = "Ab345678." + "c" * 32
    encoded = f"sha512$${hashlib.sha512(text.encode()).hexdigest()}"
    fields = {"created": "2024-01-01T00:00:00Z", "name": "billing", "revoked": False, "expiry_date": None}
    use_form(home, r"[A-Za-z0-9]{8}\.[A-Za-z0-9]{32}")
    dump = {"model": "rest_framework_api_key.apikey", "pk": f"Ab345678.{encoded}", "fields": fields}

    import_rows(home, "drf-api-key", [dump])

    assert granted(home, text) is not None
    old = {**dump, "pk": "Ab345679.pbkdf2_sha256$1$a$b"}
    (home.folder / "export.json").write_text(json.dumps([old]))
    assert "pbkdf2_sha256" in typed("import", "export.json", "--format", "drf-api-key").err
