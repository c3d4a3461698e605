from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from keyfob.keyring.file import load_keyring, write_keyring
from keyfob.keyring.keyring import Keyring
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState
from keyfob.keys.format import KEY_CHAR_AT
from tests.end_to_end.forging import forged, parsed, resummed
from tests.end_to_end.raw import CutOffError, request
from tests.end_to_end.refusals import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from keyfob.keyring.keyring import SigningKey
    from keyfob.store.contract.transaction import Transaction
    from keyfob.testing import Installation, Issued
    from tests.end_to_end.conftest import Keys, Origin
    from tests.end_to_end.server import Server


@pytest.fixture
def refusing(server: Server) -> Iterator[Server]:
    """The server, held to refuse by the tag: without a read, and without a hash."""
    with server.unmoved("handled", "store_reads", "argon2_verifications", "usage_writes"):
        before = server.stats()["refused_by_tag"]
        yield server
        assert server.stats()["refused_by_tag"] > before


def test_kf_04_a_random_tag_is_refused_by_itself(refusing: Server) -> None:
    """The right shape and checksum with a random tag is 401, without a read or a hash."""
    for _ in range(20):
        text = forged()
        assert "B401" == kind_of(refusing.ask("/items", {"X-API-Key": text}), text)


def test_kf_05_another_secret_for_a_real_id_is_refused_by_the_tag(refusing: Server, keys: Keys) -> None:
    """A real id with another secret, its tag kept and its checksum redone, is 401 without a read or a hash."""
    real = keys.reader.text
    text = resummed(real[:-64] + forged()[-64:KEY_CHAR_AT] + real[KEY_CHAR_AT:])

    assert "B401" == kind_of(refusing.ask("/items", {"X-API-Key": text}), text)


def test_kf_05_one_changed_character_is_refused_by_the_tag(refusing: Server, keys: Keys) -> None:
    """A change of any one character of id, secret, keyring or tag is 401, with the checksum redone."""
    real = keys.reader.text
    for at in (7, 22, -64, -40, KEY_CHAR_AT - 1, KEY_CHAR_AT, KEY_CHAR_AT + 1, -7):
        text = list(real)
        text[at] = "x" if text[at] != "x" else "y"
        assert "B401" == kind_of(refusing.ask("/items", {"X-API-Key": resummed("".join(text))}))


def test_kf_06_the_body_of_another_key_is_refused_by_the_tag(refusing: Server, keys: Keys) -> None:
    """The id of one key before the body of another is 401 without a read or a hash."""
    text = resummed(keys.reader.text[:-64] + keys.writer.text[-64:])

    assert "B401" == kind_of(refusing.ask("/items", {"X-API-Key": text}), text)


def test_kf_07_the_type_of_a_key_cannot_be_swapped(refusing: Server, keys: Keys, place: Origin) -> None:
    """A key that calls itself another type is 401 without a read or a hash."""
    scim = place.issue(key_type="scim")
    for text in (scim.text.replace("_scim_", "_api_"), keys.reader.text.replace("_api_", "_admin_")):
        assert "B401" == kind_of(refusing.ask("/items", {"X-API-Key": resummed(text)}), text)


def _mark(
    entry: SigningKey, state: SigningKeyState, at: datetime, *, by: SigningKey | None = None
) -> Callable[[Installation], Any]:
    async def work(rows: Transaction) -> None:
        await rows.put_signing_key(SigningKeyRecord(entry.char, entry.fingerprint, state, at), seal_with=by)

    return lambda here: here.store.change(work)


class Rotation:
    """A keyring that goes from {a} over {a, b} to {b}, under a server of its own."""

    def __init__(self, place: Origin) -> None:
        self.place = place
        self.file = place.here.options["keyring"]
        self.first = place.here.signing

    def add(self) -> SigningKey:
        """Write entry b beside a."""
        before = load_keyring(self.file)
        keyring = before.added(datetime.now(UTC))
        write_keyring(self.file, keyring, replaces=before)
        return keyring.newest

    def issue(self, entry: SigningKey, *permissions: str) -> Issued:
        """Make a key that is signed by *entry*."""
        issued: Issued = self.place.run(lambda here: replace(here, signing=entry).issue(*permissions))
        return issued


@pytest.fixture
def rotation(new_place: Callable[[], Origin]) -> Rotation:
    return Rotation(new_place())


def test_kf_08_a_keyring_is_rotated_without_a_restart(
    rotation: Rotation, alone: Callable[..., Server], http: str
) -> None:
    """Under {a} and {a, b} an old key passes; once a is retired it is 401 without a read, and keys of b pass."""
    old = rotation.issue(rotation.first, "items:read")
    server = alone(rotation.place, http=http)
    assert 200 == server.ask("/items", old.headers).status

    second = rotation.add()
    rotation.place.run(_mark(second, SigningKeyState.ACTIVE, datetime.now(UTC)))
    new = rotation.issue(second, "items:read")
    assert "b" == parsed(new).key_char
    assert 200 == server.ask("/items", old.headers).status
    assert 200 == server.ask("/items", new.headers).status

    with server.wire() as stream:
        stream.send(request("/sse", old.headers))
        assert 200 == stream.start().status
        rotation.place.run(_mark(rotation.first, SigningKeyState.RETIRED, rotation.first.created_at))
        with pytest.raises(CutOffError):
            list(iter(stream.chunk, b""))
    assert 200 == server.ask("/items", new.headers).status
    with server.unmoved("handled", "store_reads", "argon2_verifications"):
        assert "B401" == kind_of(server.ask("/items", old.headers), old.text)


def test_kf_08_a_keyring_without_the_old_entry_refuses_its_keys(
    rotation: Rotation, alone: Callable[..., Server], http: str
) -> None:
    """A server whose keyring is {b} refuses keys of a by their tag, without a read, and admits those of b."""
    old = rotation.issue(rotation.first, "items:read")
    second = rotation.add()
    rotation.place.run(_mark(second, SigningKeyState.ACTIVE, datetime.now(UTC)))
    rotation.place.run(_mark(rotation.first, SigningKeyState.RETIRED, rotation.first.created_at, by=second))
    new = rotation.issue(second, "items:read")
    write_keyring(rotation.file, Keyring.of([second]), replaces=load_keyring(rotation.file))
    server = alone(rotation.place, http=http)

    assert 200 == server.ask("/items", new.headers).status
    with server.unmoved("handled", "store_reads", "argon2_verifications"):
        assert "B401" == kind_of(server.ask("/items", old.headers), old.text)


def test_a_keyring_that_arrives_late_is_taken_up(rotation: Rotation, alone: Callable[..., Server]) -> None:
    """A worker that lacks an activated entry answers 503, and serves again once the keyring file holds it."""
    warm, cold = [rotation.issue(rotation.first, "items:read") for _ in range(2)]
    server = alone(rotation.place, max_staleness=0.4)
    only_first = load_keyring(rotation.file)
    second = rotation.add()
    both = load_keyring(rotation.file)
    write_keyring(rotation.file, only_first, replaces=both)
    rotation.place.run(_mark(second, SigningKeyState.ACTIVE, datetime.now(UTC)))
    server.ask("/items", warm.headers)  # whatever the answer: the worker has heard of the activation now
    assert "S503" == kind_of(server.ask("/items", cold.headers), cold.text)

    write_keyring(rotation.file, both, replaces=only_first)
    while "S503" == (kind := kind_of(server.ask("/items", cold.headers))):
        pass
    assert "200" == kind
