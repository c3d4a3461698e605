"""Every document is run from its first block to its last."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from keyfob import APIKeyMiddleware
from tests.conftest import require
from tests.docs.blocks import blocks_of
from tests.docs.running import faults_of
from tests.docs.terminal import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted(ROOT.glob("docs/*.md"))]
PAGES = [*DOCUMENTS, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"]
NOT_RUN: set[tuple[str, str]] = set()  # (document, reason): reviewed one by one, and best left empty

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors_of(page: Path) -> set[str]:
    """What headings can be linked to, as hosting sites name them: lower case, hyphens, no punctuation."""
    prose = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.timeout(600)  # a reference of commands runs a hundred of them, each a program of its own
@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_document_is_true_from_its_first_block_to_its_last(path: Path, tmp_path: Path) -> None:
    """Every program runs, every command prints what stands below it, every configuration can be used."""
    if shutil.which("curl") is None:
        require("curl", "the documents ask servers with it")

    assert [] == faults_of(path.read_text(), tmp_path)


@pytest.mark.parametrize("path", DOCUMENTS, ids=name_of)
def test_a_file_that_a_reader_saves_is_used(path: Path) -> None:
    """A block that is only saved is named by a command or another block of its document, so that it runs, too."""
    blocks = list(blocks_of(path.read_text()))
    saved = [block for block in blocks if block.file is not None and block.language == "python"]
    commands = "\n".join(block.text for block in blocks if block.language == "console")

    assert [] == [block.file for block in saved if Path(block.file or "").stem not in commands]


def test_what_is_not_run_was_reviewed() -> None:
    """A block that nobody runs has a reason, and stands in the list above."""
    every = [(path.name, block.why_not_run) for path in DOCUMENTS for block in blocks_of(path.read_text())]

    assert {(name, why) for name, why in every if why is not None} == NOT_RUN


@pytest.mark.parametrize("path", PAGES, ids=name_of)
def test_links_lead_somewhere(path: Path) -> None:
    """Every link to a file of the repository names one that is there, and a heading that it has."""
    dead = []
    for link in _LINK.findall(_CODE.sub("", path.read_text())):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        page = (path.parent / file).resolve() if file else path
        if not page.exists() or (anchor and anchor not in anchors_of(page)):
            dead.append(link)

    assert [] == dead


def test_the_middleware_points_to_a_page_that_is_there() -> None:
    """The docstring that people read in their editor names the page with all settings."""
    named = re.findall(r"docs/[\w-]+\.md", APIKeyMiddleware.__doc__ or "")

    assert [] != named
    assert [] == [page for page in named if not (ROOT / page).is_file()]
