"""What the application is handed: the request's scope, without the key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard


async def test_a_public_path_asks_for_nothing(here: Installation, guard: Guard, echo: Echo) -> None:
    """On a public path no credential is read, headers stay but for X-Keyfob-*, and user and auth are left alone."""
    headers = [("Authorization", "Bearer a b"), ("X-Keyfob-Team", "forged"), ("X-API-Key", "")]

    assert 200 == (await ask(guard(), "/open", headers)).status

    scope = echo.scopes[0]
    assert scope["keyfob"] is None
    assert {"user", "auth"}.isdisjoint(scope)
    assert [(b"authorization", b"Bearer a b"), (b"x-api-key", b"")] == scope["headers"]


async def test_se_03_the_application_never_sees_the_key(here: Installation, guard: Guard, echo: Echo) -> None:
    """The header that carried the key is gone from the scope, and from the one that outer frames hold."""
    issued = await here.issue("items:read")
    for headers in (issued.headers, {"X-API-Key": issued.text, "Authorization": "Basic abc"}):
        await ask(guard(), "/items", {**headers, "X-Keyfob-Key-Id": "forged", "Accept": "*/*"})

    assert [(b"accept", b"*/*")] == echo.scopes[0]["headers"]
    assert [(b"authorization", b"Basic abc"), (b"accept", b"*/*")] == echo.scopes[1]["headers"]
    assert issued.text not in repr(echo.scopes)


async def test_a_credential_can_be_forwarded(here: Installation, guard: Guard, echo: Echo) -> None:
    """With forward_credential the application gets the header as it came."""
    issued = await here.issue("items:read")

    await ask(guard(forward_credential=True), "/items", issued.headers)

    assert issued.text in repr(echo.scopes[0]["headers"])


async def test_what_starlette_looks_at_is_there(here: Installation, guard: Guard, echo: Echo) -> None:
    """scope["user"] and scope["auth"] answer as Starlette's own, wildcards covering what is under them."""
    issued = await here.issue("items:*", name="billing")

    await ask(guard(starlette_user=True), "/items", issued.headers)

    user, auth = echo.scopes[0]["user"], echo.scopes[0]["auth"]
    assert (True, f"billing ({issued.record.id})", issued.record.id) == (
        user.is_authenticated,
        user.display_name,
        user.identity,
    )
    assert "items:read" in auth.scopes
    assert "orders:read" not in auth.scopes
