"""``keyfob import``, and what the gate makes of the keys that it brings."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from keyfob import APIKeyMiddleware
from keyfob.keys.foreign_hashes import ForeignHash
from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from tests.keyfob_admin.cli.conftest import Home, Said

pytestmark = pytest.mark.both_engines
FORM = '\n[foreign.legacy]\npattern = "sk_live_[A-Za-z0-9]{24}"\n'
KEY = "sk_live_" + "abcdefgh" * 3
OTHER = "sk_live_" + "ABCDEFGH" * 3


@pytest.fixture
def legacy(home: Home) -> Home:
    """An installation that knows the form of another product's keys."""
    home.configure(lambda text: text + FORM)
    return home


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def bring(home: Home, *lines: dict[str, Any], options: tuple[str, ...] = ()) -> Said:
    """Import *lines* as NDJSON."""
    (home.folder / "export.ndjson").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return typed("import", "export.ndjson", *options)


def listed() -> list[dict[str, Any]]:
    """Every API key there is."""
    keys: list[dict[str, Any]] = typed("keys", "list", "--type", "api", "--json").data["keys"]
    return keys


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that says who was admitted."""
    said = f"{scope['keyfob'].name} {sorted(scope['keyfob'].permissions)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": said})


def ask(home: Home, *headers: dict[str, str]) -> tuple[list[httpx.Response], APIKeyMiddleware]:
    """Send a request with each of *headers* to an application behind the middleware of this installation."""
    app = APIKeyMiddleware(answer, config=home.folder / "keyfob.toml", rules={"/items": "items:read"})

    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as client:
            answers = [await client.get("/items", headers=one) for one in headers]
        await app.runtime.stop()
        return answers

    return asyncio.run(run()), app


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_imported_keys_work_as_they_are_written(legacy: Home) -> None:
    """A raw key and the hash of one, in either header; what nobody imported is refused like any unknown key."""
    raw = {"name": "raw", "key": KEY, "permissions": ["items:read"]}
    hashed = {"name": "hashed", "hash": sha256(OTHER), "algorithm": "sha256", "permissions": "items:read"}
    said = bring(legacy, raw, hashed)

    (first, second, unknown, short), _ = ask(
        legacy, bearer(KEY), {"X-API-Key": OTHER}, bearer("sk_live_" + "x" * 24), bearer("sk_live_short")
    )

    assert (0, "2 keys were imported, 0 were there already, 0 failed, 0 left out.") == (said.code, said.err.strip())
    assert ["raw ['items:read']", "hashed ['items:read']"] == [first.text, second.text]
    assert [401, 401] == [unknown.status_code, short.status_code]
    assert unknown.content == short.content


def test_what_fits_counts_as_ours(legacy: Home) -> None:
    """Two keys are two keys, whoever issued them: 400. Our own keys go on working beside."""
    bring(legacy, {"name": "raw", "key": KEY, "permissions": ["items:read"]})
    _, ours = legacy.make("ours", "--permission", "items:read")

    (two, own), _ = ask(legacy, {**bearer(KEY), "X-API-Key": ours}, bearer(ours))

    assert [400, 200] == [two.status_code, own.status_code]


def test_the_first_use_replaces_the_hash(legacy: Home) -> None:
    """Afterwards the database has an Argon2id hash and a digest, and nobody computes Argon2id for it again."""
    bring(legacy, {"name": "a", "hash": sha256(KEY), "algorithm": "sha256", "permissions": ["items:read"]})
    _, first = ask(legacy, bearer(KEY), bearer(KEY))
    rows = legacy.sql("SELECT hash, digest FROM key_secrets WHERE hash LIKE 'foreign%'")
    (kept,) = legacy.sql("SELECT s.hash, s.digest FROM key_secrets s JOIN foreign_keys USING (key_id)")

    (again,), second = ask(legacy, bearer(KEY))

    assert [] == rows
    assert kept[0].startswith("$argon2id$")
    assert kept[1] is not None
    assert (200, 1, 1, 0) == (
        again.status_code,
        first.stats.argon2_verifications,
        first.stats.cache_hits,
        second.stats.argon2_verifications,
    )


def test_an_imported_key_is_disabled_and_deleted_like_any(legacy: Home) -> None:
    """Its text names no key, but its row does; a deleted one can be imported again."""
    line = {"name": "a", "key": KEY, "permissions": ["items:read"]}
    bring(legacy, line)
    key_id = listed()[0]["id"]
    typed("keys", "disable", key_id)
    (disabled,), _ = ask(legacy, bearer(KEY))
    typed("keys", "delete", key_id, "--yes")
    (deleted,), _ = ask(legacy, bearer(KEY))

    assert [401, 401] == [disabled.status_code, deleted.status_code]
    assert "1 keys were imported" in bring(legacy, line).err
    assert [200] == [one.status_code for one in ask(legacy, bearer(KEY))[0]]


def test_keys_check_knows_foreign_keys(legacy: Home) -> None:
    """It says whether one would be admitted, and repeats none of it."""
    bring(legacy, {"name": "a", "key": KEY, "permissions": ["items:read"]})
    good, unknown = (typed("keys", "check", "-", stdin=key) for key in (KEY, OTHER))
    as_json = typed("keys", "check", "-", "--json", stdin=KEY)

    assert (0, 3, 0) == (good.code, unknown.code, as_json.code)
    assert 'admitted; it is "a" of team default' in good.err
    assert (True, None) == (as_json.data["admitted"], as_json.data["type"])
    assert "sk_live" not in good.err + unknown.err + as_json.out


def test_a_foreign_text_never_passes_for_a_key_of_our_own(legacy: Home) -> None:
    """Whoever writes a hash and a lookup of their own into the database gets past no tag by way of a foreign form."""
    key_id, _ = legacy.make("ours", "--permission", "items:read")
    stored = ForeignHash("sha256", sha256(KEY)).stored
    legacy.sql(f"UPDATE key_secrets SET hash = '{stored}', digest = NULL WHERE key_id = '{key_id}'")  # noqa: S608
    legacy.sql(f"INSERT INTO foreign_keys VALUES ('sha256:{sha256(KEY)}', '{key_id}')")  # noqa: S608

    assert [401] == [one.status_code for one in ask(legacy, bearer(KEY))[0]]


def test_strangers_are_held_back(legacy: Home) -> None:
    """Beyond the budget of an address an unknown key is 503, and a key that is cached still passes."""
    bring(legacy, {"name": "a", "key": KEY, "permissions": ["items:read"]})
    guesses = [bearer(f"sk_live_{number:024}") for number in range(250)]

    answers, _ = ask(legacy, bearer(KEY), *guesses, bearer(KEY))

    codes = [one.status_code for one in answers]
    assert [200, 200] == [codes[0], codes[-1]]
    assert {401, 503} >= set(codes[1:-1])
    assert answers[-1].text == answers[0].text


def test_a_bad_line_is_named_and_keeps_no_other_out(legacy: Home) -> None:
    """Each says what is wrong; what was imported is there, and importing again is no failure."""
    lines: list[dict[str, Any]] = [
        {"name": "good", "key": KEY, "permissions": ["items:read"]},
        {"name": "form", "key": "pk_" + "a" * 24},
        {"name": "permission", "key": OTHER, "permissions": ["items:raed"]},
        {"name": "old", "hash": sha256("old"), "algorithm": "sha256", "expires_at": "2020-01-01T00:00:00Z"},
        {"name": "bcrypt", "hash": "$2b$12$x", "algorithm": "bcrypt"},
        {"name": "team", "hash": sha256("team"), "algorithm": "sha256", "team": "nobodys"},
        {"name": "salt", "hash": sha256("salt"), "algorithm": "sha256", "salt": "x"},
        {"name": "twice", "key": KEY},
        {"name": "more", "hash": sha256("more"), "algorithm": "sha256", "colour": "red"},
        {"hash": sha256("none"), "algorithm": "sha256"},
    ]

    said = bring(legacy, *lines)

    reasons = {line.split(":")[0]: line for line in said.err.splitlines()}
    assert 1 == said.code
    assert "1 keys were imported, 0 were there already, 9 failed, 0 left out." in said.err
    assert "did you mean items:read?" in reasons["key 3 (permission)"]
    assert "none of the forms" in reasons["key 2 (form)"]
    assert "bcrypt hashes cannot be imported" in reasons["key 5 (bcrypt)"]
    assert "no team 'nobodys'" in reasons["key 6 (team)"]
    assert "needs lookup" in reasons["key 7 (salt)"]
    assert "no member 'colour'" in reasons["key 9 (more)"]
    assert "it has no name" in reasons["key 10 ()"]
    assert KEY not in said.err
    again = bring(legacy, lines[0])
    assert (0, True) == (again.code, "0 keys were imported, 1 were there already" in again.err)


@pytest.mark.parametrize("command", [["keys", "show"], ["keys", "disable"], ["audit", "tail", "--key"]])
def test_an_imported_key_in_the_place_of_an_id_is_not_repeated(legacy: Home, command: list[str]) -> None:
    """Like a key of ours; it is said how to find its id."""
    bring(legacy, {"name": "good", "key": KEY, "permissions": ["items:read"]})
    refused = typed(*command, KEY)

    assert (2, True) == (refused.code, "`keyfob keys find -`" in refused.err)
    assert KEY not in refused.out + refused.err


def test_a_dry_run_changes_nothing(legacy: Home) -> None:
    """It says what would be imported, and what would fail, as JSON for scripts."""
    lines = {"name": "a", "key": KEY}, {"name": "b", "key": "no"}
    said = bring(legacy, *lines, options=("--dry-run", "--json"))

    assert (1, 1, True) == (said.code, said.data["imported"], said.data["dry_run"])
    assert ["b"] == [one["name"] for one in said.data["failed"]]
    assert [] == listed()
    assert [401] == [one.status_code for one in ask(legacy, bearer(KEY))[0]]


def test_csv_is_read_and_permissions_are_renamed(legacy: Home) -> None:
    """The columns have the names of the members; --permission is for keys that say nothing."""
    with (legacy.folder / "export.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["name", "permissions", "hash", "algorithm", "created_at", "external_id"])
        writer.writerow(["a", "read", sha256(KEY), "sha256", "1735689600000", "org_1"])
        writer.writerow(["b", "", sha256(OTHER), "sha256", "", ""])

    said = typed("import", "export.csv", "--rename", "read=items:read", "--permission", "items:write")

    assert 0 == said.code, said.err
    found = {one["name"]: one for one in listed()}
    assert (["items:read"], "2025-01-01T00:00:00Z", "org_1") == (
        found["a"]["permissions"],
        found["a"]["created_at"],
        found["a"]["external_id"],
    )
    assert ["items:write"] == found["b"]["permissions"]


def test_a_policy_is_reported_and_cuts_nobody_off(legacy: Home) -> None:
    """Customers' keys go on working; whoever imports them learns which break what is demanded of new ones."""
    legacy.configure(lambda text: text + '\n[key_types.api]\nexpiry = "required"\nper_team = 1\n')

    said = bring(legacy, {"name": "a", "key": KEY}, {"name": "b", "key": OTHER})

    assert 0 == said.code
    assert 2 == said.err.count("breaks a policy: A Public API key must expire")


def test_without_a_form_nothing_is_imported(home: Home) -> None:
    """No text would be read as such a key, so the command says what to write first."""
    said = bring(home, {"name": "a", "key": KEY})

    assert 1 == said.code
    assert "[foreign.legacy]" in said.err


def test_the_audit_log_has_every_imported_key(legacy: Home) -> None:
    """The log can be replayed: the rows are what it says."""
    bring(legacy, {"name": "a", "key": KEY}, {"name": "b", "key": OTHER})

    assert 0 == typed("audit", "verify").code
    assert 2 == typed("audit", "tail").out.count("key.imported")
