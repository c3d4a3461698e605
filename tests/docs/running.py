"""Runs a document from its first block to its last, and tells where it is not true."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml  # type: ignore[import-untyped]  # comes with schemathesis, without its types

from keyfob.config.schema import SECTIONS
from keyfob.config.settings import load_settings
from keyfob.policy.catalogue import build_catalogue
from keyfob.rules.compiler import compile_rules, permissions_named
from tests.docs.blocks import Block, blocks_of, commands_of
from tests.docs.comparing import differs
from tests.docs.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OF_THE_ENVIRONMENT = {"KEYFOB_CONFIG", "KEYFOB_KEYRING", "KEYFOB_KEYRING_DATA"} | {
    f"KEYFOB_{section}_{name}".upper() for section, names in SECTIONS.items() for name in names
}


def faults_of(document: str, folder: Path) -> list[str]:
    """Run every block of *document* in *folder*; each fault begins with its line."""
    terminal = Terminal(folder)
    try:
        return [fault for block in blocks_of(document) for fault in _run(block, folder, terminal)]
    finally:
        terminal.close()


def _run(block: Block, folder: Path, terminal: Terminal) -> list[str]:
    if block.why_not_run is not None:
        return []
    if block.file is not None:
        (folder / block.file).parent.mkdir(parents=True, exist_ok=True)
        (folder / block.file).write_text(block.text, encoding="utf-8")
    if block.language == "console":
        return _run_console(block, terminal)
    if block.language not in _RUN:
        return [f"{block.line}: nobody knows how to run {block.language or 'a block without a language'}"]
    if block.file is not None and block.language == "python":
        return []  # a command further down runs it
    try:
        fault = _RUN[block.language](block, folder)
    except Exception as error:  # noqa: BLE001 - whatever is wrong with a block is the document's fault
        fault = f"{type(error).__name__}: {error}"
    return [f"{block.line}: {fault}"] if fault else []


def _run_console(block: Block, terminal: Terminal) -> list[str]:
    faults = []
    for command in commands_of(block):
        what = differs(command.output, terminal.run(command.text))
        if what:
            faults.append(f"{command.line}: $ {command.text}\n    {what}")
    return faults


def _run_python(block: Block, folder: Path) -> str | None:
    """Run the block as a program. It fails by raising, so a document shows values with ``assert``."""
    ended = subprocess.run([sys.executable, "-c", block.text], cwd=folder, capture_output=True, check=False, text=True)
    return ended.stderr if ended.returncode else None


def _read_toml(block: Block, folder: Path) -> str | None:
    """Read the block as a configuration: settings, catalogue and rules."""
    path = folder / ".block.toml"
    path.write_text(block.text, encoding="utf-8")
    settings = load_settings(path, environ={})
    catalogue = build_catalogue(
        permissions=settings.permissions,
        key_types=settings.key_types,
        plans=settings.plans,
        limits=settings.limits,
        rules_named=permissions_named(*settings.rule_sets),
    )
    for rules in settings.rule_sets:
        compile_rules(rules, known=catalogue.known_to_rules(), key_types=catalogue.key_types, limits=catalogue.limits)
    return None


def _read_yaml(block: Block, _: Path) -> str | None:
    """Parse the block; every variable of Keyfob's in it must be one that Keyfob reads."""
    assert all(yaml.safe_load_all(block.text))
    strange = set(re.findall(r"\bKEYFOB_\w+", block.text)) - OF_THE_ENVIRONMENT
    return f"Keyfob does not read {', '.join(strange)}" if strange else None


def _look_at_text(block: Block, _: Path) -> str | None:
    """Nothing to run in a drawing; a command hidden in one would go untested."""
    hidden = re.search(r"^\s*(\$ |keyfob |curl |from |import ).*", block.text, re.MULTILINE)
    return f"this is to be run, and stands in a drawing: {hidden[0].strip()}" if hidden else None


_RUN: dict[str, Callable[[Block, Path], str | None]] = {
    "python": _run_python,
    "toml": _read_toml,
    "yaml": _read_yaml,
    "text": _look_at_text,
}
