"""The SCIM key of a team that is being provisioned is replaced, and its identity provider notices nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from httpx2 import Client
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_server.applications.asgi import ASGIApplication
from scim2_server.memory import AsyncInMemoryStorage
from scim2_server.utils import load_default_provider
from scim2_tester import Status, check_server
from starlette.applications import Starlette
from starlette.routing import Mount

from keyfob import APIKeyMiddleware
from tests.keyfob_admin.api.conftest import serving
from tests.keyfob_admin.cli.conftest import CHEAP, typed
from tests.keyfob_admin.cli.test_on_postgres import database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from httpx2 import Response

__all__ = ["database"]  # a fixture of the tests on PostgreSQL, used here as well

RULES = {"/scim/{path:path}": {"permission": "scim:provision", "key_types": ["scim"]}}
REFUSED = {401, 403, 503}


@pytest.fixture(params=["sqlite", "postgres"])
def scim(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """The address of a SCIM server behind Keyfob, on either store."""
    if request.param == "postgres":
        request.getfixturevalue("database")
    assert 0 == typed("init").code
    config = folder / "keyfob.toml"
    config.write_text(config.read_text().replace("\n[middleware]\n", CHEAP, 1))
    provider = load_default_provider()
    service = ASGIApplication(AsyncInMemoryStorage(), provider)
    guarded = APIKeyMiddleware(Starlette(routes=[Mount("/scim", service)]), config=config, rules=RULES)  # type: ignore[arg-type] # it asks for a dict
    with serving(guarded) as url:
        yield f"{url}/scim/v2"


def made(*arguments: str) -> tuple[str, str]:
    """What a command that makes a key answers: its id and its secret."""
    done = typed(*arguments, "--json")
    assert 0 == done.code, done.err
    return done.data["key"]["id"], done.data["secret"]


def test_a_scim_key_is_replaced_while_it_provisions(scim: str) -> None:
    """From the old key over both to the new one, scim2-tester finds what it found before, and no request is refused."""
    old, secret = made("keys", "create", "okta", "--type", "scim")
    answers: list[int] = []
    warned: list[int] = []
    successor: dict[str, str] = {}

    def seen(response: Response) -> None:
        answers.append(response.status_code)
        if "deprecation" in response.headers:
            warned.append(len(answers))
        if len(answers) == 20:  # in the midst of it, another process replaces the key
            successor["id"], successor["secret"] = made("keys", "rotate", old, "--overlap", "1h")
        if len(answers) == 40:  # and the provider is given the new one
            client.headers["Authorization"] = f"Bearer {successor['secret']}"

    headers = {"Authorization": f"Bearer {secret}"}
    with Client(base_url=scim, headers=headers, event_hooks={"response": [seen]}, timeout=60) as client:
        found: Any = check_server(SyncSCIMClient(client))
        assert 0 == typed("keys", "disable", old, "--yes", "--wait").code
        client.headers["Authorization"] = f"Bearer {secret}"
        ended = client.get("/ServiceProviderConfig").status_code

    assert not [one for one in found if one.status in {Status.ERROR, Status.CRITICAL}]
    assert len(answers) > 60
    assert not REFUSED & set(answers[:-1])
    assert set(warned) <= set(range(21, 41))
    assert 401 == ended
