"""Rows that were changed in the database differ from the audit log, and are named (FF-19, FF-51)."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest

from keyfob.audit import Head
from keyfob.management.audit.audit_verification import verify_audit, verify_log
from keyfob.management.audit.daily_check import report
from keyfob.management.key_drafts import KeyDraft
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.management.audit.audit_verification import Verification
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction
    from tests.keyfob.management.conftest import Clock, Office


pytestmark = pytest.mark.both_engines


@pytest.fixture
async def office(empty_store: KeyStore, office: Office) -> Office:
    """The office, whose teams and signing key are in the audit log like those of a real installation."""
    entry = office.signing_key

    async def tell(rows: Transaction) -> None:
        await rows.append(ROOT.did("keyring.activated", START, char=entry.char, fingerprint=entry.fingerprint))
        for team in ("a", "b"):
            await rows.append(ROOT.did("team.created", START, team=team, after={"plan": "enterprise"}))

    await empty_store.change(tell)
    return office


async def verified(office: Office, *kept: Head) -> Verification:
    return await verify_audit(office.store, {office.signing_key.char: office.signing_key}, *kept)


async def tamper(office: Office, sql: str) -> None:
    """Write to the database past Keyfob, as somebody without the keyring can."""
    store = cast("Any", office.store)
    if type(store).__name__ == "PostgresStore":
        sql = sql.replace(" keys", " keyfob.keys").replace(" teams", " keyfob.teams").replace(" meta", " keyfob.meta")
        sql = sql.replace(" audit_events", " keyfob.audit_events").replace(" signing_keys", " keyfob.signing_keys")

    async def work(rows: Any) -> None:
        if hasattr(rows._connection, "execute_fetchall"):
            await rows._connection.execute_fetchall(sql)
        else:
            await rows._connection.execute(sql)

    await store.change(work)


async def life(office: Office, clock: Clock) -> str:
    """Take keys and teams through everything that can happen to them; return the id of one that is active."""
    keys = office.keys
    one = (await office.key(permissions=("items:read", "items:write"))).view.record
    two = (await keys.duplicate("a", one.id, {"expires_at": START + timedelta(days=9)}, actor=ROOT)).view.record
    await keys.update("a", two.id, {"permissions": ["items:read"], "ip_allow": ["10.0.0.0/8"]}, actor=ROOT)
    await keys.update("a", two.id, {"name": "renamed"}, actor=ROOT)
    await keys.disable("a", two.id, actor=ROOT)
    clock.pass_time(seconds=1)
    await keys.enable("a", two.id, actor=ROOT)
    await keys.disable("a", one.id, actor=ROOT)
    await keys.delete("a", one.id, actor=ROOT)
    await keys.create("a", KeyDraft("c", key_type="computer"), actor=ROOT)
    await keys.create("a", KeyDraft("d", key_type="computer"), actor=ROOT, replace=True)
    await office.teams.create("c", actor=ROOT)
    await office.teams.update("c", {"name": "C", "plan": "teams"}, actor=ROOT)
    await office.teams.create("d", actor=ROOT)
    await office.teams.delete("d", actor=ROOT)
    return two.id


async def test_ff_19_a_database_as_keyfob_wrote_it_differs_in_nothing(office: Office, clock: Clock) -> None:
    """Whatever can happen to keys and teams leaves rows that the log explains."""
    await life(office, clock)

    assert ([], []) == ((found := await verified(office)).faults, found.differences)


@pytest.mark.parametrize(
    ("harm", "named"),
    [
        ("UPDATE keys SET permissions = '[\"*\"]' WHERE id = '{id}'", "permissions is ['*']"),
        ("UPDATE keys SET expires_at = NULL WHERE id = '{id}'", "expires_at is None"),
        ("UPDATE keys SET expires_at = expires_at + 1 WHERE id = '{id}'", "expires_at is"),
        ("UPDATE keys SET ip_allow = '[]' WHERE id = '{id}'", "ip_allow is []"),
        ("UPDATE keys SET key_type = 'admin' WHERE id = '{id}'", "type is 'admin'"),
        ("UPDATE keys SET team = 'b' WHERE id = '{id}'", "team is 'b'"),
        ("UPDATE keys SET key_char = 'z' WHERE id = '{id}'", "signing_key is 'z'"),
        ("UPDATE keys SET disabled_at = 5 WHERE id = '{id}'", "disabled is True"),
        ("UPDATE keys SET deleted_at = NULL WHERE id <> '{id}'", "deleted is None"),
        ("UPDATE teams SET plan = 'enterprise' WHERE id = 'c'", "plan is 'enterprise'"),
        ("DELETE FROM teams WHERE id = 'c'", "not in the database"),
        ("UPDATE teams SET deleted_at = NULL WHERE id = 'd'", "deleted is None"),
        ("UPDATE signing_keys SET state = 'lost'", "state is 'lost'"),
        ("UPDATE signing_keys SET seal = ''", "their seal does not hold"),
        ("DELETE FROM signing_keys", "not in the database"),
    ],
)
async def test_ff_19_a_changed_row_is_found(office: Office, clock: Clock, harm: str, named: str) -> None:
    """Every member of a row that a request is judged by is compared with the log, and the difference is named."""
    await tamper(office, harm.format(id=await life(office, clock)))

    found = await verified(office)

    assert not found.is_whole
    assert any(named in difference.what for difference in found.differences), found.differences


async def test_ff_19_a_row_that_nobody_made_is_found(office: Office) -> None:
    """A key that was put into the database, under any name and however old, is in no event."""
    made = (await office.key()).view.record
    columns = (
        "name, name_folded, key_type, team, permissions, created_at, creator_kind, creator_name, ip_allow, revision"
    )
    copied = f"SELECT 'AAAAAAAAAAAAAAAA', 'a', {columns} FROM keys WHERE id = '{made.id}'"  # noqa: S608
    await tamper(office, f"INSERT INTO keys (id, key_char, {columns}) {copied}")

    assert [("key AAAAAAAAAAAAAAAA", "it is not in the audit log")] == [
        (difference.row, difference.what) for difference in (await verified(office)).differences
    ]


async def test_ff_19_differences_are_logged_without_end(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    """The daily check names the first differences and says how many more there are; and it logs the head to keep."""
    for _ in range(25):
        await office.key()
    await tamper(office, "UPDATE keys SET permissions = '[\"*\"]' WHERE team = 'a'")
    with caplog.at_level(logging.INFO, "keyfob.audit"):
        report(found := await verified(office))

    assert 20 == caplog.text.count("was changed in the database by other means than Keyfob")
    assert "5 more; `keyfob audit verify` names them all" in caplog.text
    assert str(found.head) in caplog.text


async def test_ff_19_one_process_a_day_checks(office: Office) -> None:
    """Of several that want to check, one does, until a day has passed or the clock has been set back."""
    claim, day = office.store.audited.claim_check, timedelta(days=1)

    assert [True, False] == [await claim(START, not_since=START - day) for _ in range(2)]
    assert await claim(START + day, not_since=START)
    assert await claim(START - day, not_since=START - 2 * day)


async def test_ff_51_a_log_that_was_cut_off_is_found_by_its_head(office: Office) -> None:
    """Cutting off the newest events and adjusting the count leaves a whole chain; the kept head says they are gone."""
    await office.key()
    count, mac = await office.store.audit_head()
    await office.key()
    await office.key()
    kept = Head(*await office.store.audit_head())
    await tamper(office, f"DELETE FROM audit_events WHERE seq > {count}")  # noqa: S608
    await tamper(office, f"UPDATE meta SET audit_count = {count}, audit_head = {literal(office, mac)}")  # noqa: S608
    entries = {office.signing_key.char: office.signing_key}

    assert [] == (await verify_log(office.store, entries)).faults
    assert [(kept.count, "gone")] == [
        (fault.seq, fault.what[:4]) for fault in (await verify_log(office.store, entries, kept)).faults
    ]


async def test_ff_51_another_event_in_the_place_of_the_kept_one_is_found(office: Office) -> None:
    """A log that was cut off and has grown again is not the log whose head was kept."""
    await office.key()
    count, _ = await office.store.audit_head()

    assert [(count, "not ")] == [
        (fault.seq, fault.what[:4]) for fault in (await verified(office, Head(count, bytes(32)))).faults
    ]


def literal(office: Office, value: bytes) -> str:
    """Write bytes into SQL."""
    is_postgres = type(office.store).__name__ == "PostgresStore"
    return f"decode('{value.hex()}', 'hex')" if is_postgres else f"x'{value.hex()}'"


@pytest.mark.parametrize(
    "text", ["", "1", "1:", ":aa", "-1:" + "0" * 64, "1:" + "0" * 63, "1:" + "G" * 64, "x:" + "0" * 64]
)
def test_ff_51_what_is_no_head_is_refused(text: str) -> None:
    """A head is a count and 64 hexadecimal digits."""
    with pytest.raises(ValueError, match="COUNT:MAC"):
        Head.parse(text)


def test_ff_51_a_head_is_read_as_it_is_printed() -> None:
    """A line end behind it, as a file has one, does not matter."""
    head = Head(12, bytes(range(32)))

    assert head == Head.parse(f"{head}\n")
