"""What is delivered, to whom, how often, and what is made of receivers that do not take it."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from aiosmtpd.controller import Controller
from standardwebhooks import Webhook

from keyfob.audit import Event
from keyfob.config.notices import NoticeSettings, SmtpSettings
from keyfob.errors import ConfigError
from keyfob.notices import mail, webhook
from keyfob.notices.delivery import BACKOFF, Courier, next_attempt
from keyfob.notices.signing import read_secret
from keyfob.notices.webhook import NotDelivered, is_public
from keyfob.store.contract.notices import Delivery, Notice
from tests.keyfob.notices.receiver import SECRET, receiving

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation

NOW = datetime.now(UTC)


class Clock:
    """A clock that moves when told to."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)  # receivers refuse what was signed minutes ago

    def __call__(self) -> datetime:
        return self.now


def courier(store: KeyStore, *receivers: NoticeSettings, clock: Clock | None = None) -> Courier:
    return Courier(store, receivers, SmtpSettings(), clock or Clock())


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


async def happen(store: KeyStore, *actions: str) -> None:
    async def work(rows: Transaction) -> None:
        for action in actions:
            await rows.append(Event(NOW, "cli", None, "root", None, action, "default", "k", {"key": "reporting"}))

    await store.change(work)


async def test_a_webhook_is_signed_as_standard_webhooks_has_it(here: Installation, tmp_path: Path) -> None:
    """The reference implementation accepts id, time and signature, and refuses another body."""
    async with receiving() as receiver:
        await happen(here.store, "key.disabled")
        assert 1 == await courier(here.store, receiver.settings(tmp_path, "key.disabled")).step()

    body, headers = receiver.bodies[0], receiver.headers[0]
    told = Webhook(SECRET).verify(body, headers)
    assert ("key.disabled", "default", {"key": "reporting"}) == (
        told["type"],
        told["data"]["team"],
        told["data"]["detail"],
    )
    assert NOW == datetime.fromisoformat(told["timestamp"])
    assert "application/json" == headers["content-type"]
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(body + b" ", headers)


async def test_receivers_get_what_they_want_and_only_once(here: Installation, tmp_path: Path) -> None:
    """By event, by family, or all; however many processes deliver and however often they look."""
    async with receiving() as one, receiving() as two, receiving() as three:
        receivers = (one.settings(tmp_path, "key.disabled"), two.settings(tmp_path, "key.*"), three.settings(tmp_path))
        await happen(here.store, "key.disabled", "key.enabled", "team.updated")
        couriers = [courier(here.store, *receivers) for _ in range(2)]
        for _ in range(2):
            await asyncio.gather(*(each.step() for each in couriers))
    kept, left = await here.store.notices.after(0), await here.store.notices.unfinished()

    def types(bodies: Sequence[bytes]) -> list[str]:
        return sorted(json.loads(body)["type"] for body in bodies)

    assert ["key.disabled"] == types(one.bodies)
    assert ["key.disabled", "key.enabled"] == types(two.bodies)
    assert {"key.disabled", "key.enabled", "team.updated"} <= set(types(three.bodies))
    assert len(types(three.bodies)) == len(kept)
    assert [] == left


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (b"HTTP/1.1 500 Oh\r\n\r\n", "answered 500"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n", "302, a redirect"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak HTTP"),
        (b"", "connection failed"),
        (b"x" * 100_000, "connection failed"),
        (None, "no answer"),
    ],
)
async def test_a_receiver_that_fails_gets_it_again(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes | None, why: str
) -> None:
    """The first retry comes within 15 seconds, under the same id; then it has arrived."""
    clock = Clock()
    monkeypatch.setattr(webhook, "TIMEOUT", 2.0)
    async with receiving() as receiver:
        receiver.answer = answer
        sender = courier(here.store, receiver.settings(tmp_path, "key.disabled"), clock=clock)
        await happen(here.store, "key.disabled")
        await sender.step()
        (waiting,) = await here.store.notices.unfinished()
        assert why in (waiting.error or "")
        assert await sender.step() == 0
        receiver.answer = b"HTTP/1.1 200 OK\r\n\r\n"
        clock.now += timedelta(seconds=15)
        assert await sender.step() == 1

    assert [] == await here.store.notices.unfinished()
    assert receiver.headers[0]["webhook-id"] == receiver.headers[1]["webhook-id"]


async def test_a_receiver_that_hangs_holds_nobody_up(
    here: Installation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much waits for it: the others have theirs before it is given up for the first time."""
    monkeypatch.setattr(webhook, "TIMEOUT", 100.0)  # which a busy machine does not need for the others
    async with receiving() as hanging, receiving() as other:
        hanging.answer = None
        receivers = hanging.settings(tmp_path, "key.disabled"), other.settings(tmp_path, "key.disabled")
        await happen(here.store, *["key.disabled"] * 50)
        delivering = asyncio.create_task(courier(here.store, *receivers).run())
        while len(other.bodies) < 50:
            assert not [one for one in await here.store.notices.unfinished() if one.error]
        delivering.cancel()
        await asyncio.wait([delivering])


async def test_an_address_inside_is_refused(here: Installation, tmp_path: Path) -> None:
    """Unless it is permitted, nothing is sent to an address that is not public: not one byte."""
    async with receiving() as receiver:
        settings = receiver.settings(tmp_path, "key.disabled", allow_private=False)
        await happen(here.store, "key.disabled")
        await courier(here.store, settings).step()
    (waiting,) = await here.store.notices.unfinished()

    assert "not public" in (waiting.error or "")
    assert [] == receiver.bodies


PUBLIC = ["198.51.99.1", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
INSIDE = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "0.0.0.0", "100.64.0.1", "224.0.0.1", "::1", "::", "fe80::1"]  # noqa: S104
INSIDE += ["fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "2001:0:808:808:0:0:f5ff:fffe"]
INSIDE += ["::127.0.0.1", "::ffff:0:10.0.0.1", "64:ff9b:1::a00:1", "fec0::1", "4000::1", "192.0.0.192"]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """What the Internet routes."""
    assert is_public(ip_address(address))


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside(address: str) -> None:
    """Loopback, private, link-local, shared, multicast; also in the clothes of IPv6."""
    assert not is_public(ip_address(address))


async def test_a_killed_process_leaves_its_delivery_to_the_next(here: Installation, tmp_path: Path) -> None:
    """What was claimed and not settled is delivered once the claim has run out."""
    clock = Clock()
    async with receiving() as receiver:
        settings = receiver.settings(tmp_path, "key.disabled")
        await happen(here.store, "key.disabled")
        first = courier(here.store, settings, clock=clock)
        await first._address()
        assert 1 == len(await here.store.notices.claim([settings.target], clock.now, clock.now + timedelta(minutes=1)))
        second = courier(here.store, settings, clock=clock)
        assert 0 == await second.step()
        clock.now += timedelta(minutes=1)
        assert 1 == await second.step()

    assert 1 == len(receiver.bodies)


def test_attempts_go_on_for_three_days() -> None:
    """The first comes after ten seconds, each later than the one before, and none after three days."""
    notice, now, gaps = Notice("n", "e", NOW, {}), NOW, []
    for attempts in range(1, 100):
        due = next_attempt(Delivery(notice, "t", attempts, None, None), now)
        if due is None:
            break
        gaps.append((due - now).total_seconds())
        now = due

    assert list(BACKOFF) == gaps[: len(BACKOFF)]
    assert gaps == sorted(gaps)
    assert timedelta(days=2) < now - NOW <= timedelta(days=3)


async def test_people_are_told_by_mail(here: Installation) -> None:
    """The event is in the subject; names stand in the text alone."""
    letters: list[bytes] = []

    class Box:
        async def handle_DATA(self, _server: object, _session: object, envelope: object) -> str:  # noqa: N802 - aiosmtpd's
            letters.append(envelope.content)  # type: ignore[attr-defined]
            return "250 OK"

    port = free_port()
    controller = Controller(Box(), hostname="127.0.0.1", port=port)
    controller.start()
    try:
        smtp = SmtpSettings(host="127.0.0.1", port=port, starttls=False, sender="keyfob@example.com")
        receiver = NoticeSettings(events=("key.disabled",), email=("ops@example.com",))
        await happen(here.store, "key.disabled")
        assert 1 == await Courier(here.store, [receiver], smtp, Clock()).step()
    finally:
        controller.stop()

    assert b"Subject: Keyfob: key.disabled" in letters[0]
    assert b"To: ops@example.com" in letters[0]
    assert b"reporting" in letters[0]
    assert [] == await here.store.notices.unfinished()


async def test_a_mail_server_that_is_away_is_tried_again(here: Installation) -> None:
    """As a webhook is; the message names no password."""
    smtp = SmtpSettings(host="127.0.0.1", port=1, starttls=False, sender="keyfob@example.com")
    receiver = NoticeSettings(events=("key.disabled",), email=("ops@example.com",))
    await happen(here.store, "key.disabled")
    await Courier(here.store, [receiver], smtp, Clock()).step()
    (waiting,) = await here.store.notices.unfinished()

    assert "could not be used" in (waiting.error or "")
    with pytest.raises(NotDelivered):
        await mail.send(waiting.notice, receiver.email, smtp)


@pytest.mark.parametrize("password", ["p\u00e4ssword".encode(), b"\xff\xfe"])
async def test_a_password_that_smtp_cannot_send_keeps_nobody_else_from_theirs(
    here: Installation, tmp_path: Path, caplog: pytest.LogCaptureFixture, password: bytes
) -> None:
    """It is a failure of that receiver, tried again; the others have their notices."""
    file, port = tmp_path / "password", free_port()
    file.write_bytes(password)
    controller = Controller(object(), hostname="127.0.0.1", port=port, auth_require_tls=False, authenticator=print)
    controller.start()
    try:
        smtp = SmtpSettings(
            host="127.0.0.1", port=port, starttls=False, username="keyfob", password_file=file, sender="k@example.com"
        )
        mail_to = NoticeSettings(events=("key.disabled",), email=("ops@example.com",))
        logged = NoticeSettings(events=("key.disabled",), log=True)
        await happen(here.store, "key.disabled")
        assert 2 == await Courier(here.store, [mail_to, logged], smtp, Clock()).step()
    finally:
        controller.stop()

    (waiting,) = await here.store.notices.unfinished()
    assert "the SMTP server could not be used" in (waiting.error or "")
    assert any(record.getMessage().startswith("key.disabled: {") for record in caplog.records)


async def test_a_log_is_a_receiver(here: Installation, caplog: pytest.LogCaptureFixture) -> None:
    """One line, with the data as JSON."""
    await happen(here.store, "key.disabled")
    await courier(here.store, NoticeSettings(events=("key.disabled",), log=True)).step()

    (line,) = [record for record in caplog.records if record.name == "keyfob.notices"]
    assert line.getMessage().startswith('key.disabled: {"actor"')


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_!!!!", base64.b64encode(b"short").decode(), "x" * 200])
def test_a_wrong_secret_is_said_without_it(tmp_path: Path, text: str) -> None:
    """The message names the file."""
    path = tmp_path / "secret"
    path.write_text(text)

    with pytest.raises(ConfigError, match="secret") as wrong:
        read_secret(path)
    assert not text or text not in str(wrong.value).replace(str(path), "")
