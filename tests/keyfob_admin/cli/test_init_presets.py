from __future__ import annotations

import asyncio
import os
import stat
import subprocess
import sys
import textwrap
import tomllib
from typing import TYPE_CHECKING

import fastapi
import httpx
import litestar
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from keyfob import APIKeyMiddleware
from keyfob_admin.setup.presets import PRESETS
from tests.keyfob_admin.cli.conftest import run, typed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from starlette.types import ASGIApp

    from tests.keyfob_admin.cli.conftest import Home

LISTED = {
    "fastapi": {"/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"},
    "django": {"/static/{path:path}", "/admin/{path:path}"},
    "litestar": {"/schema", "/schema/{path:path}"},
    "mcp": {"/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/{path:path}"},
}


def public_rules(folder: Path) -> set[str]:
    rules = tomllib.loads((folder / "keyfob.toml").read_text())["rules"]
    return {path for path, rule in rules.items() if isinstance(rule, dict) and rule.get("public")}


@pytest.mark.parametrize("framework", sorted(LISTED))
def test_ff_35_a_preset_makes_public_what_its_framework_serves_itself(folder: Path, framework: str) -> None:
    """These paths and no others are public, init names them, and doctor is content."""
    done = typed("init", "--for", framework)

    assert 0 == done.code
    assert LISTED[framework] == public_rules(folder)
    assert all(path in done.err for path in LISTED[framework])
    assert 0 == typed("doctor").code
    assert set(LISTED) == set(PRESETS)


def asked(app: ASGIApp, *paths: str) -> list[int]:
    """Ask for each path without a key; the statuses."""
    return asyncio.run(_asked(app, paths))


async def _asked(app: ASGIApp, paths: Iterable[str]) -> list[int]:
    guarded = APIKeyMiddleware(app, config="keyfob.toml")
    transport = httpx.ASGITransport(guarded)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return [(await client.get(path)).status_code for path in paths]
    finally:
        await guarded.runtime.stop()


def test_ff_35_fastapi_shows_its_pages(folder: Path) -> None:
    """FastAPI's pages need no key, and its routes do."""
    typed("init", "--for", "fastapi")
    app = fastapi.FastAPI()
    app.get("/items")(list)
    pages = ["/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"]

    assert [200, 200, 200, 200, 401, 401] == asked(app, *pages, "/items", "/docs/internal")


def test_ff_35_without_a_preset_docs_work_too(folder: Path) -> None:
    """What init writes without --for lets FastAPI show its docs, and asks for a key everywhere else."""
    typed("init")
    app = fastapi.FastAPI()
    app.get("/items")(list)

    assert [200, 200, 401, 401] == asked(app, "/docs", "/openapi.json", "/items", "/")


def test_ff_35_litestar_shows_its_pages(folder: Path) -> None:
    """Litestar's pages need no key, and its routes do."""
    typed("init", "--for", "litestar")

    @litestar.get("/items", sync_to_thread=False)
    def items() -> list[str]:
        return []

    app = litestar.Litestar([items])

    assert [200, 200, 401] == asked(app, "/schema", "/schema/openapi.json", "/items")  # type: ignore[arg-type]


def test_ff_35_mcp_clients_learn_that_there_is_no_oauth(folder: Path) -> None:
    """The server's own 404 answers the look for OAuth, and the endpoint needs a key."""
    typed("init", "--for", "mcp")
    app = Starlette(routes=[Route("/mcp", lambda _: PlainTextResponse("mcp"), methods=["GET", "POST"])])
    well_known = "/.well-known/oauth-protected-resource"

    assert [404, 404, 401] == asked(app, well_known, f"{well_known}/mcp", "/mcp")


DJANGO = """
    import django
    from django.conf import settings
    settings.configure(
        SECRET_KEY="x", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, STATIC_URL="/static/", DEBUG=True,
        SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
        INSTALLED_APPS=["django.contrib." + name
                        for name in ("admin", "auth", "contenttypes", "sessions", "messages", "staticfiles")],
        MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware",
                    "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "django.contrib.messages.middleware.MessageMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    )
    django.setup()
    from django.contrib import admin
    from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
    from django.core.asgi import get_asgi_application
    from django.http import HttpResponse
    from django.urls import path
    import asyncio
    import httpx
    from keyfob import APIKeyMiddleware
    urlpatterns = [path("admin/", admin.site.urls), path("items", lambda request: HttpResponse("items"))]
    app = APIKeyMiddleware(ASGIStaticFilesHandler(get_asgi_application()), config="keyfob.toml")
    async def main():
        paths = ("/admin/", "/admin/auth/user/", "/static/admin/css/base.css", "/items")
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
            answers = [await client.get(path) for path in paths]
        print([answer.status_code for answer in answers], answers[0].headers["location"])
        await app.runtime.stop()
    asyncio.run(main())
"""


def test_ff_35_django_keeps_its_admin_login(folder: Path) -> None:
    """Static files come, the admin site asks for its own login, and views need a key."""
    typed("init", "--for", "django")
    program = folder / "project.py"
    program.write_text(textwrap.dedent(DJANGO))
    done = subprocess.run([sys.executable, program.name], capture_output=True, text=True, check=False)

    assert ("[302, 302, 200, 401] /admin/login/?next=/admin/\n", 0) == (done.stdout, done.returncode), done.stderr


def test_ff_35_a_preset_does_not_touch_a_configuration(home: Home) -> None:
    """A configuration that is there stays, and init says that the preset went unused."""
    for path in home.folder.glob("keyfob.db*"):
        path.unlink()
    before = (home.folder / "keyfob.toml").read_text()
    done = typed("init", "--for", "fastapi")

    assert 0 == done.code
    assert "--for fastapi changed nothing" in done.err
    assert before == (home.folder / "keyfob.toml").read_text()
    assert 2 == typed("init", "--for", "rails").code


@pytest.mark.parametrize("umask", [0o022, 0o002, 0])
def test_ff_57_the_configuration_is_private(folder: Path, umask: int) -> None:
    """Whatever the umask, only the owner can use what init writes: an address in it may hold a password."""
    before = os.umask(umask)
    try:
        assert 0 == run("init").code
    finally:
        os.umask(before)

    assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}


def test_secrets_are_kept_out_of_a_repository(folder: Path) -> None:
    """Git ignores the keyring and the database with all that lies beside it, and a .gitignore keeps what it had."""
    (folder / ".gitignore").write_text("*.pyc")
    typed("init")
    git = ["git", "-C", str(folder)]
    subprocess.run([*git, "init", "-q"], check=True)
    shown = subprocess.run([*git, "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True)
    lines = (folder / ".gitignore").read_text()

    assert ["?? .gitignore", "?? keyfob.toml"] == shown.stdout.splitlines()
    assert "*.pyc\n/keyfob.keyring\n/keyfob.db*\n" == lines
    for path in folder.glob("keyfob.db*"):
        path.unlink()
    typed("init")
    assert lines == (folder / ".gitignore").read_text()


def test_what_lies_elsewhere_is_not_ignored_here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A keyring or database outside of the configuration's folder adds no line."""
    (folder / "etc").mkdir()
    monkeypatch.setenv("KEYFOB_STORE_URL", f"sqlite:///{folder}/elsewhere.db")
    monkeypatch.setenv("KEYFOB_KEYRING", str(folder / "elsewhere.keyring"))

    assert 0 == typed("init", "--config", "etc/keyfob.toml").code
    assert ["keyfob.toml"] == [path.name for path in (folder / "etc").iterdir()]
