"""`last_admin` counts the keys that would be admitted now (FF-47), on both stores."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.errors import LastAdmin
from keyfob.keyring.keyring import Keyring
from keyfob.keyring.states import SigningKeyState
from keyfob.management.key_issuer import KeyIssuer
from keyfob.management.keyring_rotation import KeyringRotation
from tests.keyfob.management.conftest import ROOT, START

if TYPE_CHECKING:
    from keyfob.keyring.keyring import SigningKey
    from tests.keyfob.management.conftest import Office


pytestmark = pytest.mark.both_engines


async def root(office: Office, **fields: object) -> str:
    """Make a key that holds everything; return its id."""
    wanted = {"key_type": "admin", "permissions": ("*",), **fields}
    return (await office.key(**wanted)).view.record.id


@pytest.mark.parametrize(("end", "is_admitted"), [("retire", False), ("lost", True)])
async def test_ff_47_keys_of_a_retired_entry_do_not_count(office: Office, end: str, *, is_admitted: bool) -> None:
    """The last root key that is admitted stays, whatever number of root keys of a retired entry there is."""
    old = await root(office)
    fresh = Keyring.of([office.signing_key]).added(START).entries["b"]
    entries = {"a": office.signing_key, "b": fresh}
    rotation = KeyringRotation(office.store, office.clock, lambda: entries)
    await rotation.activate(fresh, actor=ROOT)
    issuer, office.issuer = office.issuer, _with(office.issuer, fresh)
    new = await root(office)
    await getattr(rotation, end)("a", actor=ROOT)
    assert {old: "a", new: "b"} == {
        view.record.id: view.record.key_char for key in (old, new) if (view := await office.store.view(key))
    }

    if is_admitted:
        await office.keys.disable("a", new, actor=ROOT)
    else:
        with pytest.raises(LastAdmin):
            await office.keys.disable("a", new, actor=ROOT)
        await office.keys.disable("a", old, actor=ROOT)  # it is refused anyway
    assert {SigningKeyState.ACTIVE} <= {mark.state for mark in await rotation.marks()}
    assert issuer is not office.issuer


def _with(issuer: KeyIssuer, entry: SigningKey) -> KeyIssuer:
    return KeyIssuer(lambda: entry, issuer.pool, issuer.parameters, issuer.prefix, persist_digests=True)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"expires_at": START + timedelta(days=1)}, id="expires"),
        pytest.param({"ip_allow": ("10.0.0.0/8",)}, id="bound-to-addresses"),
        pytest.param({"permissions": ("keys:write", "teams:write")}, id="not-everything"),
    ],
)
async def test_ff_47_lesser_admin_keys_do_not_count(office: Office, fields: dict[str, object]) -> None:
    """A key that will end, works from some addresses only or holds less is no way in when all else fails."""
    last = await root(office)
    await root(office, **fields)
    disabled = await root(office)
    await office.keys.disable("a", disabled, actor=ROOT)

    for patch in (
        {"permissions": ["keys:read"]},
        {"ip_allow": ["10.0.0.1"]},
        {"expires_at": START + timedelta(days=1)},
    ):
        with pytest.raises(LastAdmin):
            await office.keys.update("a", last, patch, actor=ROOT)
