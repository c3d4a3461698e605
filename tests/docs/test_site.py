"""The documentation as a site: what `scripts/docs` builds."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from keyfob.config.schema import SECTIONS
from keyfob_admin.api import TABLE
from keyfob_admin.cli import main
from tests.own_environment import ROOT, python_with

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)  # whichever test comes first builds the site
FROM_ELSEWHERE = re.compile(
    r"<(?:script|img|iframe|source)[^>]* src=[\"']?(?:https?:)?//"
    r"|<link[^>]* rel=[\"']?(?:stylesheet|preload|preconnect|icon)[^>]* href=[\"']?(?:https?:)?//"
    r"|@import|url\([\"']?(?:https?:)?//"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `scripts/docs` builds it: a warning is an error."""
    python = python_with("docs", "the site is built by mkdocs-material")
    folder = tmp_path_factory.mktemp("site")
    for command in (
        (sys.executable, "scripts/docs_pages.py", "build/docs"),
        (python, "-m", "mkdocs", "build", "--strict", "-f", "build/mkdocs.yml", "--site-dir", str(folder)),
    ):
        environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
        assert 0 == done.returncode, done.stdout + done.stderr
    return folder


def test_every_document_has_its_page(site: Path) -> None:
    """Those of the repository's top, too; the README is the front page."""
    documents = {path.stem for path in ROOT.glob("docs/*.md")} | {"index", "CHANGELOG", "SECURITY", "CONTRIBUTING"}

    assert set() == documents - {path.stem for path in site.glob("*.html")}
    assert "API keys" in (site / "index.html").read_text()


def test_the_site_asks_no_other_site_for_anything(site: Path) -> None:
    """No page and no stylesheet loads a script, font, picture or style from elsewhere."""
    pages = [*site.rglob("*.html"), *site.rglob("*.css")]

    assert [] == [path.name for path in pages if FROM_ELSEWHERE.search(path.read_text())]


def test_the_reference_is_made_from_the_code(site: Path) -> None:
    """Every setting, command and call of the API stands in it, as the code has them."""
    texts = {name: (site / "reference" / f"{name}.html").read_text() for name in ("settings", "commands", "http-api")}
    settings = {f"<code>{name}</code>" for known in SECTIONS.values() for name in known}
    commands = {f"<code>keyfob {name}</code>" for name in main.commands}
    calls = {f"<code>{route.method} {route.path}</code>" for route in TABLE}

    assert set() == {name for name in settings if name not in texts["settings"]}
    assert set() == {name for name in commands if name not in texts["commands"]}
    assert set() == {name for name in calls if name not in texts["http-api"]}
    assert "kf.keys.create" in (site / "reference" / "python.html").read_text()
