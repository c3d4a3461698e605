from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.testing import SyncInstallation

CONFIG = '[rules]\n"GET /items" = "items:read"\n'

app = FastAPI()  # as a module makes it, before any test runs
app.add_middleware(
    APIKeyMiddleware, store="sqlite:///nowhere.db", keyring="nowhere", rules={"GET /items": "items:read"}
)
app.get("/items")(lambda: "ok")


@pytest.mark.parametrize("attempt", [1, 2])
def test_an_application_made_at_import_uses_each_tests_installation(
    keyfob_installation: SyncInstallation, attempt: int
) -> None:
    """Every test has keys of its own, and a disabled one is refused from the next request on."""
    keyfob_installation.use_in(app)
    reader = keyfob_installation.issue("items:read", name=f"reader {attempt}")
    with TestClient(app) as client:
        assert 401 == client.get("/items").status_code
        assert 200 == client.get("/items", headers=reader.headers).status_code
        keyfob_installation.disable(reader)
        assert 401 == client.get("/items", headers=reader.headers).status_code
        keyfob_installation.enable(reader)
        assert 200 == client.get("/items", headers=reader.headers).status_code


def test_the_application_is_as_before_afterwards() -> None:
    """What a test changed in the module's application is gone after it."""
    (entry,) = app.user_middleware

    assert "nowhere" == entry.kwargs["keyring"]
    assert app.middleware_stack is None


def test_a_configuration_file_uses_it_by_itself(keyfob_installation: SyncInstallation, tmp_path: Path) -> None:
    """The environment names the installation, so that an application with config= needs nothing more."""
    config = tmp_path / "keyfob.toml"
    config.write_text(CONFIG)
    own = FastAPI()
    own.add_middleware(APIKeyMiddleware, config=config)
    own.get("/items")(lambda: "ok")
    reader = keyfob_installation.issue("items:read")

    with TestClient(own) as client:
        assert 200 == client.get("/items", headers=reader.headers).status_code


def test_an_application_without_keyfob_is_named(keyfob_installation: SyncInstallation) -> None:
    """A test that forgot the middleware fails with a sentence."""
    with pytest.raises(LookupError, match="add_middleware"):
        keyfob_installation.use_in(FastAPI())


def test_the_kit_needs_no_pytest() -> None:
    """Only the fixture loads it."""
    kit = sys.modules["keyfob.testing"]

    assert "keyfob_installation" not in kit.__all__
    with pytest.raises(AttributeError):
        _ = kit.nothing_like_it
