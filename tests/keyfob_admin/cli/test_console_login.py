"""What starts a browser at `keyfob console login --open`, and what it finds."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import run, typed
from tests.keyfob_admin.cli.terminals import at_terminal

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

BROWSER = """#!/bin/sh
# A browser that notes what it was started with, and copies the page as it finds it.
printf '%s\\n' "$@" > "{seen}/argv"
page=$(printf '%s' "$1" | sed 's|^file://||')
stat -c %a "$page" "$(dirname "$page")" > "{seen}/modes"
cp "$page" "{seen}/page"
"""


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a stand-in for the browser of this machine writes what it sees."""
    folder = tmp_path / "seen"
    folder.mkdir()
    program = folder / "browser"
    program.write_text(BROWSER.format(seen=folder))
    program.chmod(0o755)
    monkeypatch.setenv("BROWSER", f"{program} %s")
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    return folder


def test_ff_57_the_link_is_on_no_command_line(home: Home, seen: Path) -> None:
    """The browser is started with a page that its owner alone can read, and that page leads to the link."""
    said = run("console", "login", "--open")
    link = said.out.strip()
    token = link.rsplit("/", 1)[1]
    argv = (seen / "argv").read_text()

    assert 0 == said.code
    assert token not in argv
    assert argv.startswith("file://")
    assert ["600", "700"] == (seen / "modes").read_text().split()
    assert [link, link] == re.findall(r'(?:url=|href=")([^"]+)"', (seen / "page").read_text())
    assert argv.strip().removeprefix("file://") in said.err


def test_ff_57_the_page_is_removed_when_it_was_seen(home: Home, seen: Path) -> None:
    """At a terminal the page goes as soon as somebody says that it is open."""
    code, shown = at_terminal("console", "login", "--open", answer="")

    assert 0 == code, shown
    assert (seen / "page").exists()
    assert [] == list((home.folder / "tmp").iterdir())


def test_without_a_browser_the_link_stays(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no browser can be opened that is said, the link is printed all the same, and no page is left."""
    opened: list[str] = []

    def nothing(url: str) -> bool:
        page = Path(url.removeprefix("file://"))
        assert 0o600 == stat.S_IMODE(page.stat().st_mode)
        opened.append(url)
        return False

    monkeypatch.setattr("webbrowser.open", nothing)
    said = typed("console", "login", "--open")

    assert 0 == said.code
    assert "/login/link/" in said.out
    assert "No browser could be opened" in said.err
    assert not Path(opened[0].removeprefix("file://")).exists()
