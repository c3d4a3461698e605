"""Prepares the pages of the site: those of ``docs/``, the documents at the top, and the reference, made from the code.

A link to a file of the repository leads to a page that shows the file.
"""

from __future__ import annotations

import inspect
import json
import posixpath
import re
import shutil
import sys
from contextlib import suppress
from dataclasses import MISSING, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import keyfob
from keyfob.config.schema import SECTIONS
from keyfob.config.settings import Settings
from keyfob.runtime.in_process.audit import Audit
from keyfob.runtime.in_process.keys import Keys
from keyfob.runtime.in_process.people import PeopleVerbs
from keyfob.runtime.in_process.teams import TeamVerbs
from keyfob_admin.api import TABLE
from keyfob_admin.api.openapi import describe
from keyfob_admin.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
TOP = {
    "README.md": "index.md",
    "CHANGELOG.md": "CHANGELOG.md",
    "CONTRIBUTING.md": "CONTRIBUTING.md",
    "SECURITY.md": "SECURITY.md",
    "LICENSE": "LICENSE.md",
}
_LINK = re.compile(r"(!?\[[^\]]*\])\(([^)\s]+)\)")
_CODE = re.compile(r"(^```.*?^```)", re.DOTALL | re.MULTILINE)
_LANGUAGES = {".py": "python", ".toml": "toml", ".yaml": "yaml", ".yml": "yaml", ".service": "ini", ".conf": "nginx"}


class Pages:
    """The pages that were written, and the files that they link to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shown: set[str] = set()

    def write(self, name: str, text: str) -> None:
        """Write the page *name*."""
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def document(self, source: Path, name: str) -> None:
        """Write the page of a document of the repository, with its links as the site has them."""
        folder = source.parent.relative_to(ROOT).as_posix()
        parts = _CODE.split(source.read_text(encoding="utf-8"))
        parts[::2] = [_LINK.sub(lambda found: self._link(found, folder), part) for part in parts[::2]]
        self.write(name, "".join(parts))

    def _link(self, found: re.Match[str], folder: str) -> str:
        address, mark, anchor = found[2].partition("#")
        if not address or "://" in address or address.startswith("mailto:"):
            return found[0]
        target = posixpath.normpath(posixpath.join(folder, address))
        return f"{found[1]}({self._place(target)}{mark}{anchor})"

    def _place(self, target: str) -> str:
        """Where the file *target* of the repository is on the site: all documents are at its top."""
        if target in TOP:
            return TOP[target]
        if target.startswith("docs/"):
            return target.removeprefix("docs/")
        path = ROOT / target
        inside = (part for part in path.rglob("*") if part.is_file() and part.suffix != ".pyc")
        files = sorted(inside) if path.is_dir() else [path]
        page = f"files/{target}.md"
        if target not in self._shown:
            self._shown.add(target)
            self.write(page, f"---\nsearch: {{exclude: true}}\n---\n\n# {target}\n\n" + "\n".join(map(_file, files)))
        return page


def _file(path: Path) -> str:
    """Show a file of the repository."""
    name = path.relative_to(ROOT).as_posix()
    if path.suffix == ".json" or not path.exists():
        return f"`{name}`\n"
    return f"`{name}`:\n\n````{_LANGUAGES.get(path.suffix, '')}\n{path.read_text(encoding='utf-8').rstrip()}\n````\n"


def settings() -> Iterator[str]:
    """Every setting of the configuration file, with its variable and its default."""
    yield "# Settings\n\nMade from the code. [Configuration](../configuration.md) explains each.\n"
    defaults = {one.name: one.default for one in fields(Settings) if one.default is not MISSING}
    for section, known in SECTIONS.items():
        yield f"\n## [{section}]\n\n| setting | environment | default |\n|---|---|---|\n"
        for name in known:
            variable = f"KEYFOB_{section}_{name}".upper().replace(".", "_")
            default = defaults.get(name)
            shown = "" if default is None or section not in {"middleware", "keys"} else f"`{json.dumps(default)}`"
            yield f"| `{name}` | `{variable}` | {shown} |\n"


def commands() -> Iterator[str]:
    """Every command, as ``--help`` shows it."""
    yield "# Commands\n\nMade from the code. [Command line](../command-line.md) shows each at work.\n"
    yield from _command(main, "keyfob", None)


def _command(command: click.Command, name: str, parent: click.Context | None) -> Iterator[str]:
    context = click.Context(command, info_name=name if parent is None else name.rpartition(" ")[2], parent=parent)
    yield f"\n## `{name}`\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            if found is not None and not found.hidden:
                yield from _command(found, f"{name} {below}", context)


def http_api() -> Iterator[str]:
    """Every call of the admin API, from its OpenAPI document."""
    document: dict[str, Any] = describe(TABLE, version="")
    yield "# HTTP API\n\nMade from the code: what `/openapi.json` says. [Admin API](../admin-api.md) explains it.\n"
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            statuses = ", ".join(f"`{status}`" for status in call["responses"])
            yield f"\n## `{method.upper()} {path}`\n\n{call['summary']}. {call['description']}\n"
            yield f"\nAnswers: {statuses}.\n"
            if body := call.get("requestBody"):
                yield f"\nBody: `{body['content']['application/json']['schema']['$ref'].rpartition('/')[2]}`.\n"
    for name, schema in sorted(document["components"]["schemas"].items()):
        yield f"\n## {name}\n\n{schema.get('description', '')}\n\n```json\n"
        yield json.dumps({"properties": schema.get("properties", {})}, indent=2) + "\n```\n"


def python() -> Iterator[str]:
    """Every public name of the package ``keyfob``, and the verbs of `keyfob.open`."""
    yield "# Python\n\nMade from the code. [Python API](../python-api.md) shows the verbs at work.\n"
    for name in sorted(keyfob.__all__):
        yield from _documented(f"keyfob.{name}", getattr(keyfob, name))
    for prefix, verbs in (("keys", Keys), ("teams", TeamVerbs), ("people", PeopleVerbs), ("audit", Audit)):
        for name, verb in inspect.getmembers(verbs, inspect.isfunction):
            if not name.startswith("_"):
                yield from _documented(f"kf.{prefix}.{name}", verb)


def _documented(name: str, what: object) -> Iterator[str]:
    yield f"\n## `{name}`\n"
    if callable(what):
        with suppress(ValueError):  # of a class that is written in C
            yield f"\n```python\n{name.rpartition('.')[2]}{inspect.signature(what)}\n```\n"
    yield f"\n{inspect.cleandoc(inspect.getdoc(what) or '')}\n".replace("``", "`")


def configure(folder: Path) -> None:
    """Write the configuration beside *folder*. Pages of ``docs/`` that the navigation does not name come last in it."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    named = set(re.findall(r"[\w-]+\.md", text))
    others = [path.name for path in sorted((ROOT / "docs").glob("*.md")) if path.name not in named]
    more = f"  - More: [{', '.join(others)}]\n" if others else ""
    (folder.parent / "mkdocs.yml").write_text(text.replace("build/", "") + more, encoding="utf-8")


def build(folder: Path) -> None:
    """Write all pages into *folder*."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    configure(folder)
    pages = Pages(folder)
    for source in sorted((ROOT / "docs").glob("*.md")):
        pages.document(source, source.name)
    for source, name in TOP.items():
        pages.document(ROOT / source, name)
    shutil.copytree(ROOT / "docs" / "images", folder / "images")
    for name, made in {"settings": settings, "commands": commands, "http-api": http_api, "python": python}.items():
        pages.write(f"reference/{name}.md", "".join(made()))


if __name__ == "__main__":
    build(Path(sys.argv[1]))
