"""The fenced blocks of a Markdown document, with what a hidden comment above them says.

Two comments mean something, each on the line before the fence::

    <!-- file: app.py -->       the block is saved under this name, in the folder where the document's commands run
    <!-- not run: why -->       nobody runs the block; `tests/docs/test_documents.py` lists every one that may say so
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>```+)(?P<language>[^\n]*)\n(?P<text>.*?)^(?P=indent)(?P=fence)[ \t]*$",
    re.MULTILINE | re.DOTALL,
)
_COMMENT = re.compile(r"<!-- (file|not run): (.+?) -->\n *\Z")


@dataclass(frozen=True)
class Block:
    """One fenced block: where it begins, what it is written in, and what was said of it."""

    line: int
    language: str
    text: str
    file: str | None = None
    why_not_run: str | None = None


@dataclass(frozen=True)
class Command:
    """What stands after ``$`` (and ``>``, where it goes on), and what is said to be printed."""

    line: int
    text: str
    output: str


def blocks_of(document: str) -> Iterator[Block]:
    """Every fenced block, in order."""
    for match in _FENCE.finditer(document):
        said = _COMMENT.search(document[: match.start()])
        comments = {said[1]: said[2]} if said else {}
        indent = match["indent"]
        yield Block(
            line=document.count("\n", 0, match.start()) + 1,
            language=match["language"].strip(),
            text=re.sub(rf"^{indent}", "", match["text"], flags=re.MULTILINE),
            file=comments.get("file"),
            why_not_run=comments.get("not run"),
        )


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block, each with the lines below it."""
    commands: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if line.startswith("$ "):
            commands.append(Command(number, line[2:], ""))
        elif not commands:
            message = f"line {number} of a console block stands before its first command: {line}"
            raise ValueError(message)
        elif line.startswith("> ") and not commands[-1].output:
            last = commands[-1]
            commands[-1] = Command(last.line, f"{last.text}\n{line[2:]}", "")
        else:
            last = commands[-1]
            commands[-1] = Command(last.line, last.text, f"{last.output}{line}\n")
    return commands
