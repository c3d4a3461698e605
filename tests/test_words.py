"""One term for one thing, and that of the field: the words that Keyfob once made up for itself stay away."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
FOLDERS = ("middleware", "admin_api", "bench", "docs", "examples", "scripts", "tests", ".ci", ".github")
KINDS = {".css", ".html", ".js", ".json", ".md", ".py", ".sh", ".sql", ".toml", ".yaml", ".yml", ".conf", ""}
# This file holds the list, and the changelog tells what a thing was called before.
EXCEPT = {"tests/test_words.py", "CHANGELOG.md"}

# As parts of an identifier or a file's name: `ring_char`, `RingInUse` and `new_ring` alike.
IN_NAMES = {
    "bell": "change signal",
    "brand": "key prefix",
    "desk": "CLI context",
    "doorbell": "change signal",
    "ear": "listener",
    "fallen": "revoked",
    "fell": "revoked",
    "hear": "listen",
    "hints": "notifications",
    "hopeless": "cheap rejection",
    "mend": "fix",
    "mended": "fixed",
    "mint": "issue",
    "minted": "created",
    "minter": "issuer",
    "minting": "issuing",
    "odd": "sensitive",
    "ordinary": "plain",
    "parted": "split",
    "proof": "key digest",
    "proofs": "key digests",
    "recogniser": "key verifier",
    "recognition": "key verification",
    "recognizer": "key verifier",
    "ring": "keyring",
    "rings": "keyrings",
    "rooms": "modules",
    "vouch": "lease",
    "vouched": "lease",
    "vouching": "lease",
    "workbench": "keyring context",
}
# Whole names that say nothing by themselves.
NAMES = {
    "Entries": "KeyForm",
    "Look": "Renderer",
    "Minter": "KeyIssuer",
    "Place": "Origin",
    "Roll": "WorkerList",
    "Rooms": "Modules",
    "Visit": "PageRequest",
    "at_desk": "run_with_context",
    "roll": "worker list",
}
# In any text.
IN_TEXT = {
    r"brand(?:s|ed)?": "key prefix",
    r"call(?:s|ed|ing)? the roll|roll call": "acknowledgement wait",
    r"desk": "CLI context, management",
    r"doorbells?|bells?": "change signal",
    r"hopeless(?:ly)?": "malformed or forged",
    r"KeyFell\w*|has fallen|key falls|key fell": "is revoked",
    r"mend(?:s|ed|ing)?": "fix",
    r"mint(?:s|ed|ing)?": "issue",
    r"persist_proofs|key proofs?": "key digest",
    r"recogni[sz]ers?": "key verifier",
    r"rings?": "keyring; publish a change",
    r"strikes? off|struck off": "deregister",
    r"vouch(?:es|ed|ing)?(?: for)?": "lease",
}
DOORBELL = "middleware/keyfob/store/sqlite/change_signal.py"  # says once that NVMe and RDMA call this a doorbell

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


def parts(name: str) -> set[str]:
    """The words of an identifier: `RingInUse` and `ring_in_use` have the same."""
    return {part.lower() for part in _PARTS.findall(name)}


def files() -> list[Path]:
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.is_file()]
    found += ROOT.glob("*.md")
    return sorted(
        path
        for path in found
        if path.suffix in KINDS and "__pycache__" not in path.parts and path.relative_to(ROOT).as_posix() not in EXCEPT
    )


def made_up(name: str) -> str | None:
    """What to call the thing instead, if *name* has a word of our own."""
    return NAMES.get(name) or next((better for word, better in IN_NAMES.items() if word in parts(name)), None)


def names_in(path: Path) -> Iterator[str]:
    """Every name that a Python file gives to something."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()) | ast.arg(arg=name):
                yield name
            case ast.alias(asname=str(name)):
                yield name
            case _:
                pass


@pytest.mark.parametrize(
    ("name", "better"),
    [("RingInUse", "keyring"), ("ring_char", "keyring"), ("Visit", "PageRequest"), ("_hints", "notifications")],
)
def test_a_made_up_name_is_found_however_it_is_written(name: str, better: str) -> None:
    """Words are told apart within identifiers of either style."""
    assert better == made_up(name)


@pytest.mark.parametrize("name", ["Keyring", "keyring_file", "string", "during", "appear", "hint", "branding_color"])
def test_a_name_that_only_contains_one_is_left_alone(name: str) -> None:
    """A word counts only where it is a word."""
    assert made_up(name) is None


def test_nothing_is_named_by_a_word_of_our_own() -> None:
    """No class, function, argument, attribute or variable, of the product or of its tests, has such a name."""
    found = {
        f"{path.relative_to(ROOT)}: {name}": better
        for path in files()
        if path.suffix == ".py"
        for name in names_in(path)
        if (better := made_up(name)) is not None
    }

    assert {} == found


def test_no_file_is_named_by_a_word_of_our_own() -> None:
    """No file and no folder has such a name."""
    names = {part for path in files() for part in path.relative_to(ROOT).with_suffix("").parts}

    assert {} == {name: better for name in names if (better := made_up(name)) is not None}


def test_no_text_uses_a_word_of_our_own() -> None:
    """Neither code, comments and messages nor docs use them; the change signal may say once what else it is called."""
    patterns = {re.compile(rf"\b(?:{text})\b", re.IGNORECASE): better for text, better in IN_TEXT.items()}
    found = [
        (f"{path.relative_to(ROOT)}:{text.count(chr(10), 0, match.start()) + 1}", match[0], better)
        for path in files()
        for text in [path.read_text(encoding="utf-8", errors="replace")]
        for pattern, better in patterns.items()
        for match in pattern.finditer(text)
    ]
    doorbell = [where for where, word, _ in found if where.startswith(f"{DOORBELL}:") and word.lower() == "doorbell"]

    assert len(doorbell) <= 1
    assert [] == [hit for hit in found if hit[0] not in doorbell]
