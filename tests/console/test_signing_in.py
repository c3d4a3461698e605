"""How one gets in, and what throws one out."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from click.testing import CliRunner

from keyfob.runtime import Runtime
from keyfob.store import RingMark, RingState
from keyfob_admin import sign_in
from keyfob_admin.app import build_admin
from keyfob_admin.cli import main
from keyfob_admin.console import console_pages
from keyfob_admin.console.place import safe_next
from keyfob_admin.sign_in import bucket_of, make_link
from tests.console.conftest import ANA, TEAM, Installation, LiveConsole, Visitor, hidden, installed, running, words

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from keyfob.record import KeyRecord
    from keyfob.store import Transaction

SESSION = "keyfob_session"


def is_in(visitor: Visitor) -> bool:
    """Whether the session is good for a page."""
    return visitor.get("/keys").status_code == 200


def test_an_admin_key_opens_the_console(live: LiveConsole) -> None:
    """Who signs in with an admin key is led to the keys, and the page says as whom."""
    with Visitor(live.url) as visitor:
        answer = visitor.sign_in(live.installation.admin_key)
        assert (303, "/keys") == (answer.status_code, answer.headers["location"])
        assert "Signed in as root" in words(visitor.get("/keys").text)


def test_spaces_around_a_pasted_key_do_not_matter(live: LiveConsole) -> None:
    """A key that was pasted with a line break still signs in."""
    with Visitor(live.url) as visitor:
        assert 303 == visitor.sign_in(f" {live.installation.admin_key}\n").status_code


@pytest.mark.parametrize("key", ["", "nonsense", "kf_admin_0000000000000000_" + "0" * 64, "\U0001f511" * 50])
def test_a_wrong_key_does_not(live: LiveConsole, key: str) -> None:
    """A wrong key is answered 401 with the words for it, and opens nothing."""
    with Visitor(live.url) as visitor:
        answer = visitor.sign_in(key)
        assert 401 == answer.status_code
        assert "That admin key isn't valid." in words(answer.text)
        assert not is_in(visitor)


def test_other_keys_do_not(live: LiveConsole) -> None:
    """A good key that is no admin key is answered like a wrong one."""
    _, secret = live.make()
    with Visitor(live.url) as visitor:
        answer = visitor.sign_in(secret)
        assert 401 == answer.status_code
        assert secret not in answer.text


def test_a_key_of_other_addresses_does_not(live: LiveConsole) -> None:
    """An admin key that is limited to other addresses does not sign in from here."""
    _, secret = live.make(key_type="admin", permissions=("keys:read",), ip_allow=("203.0.113.0/24",))
    with Visitor(live.url) as visitor:
        assert 401 == visitor.sign_in(secret).status_code


def test_signing_in_is_a_use_of_the_key(visitor: Visitor, live: LiveConsole) -> None:
    """The admin key's page soon says that it was used just now, from here."""
    said = ""
    for _ in range(100):
        said = words(visitor.get(f"/keys/{live.installation.admin.id}").text)
        if "from 127.0.0.1" in said:
            break
        time.sleep(0.05)  # uses are written once a second
    assert "just now from 127.0.0.1" in said


def test_without_a_session_every_page_leads_to_the_sign_in_and_back(live: LiveConsole) -> None:
    """The address that was asked for is kept, and signing in leads there."""
    with Visitor(live.url) as visitor:
        answer = visitor.get("/activity?action=key.created")
        assert "/login?next=%2Factivity%3Faction%3Dkey.created" == answer.headers["location"]
        page = visitor.get(answer.headers["location"])
        signed_in = visitor.post("/login", data={**hidden(page.text), "key": live.installation.admin_key})
        assert "/activity?action=key.created" == signed_in.headers["location"]


def test_the_front_door_leads_where_one_may_go(live: LiveConsole) -> None:
    """The address of the console itself leads to the sign-in, and to the keys once signed in."""
    with Visitor(live.url) as visitor:
        assert "/login" == visitor.get("/").headers["location"]
        visitor.sign_in(live.installation.admin_key)
        assert "/keys" == visitor.get("/").headers["location"]
        assert "/keys" == visitor.get("/login").headers["location"]


ELSEWHERE = [
    "//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil.example", "/\t/evil.example", "evil",
    "javascript:alert(1)", "/ /evil", "/\n/evil", "", "/é", "/keys\\..", "///evil.example",
]  # fmt: skip


@pytest.mark.parametrize("target", ELSEWHERE)
def test_signing_in_never_leads_to_another_site(target: str) -> None:
    """What is not plainly a path inside the console leads to the front page."""
    assert "/keys" == safe_next(target)


@pytest.mark.parametrize("target", ["/keys", "/keys/abc?done=saved", "/activity?action=key.created&key=%20"])
def test_signing_in_leads_to_pages_inside(target: str) -> None:
    """A path of the console is followed as it is."""
    assert target == safe_next(target)


def test_the_form_belongs_to_the_browser_that_asked_for_it(live: LiveConsole) -> None:
    """A sign-in form that another browser was given is refused, so that nobody is signed in as somebody else."""
    with Visitor(live.url) as mine, Visitor(live.url) as theirs:
        mine.get("/login")
        form = {**hidden(theirs.get("/login").text), "key": live.installation.admin_key}
        assert 403 == mine.post("/login", data=form).status_code
        assert 303 == theirs.post("/login", data=form).status_code


# ---------------------------------------------------------------- the session


def test_every_sign_in_gets_a_new_session_and_ends_the_old_one(live: LiveConsole) -> None:
    """A token from before signing in opens nothing afterwards."""
    with Visitor(live.url) as visitor:
        visitor.sign_in(live.installation.admin_key)
        before = visitor.cookies[SESSION]
        form = {"csrf": hidden(visitor.get("/keys").text)["csrf"], "key": live.installation.admin_key}
        visitor.post("/login", data=form)
        assert before != visitor.cookies[SESSION]
        assert is_in(visitor)
        visitor.cookies.set(SESSION, before)
        assert not is_in(visitor)


def test_signing_out_ends_the_session_in_the_database(visitor: Visitor) -> None:
    """A copy of the cookie is worth nothing after signing out."""
    token = visitor.cookies[SESSION]
    answer = visitor.post("/logout", data=hidden(visitor.get("/keys").text))
    assert "/login" == answer.headers["location"]
    assert SESSION not in visitor.cookies
    visitor.cookies.set(SESSION, token)
    assert not is_in(visitor)


def test_the_database_has_only_a_digest_of_the_session(visitor: Visitor, live: LiveConsole) -> None:
    """Nobody can sign in with what is stored."""
    store = live.installation.settings.store or ""
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        rows = repr(database.execute("SELECT * FROM sessions").fetchall())
    database.close()
    assert visitor.cookies[SESSION] not in rows


def change(installation: Installation, work: Callable[[Runtime], Awaitable[Any]]) -> None:
    """Do something to the installation from beside the server."""

    async def opened() -> None:
        async with installation.opened() as runtime:
            await work(runtime)

    asyncio.run(opened())


async def _expire(runtime: Runtime, key: KeyRecord) -> None:
    soon = runtime.now() + timedelta(milliseconds=50)
    await runtime.lifecycle.update(TEAM, key.id, {"expires_at": soon}, actor=ANA)
    await asyncio.sleep(0.06)


async def _delete(runtime: Runtime, key: KeyRecord) -> None:
    await runtime.lifecycle.disable(TEAM, key.id, actor=ANA)
    await runtime.lifecycle.delete(TEAM, key.id, actor=ANA)


FALLS: dict[str, Callable[[Runtime, KeyRecord], Awaitable[Any]]] = {
    "disabled": lambda runtime, key: runtime.lifecycle.disable(TEAM, key.id, actor=ANA),
    "expired": _expire,
    "limited to other addresses": lambda runtime, key: runtime.lifecycle.update(
        TEAM, key.id, {"ip_allow": ["203.0.113.1"]}, actor=ANA
    ),
    "deleted": _delete,
}


@pytest.mark.parametrize("how", FALLS)
def test_a_session_dies_with_its_key(live: LiveConsole, how: str) -> None:
    """When the admin key behind a session is disabled, deleted, expired or limited, the next page is the sign-in."""
    key, secret = live.make("second", key_type="admin", permissions=("*",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        assert is_in(visitor)
        change(live.installation, lambda runtime: FALLS[how](runtime, key))
        assert not is_in(visitor)


def test_a_session_does_not_rise_again(live: LiveConsole) -> None:
    """Enabling a key again does not bring back the sessions that disabling it ended, even if nobody looked between."""
    key, secret = live.make("second", key_type="admin", permissions=("*",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        change(live.installation, lambda runtime: runtime.lifecycle.disable(TEAM, key.id, actor=ANA))
        change(live.installation, lambda runtime: runtime.lifecycle.enable(TEAM, key.id, actor=ANA))
        assert not is_in(visitor)


def test_a_session_dies_with_the_ring_entry_of_its_key(live: LiveConsole) -> None:
    """When the ring entry that a key carries is retired, sessions that were signed in with it end."""
    char = live.installation.admin_key[-21]

    async def retire(rows: Transaction) -> None:
        (mark,) = await rows.ring_marks()
        await rows.put_ring_mark(RingMark(char, mark.fingerprint, RingState.RETIRED, mark.activated_at))

    with Visitor(live.url) as visitor:
        visitor.sign_in(live.installation.admin_key)
        change(live.installation, lambda runtime: runtime.store.change(retire))
        visitor.get("/v1/whoami", headers={"Authorization": f"Bearer {live.installation.admin_key}"})  # lets it look
        assert not is_in(visitor)


def test_a_session_holds_only_what_its_key_holds_now(live: LiveConsole) -> None:
    """A permission that is taken from the key is missing on the next page."""
    key, secret = live.make("second", key_type="admin", permissions=("keys:read", "keys:write"))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        assert is_in(visitor)
        change(
            live.installation,
            lambda runtime: runtime.lifecycle.update(TEAM, key.id, {"permissions": ["keys:write"]}, actor=ANA),
        )
        answer = visitor.get("/keys")
        assert 403 == answer.status_code
        assert "Your admin key doesn't hold keys:read, which this needs." in words(answer.text)


async def test_a_session_ends_with_its_time(installation: Installation) -> None:
    """After session_hours the session is over, whatever the browser does."""
    runtime = Runtime(installation.settings)
    door = sign_in.SignIn(runtime)
    token = await door.with_key(installation.admin_key, None)
    assert token is not None
    assert await door.who(token, None) is not None
    late = runtime.now() + timedelta(hours=installation.settings.admin.session_hours)
    runtime.now = lambda: late  # type: ignore[method-assign]
    assert await door.who(token, None) is None
    await runtime.stop()


# ---------------------------------------------------------------- the throttle


def test_too_many_failures_make_wait(live: LiveConsole) -> None:
    """After five failures a minute the answer is 429, even to the right key."""
    with Visitor(live.url) as visitor:
        for _ in range(5):
            assert 401 == visitor.sign_in("wrong").status_code
        answer = visitor.sign_in(live.installation.admin_key)
        assert 429 == answer.status_code
        assert "Too many attempts. Try again in 60 seconds." in words(answer.text)
        assert 1 <= int(answer.headers["retry-after"]) <= 60


async def test_the_wait_ends_and_success_forgets(installation: Installation) -> None:
    """A minute later one may try again; and a success sets the count back."""
    runtime = Runtime(installation.settings)
    door, now = sign_in.SignIn(runtime), runtime.now()
    for _ in range(5):
        await door.failed("192.0.2.1")
    assert 0 < await door.must_wait("192.0.2.1") <= 60
    assert 0 == await door.must_wait("192.0.2.2")
    runtime.now = lambda: now + timedelta(seconds=61)  # type: ignore[method-assign]
    assert 0 == await door.must_wait("192.0.2.1")
    for _ in range(4):
        await door.failed("192.0.2.1")
    await door.succeeded("192.0.2.1")
    await door.failed("192.0.2.1")
    assert 0 == await door.must_wait("192.0.2.1")
    await runtime.stop()


@pytest.mark.parametrize(
    ("ip", "bucket"),
    [("192.0.2.1", "192.0.2.1"), ("2001:db8:0:1::2", "2001:db8:0:1::/64"), (None, "unknown")],
)
def test_failures_are_counted_for_whom(ip: str | None, bucket: str) -> None:
    """IPv6 failures are counted for a network, because one customer has all of its addresses."""
    assert bucket == bucket_of(ip)


# ---------------------------------------------------------------- the one-time link


def linked(installation: Installation, key: KeyRecord | None = None) -> str:
    """Make a link, and give its path."""

    async def make() -> str:
        async with installation.opened() as runtime:
            return await make_link(runtime.store, key or installation.admin, runtime.now(), actor=ANA)

    return f"/login/link/{asyncio.run(make())}"


def test_a_link_signs_in_once(live: LiveConsole) -> None:
    """Looking at a link uses nothing; its button signs in; a second press is told that it was used."""
    path = linked(live.installation)
    with Visitor(live.url) as visitor, Visitor(live.url) as second:
        assert 200 == visitor.get(path).status_code
        form = hidden(second.get(path).text)
        assert 303 == visitor.send_form(path).status_code
        assert is_in(visitor)
        answer = second.post(path, data=form)
        assert 410 == answer.status_code
        used = "This link has already been used. Run keyfob console login for a new one."
        assert used in words(answer.text)
        assert used in words(second.get(path).text)
        assert not is_in(second)


def test_a_link_lasts_ten_minutes(live: LiveConsole) -> None:
    """After ten minutes a link is worth nothing."""

    async def make() -> str:
        async with live.installation.opened() as runtime:
            then = runtime.now() - timedelta(minutes=10)
            return await make_link(runtime.store, live.installation.admin, then, actor=ANA)

    with Visitor(live.url) as visitor:
        assert 410 == visitor.get(f"/login/link/{asyncio.run(make())}").status_code


def test_the_database_has_only_a_digest_of_the_link(live: LiveConsole) -> None:
    """Who reads the database cannot use a link."""
    token = linked(live.installation).rpartition("/")[2]
    store = live.installation.settings.store or ""
    with sqlite3.connect(store.removeprefix("sqlite:///")) as database:
        rows = repr(database.execute("SELECT * FROM sign_in_links").fetchall())
    database.close()
    assert token not in rows


def test_a_link_falls_with_its_key(live: LiveConsole) -> None:
    """A link of a key that was disabled since signs nobody in."""
    key, _ = live.make("second", key_type="admin", permissions=("*",))
    path = linked(live.installation, key)
    with Visitor(live.url) as visitor:
        form = hidden(visitor.get(path).text)
        change(live.installation, lambda runtime: runtime.lifecycle.disable(TEAM, key.id, actor=ANA))
        assert 410 == visitor.post(path, data=form).status_code


@pytest.fixture
def config(installation: Installation, tmp_path: Path) -> str:
    """A configuration file of the installation."""
    file = tmp_path / "keyfob.toml"
    file.write_text('[store]\nurl = "sqlite:///keyfob.db"\nring = "keyfob.ring"\n')
    return str(file)


def test_the_command_prints_a_link_that_works(live: LiveConsole, config: str) -> None:
    """`keyfob console login` prints the link alone on stdout; it acts as the oldest key that may do everything."""
    ran = CliRunner().invoke(main, ["console", "login", "--config", config, "--url", f"{live.url}/"])
    assert 0 == ran.exit_code
    assert ran.stdout.startswith(f"{live.url}/login/link/")
    assert "signs in as root, once" in ran.stderr
    with Visitor(live.url) as visitor:
        assert 303 == visitor.send_form(ran.stdout.strip().removeprefix(live.url)).status_code
        assert "Signed in as root" in words(visitor.get("/keys").text)


def test_the_command_acts_as_the_key_that_is_named(live: LiveConsole, config: str) -> None:
    """With --as the link acts as another admin key, and refuses one that cannot sign in."""
    key, _ = live.make("auditor", key_type="admin", permissions=("audit:read",))
    plain, _ = live.make("plain")
    named = CliRunner().invoke(main, ["console", "login", "--config", config, "--as", key.id, "--json"])
    assert 0 == named.exit_code
    assert f'"key_id":"{key.id}"' in named.stdout
    refused = CliRunner().invoke(main, ["console", "login", "--config", config, "--as", plain.id])
    assert 5 == refused.exit_code
    missing = CliRunner().invoke(main, ["console", "login", "--config", config, "--as", "0" * 16])
    assert 4 == missing.exit_code


# ---------------------------------------------------------------- where the browser is


def client_at(installation: Installation, address: str, host: str) -> tuple[Runtime, httpx.AsyncClient]:
    """A client that sees the console at *address*, while the server sees the Host header *host*."""
    runtime = Runtime(installation.settings)
    app = build_admin(runtime, pages=console_pages(runtime))
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Host": host}
    transport = httpx.ASGITransport(app)
    return runtime, httpx.AsyncClient(transport=transport, base_url=address, headers=headers)


PLACES = [
    ("https://keys.example.com", "keys.example.com", {}, "__Host-keyfob_session="),
    ("http://keys.example.com", "keys.example.com", {"url": "https://keys.example.com"}, "__Host-keyfob_session="),
    ("http://localhost:8700", "localhost:8700", {}, "keyfob_session="),
    ("http://127.0.0.1:8700", "127.0.0.1:8700", {"url": "https://keys.example.com"}, "keyfob_session="),
    ("http://[::1]:8700", "[::1]:8700", {}, "keyfob_session="),
    ("http://10.0.0.5", "10.0.0.5", {"insecure_cookies": True}, "keyfob_session="),
]


@pytest.mark.parametrize(("address", "host", "admin", "cookie"), PLACES)
async def test_the_cookie_is_as_safe_as_the_place(
    installation: Installation, address: str, host: str, admin: dict[str, Any], cookie: str
) -> None:
    """Over https the cookie is Secure and of this host alone; on this machine it is plain; both are Strict."""
    runtime, client = client_at(installation.with_admin(**admin), address, host)
    async with client:
        page = await client.get("/login")
        browser = page.headers["set-cookie"].partition(";")[0]
        form = {**hidden(page.text), "key": installation.admin_key}
        answer = await client.post("/login", data=form, headers={"Cookie": browser})
        (sent,) = [value for value in answer.headers.get_list("set-cookie") if value.startswith(cookie)]
        assert ("Secure" in sent) is cookie.startswith("__Host-")
        assert all(mark in sent for mark in ("HttpOnly", "SameSite=strict", "Path=/"))
        assert "Domain" not in sent
    await runtime.stop()


@pytest.mark.parametrize(
    ("host", "admin"),
    [
        ("10.0.0.5", {}),
        ("keys.example.com", {}),
        ("127.0.0.1.evil.example", {}),
        ("10.0.0.5:8700", {"url": "https://keys.example.com"}),
    ],
)
async def test_plain_http_beyond_this_machine_is_refused(
    installation: Installation, host: str, admin: dict[str, Any]
) -> None:
    """Where an admin key could be read on its way there is no field for it, but the reason, and nothing signs in."""
    runtime, client = client_at(installation.with_admin(**admin), f"http://{host}", host)
    async with client:
        page = await client.get("/login")
        assert 403 == page.status_code
        assert "Sign-in is refused here, because this page came over plain http." in words(page.text)
        assert "<input" not in page.text
        answer = await client.post("/login", data={"key": installation.admin_key})
        assert 403 == answer.status_code
        assert "set-cookie" not in answer.headers
    await runtime.stop()


async def test_a_session_of_elsewhere_is_no_good_over_plain_http(installation: Installation) -> None:
    """A session's cookie that arrives over plain http from beyond is not looked at."""
    runtime = Runtime(installation.settings)
    token = await sign_in.SignIn(runtime).with_key(installation.admin_key, None)
    other, client = client_at(installation, "http://10.0.0.5", "10.0.0.5")
    async with client:
        answer = await client.get("/keys", headers={"Cookie": f"{SESSION}={token}"})
        assert 303 == answer.status_code
    await runtime.stop()
    await other.stop()


def test_the_console_works_below_a_prefix(installation: Installation) -> None:
    """Mounted under /keyfob every link, form and file stays below it."""
    with running(installation, "/keyfob") as url, Visitor(url) as visitor:
        assert "/keyfob/login" == visitor.get("/keyfob").headers["location"]
        assert "/keyfob/keys" == visitor.send_form("/keyfob/login", key=installation.admin_key).headers["location"]
        page = visitor.get("/keyfob/keys").text
        addresses = [
            part.partition('"')[0] for mark in ('href="', 'action="', 'src="') for part in page.split(mark)[1:]
        ]
        assert [] == [address for address in addresses if not address.startswith(("/keyfob/", "#"))]
        assert 200 == visitor.get(next(a for a in addresses if a.endswith(".css"))).status_code


async def test_each_installation_has_its_own_console(tmp_path: Path) -> None:
    """A session of one installation is none in another."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    a, b = await installed(tmp_path / "a"), await installed(tmp_path / "b")
    first, second = Runtime(a.settings), Runtime(b.settings)
    token = await sign_in.SignIn(first).with_key(a.admin_key, None)
    assert await sign_in.SignIn(second).who(token or "", None) is None
    await first.stop()
    await second.stop()
