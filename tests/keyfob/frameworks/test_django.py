"""A Django project whose asgi.py is wrapped, and every other way into it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.keyfob_admin.cli.conftest import run, typed
from tests.keyfob_admin.cli.test_doctor_and_serve import free_port, until_up

if TYPE_CHECKING:
    from pathlib import Path

WRAP = """
from keyfob import APIKeyMiddleware
application = APIKeyMiddleware(application, config="keyfob.toml", rules={"GET /healthz": {"public": True}, "/": []})
"""
URLS = """
from django.http import HttpResponse
from django.urls import path
urlpatterns = [path("", lambda _: HttpResponse("inside")), path("healthz", lambda _: HttpResponse("well"))]
"""
APP = '\nINSTALLED_APPS += ["keyfob.django"]\n'
GUARD = '\nMIDDLEWARE.insert(0, "keyfob.django.RequireKeyfob")\n'
DEPLOYED = '\nDEBUG = False\nALLOWED_HOSTS = ["*"]\n'
BY_WSGI = """
from wsgiref.util import setup_testing_defaults
from shop.wsgi import application
environ = {"PATH_INFO": "/"}
setup_testing_defaults(environ)
application(environ, lambda status, headers: print(status))
"""


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "shop.settings"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project as Django makes one, with Keyfob around its asgi.py."""
    folder = tmp_path_factory.mktemp("pattern")
    assert 0 == python(folder, "-m", "django", "startproject", "shop", ".").returncode
    (folder / "shop" / "urls.py").write_text(URLS)
    edit(folder, "asgi.py", WRAP)
    edit(folder, "settings.py", DEPLOYED)
    assert 0 == run("init", "--for", "django", "--config", str(folder / "keyfob.toml")).code
    return folder


@pytest.fixture
def project(pattern: Path, tmp_path: Path) -> Path:
    """A copy of the test's own."""
    shutil.copytree(pattern, tmp_path, dirs_exist_ok=True)
    return tmp_path


def edit(project: Path, file: str, more: str) -> None:
    path = project / "shop" / file
    path.write_text(path.read_text() + more)


def doctor(project: Path) -> str:
    return typed("doctor", "--config", str(project / "keyfob.toml")).out


def test_ff_13_the_system_check_stops_runserver(project: Path) -> None:
    """With keyfob.django installed and its middleware missing, neither check nor runserver goes on."""
    edit(project, "settings.py", APP)
    checked = python(project, "manage.py", "check")
    served = python(project, "manage.py", "runserver", "--noreload", str(free_port()))

    for stopped in (checked, served):
        assert 0 != stopped.returncode
        assert "keyfob.E001" in stopped.stderr
        assert "keyfob.django.RequireKeyfob" in stopped.stderr


def test_ff_13_nothing_is_answered_past_keyfob(project: Path) -> None:
    """With the middleware, runserver and wsgi.py answer 500, and asgi.py asks for a key and answers as before."""
    edit(project, "settings.py", APP + GUARD)
    assert 0 == python(project, "manage.py", "check").returncode
    assert "500 Internal Server Error\n" == python(project, "-c", BY_WSGI).stdout

    for command, statuses in (
        (["manage.py", "runserver", "--noreload"], [500, 500]),
        (["-m", "uvicorn", "shop.asgi:application", "--no-proxy-headers", "--port"], [200, 401]),
    ):
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [sys.executable, *command, str(port)], cwd=project, stderr=subprocess.PIPE, text=True
        )
        try:
            until_up(url, process)
            assert statuses == [httpx.get(url + path).status_code for path in ("/healthz", "/")]
        finally:
            process.kill()
            process.communicate(timeout=30)


def test_ff_13_doctor_looks_for_ways_past_keyfob(project: Path) -> None:
    """A wrapped asgi.py beside an open wsgi.py is named with its fix, beside the configuration."""
    told = doctor(project)
    assert "warn  django" in told
    assert "wsgi.py" in told
    assert "keyfob.django.RequireKeyfob" in told

    (project / "shop" / "wsgi.py").unlink()
    assert "runserver" in doctor(project)
    edit(project, "settings.py", APP + "\n# MIDDLEWARE.insert(0, 'keyfob.django.RequireKeyfob')\n")
    assert "warn  django" in doctor(project)
    edit(project, "settings.py", GUARD)
    assert "django" not in doctor(project).replace(str(project), "")


@pytest.mark.parametrize("asgi", ["", "# from keyfob import APIKeyMiddleware\n"])
def test_doctor_leaves_projects_without_keyfob_alone(project: Path, asgi: str) -> None:
    """A project that Keyfob is not around, or only in a comment, is none of doctor's business."""
    (project / "shop" / "asgi.py").write_text(asgi)

    assert "warn  django" not in doctor(project)


def test_a_file_that_cannot_be_read_does_not_stop_doctor(project: Path) -> None:
    """What is no text, too long or gone is passed over."""
    (project / "shop" / "gone.py").symlink_to(project / "nowhere.py")
    (project / "shop" / "binary.py").write_bytes(bytes(range(256)) * 2000)
    (project / "folder.py").mkdir()

    assert "warn  django" in doctor(project)
