"""What the command line prints: data on stdout, words on stderr."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def say(words: str) -> None:
    """Tell the person at the terminal something; never data that another program should read."""
    click.echo(words, err=True)


def print_json(data: object) -> None:
    """Print *data* as JSON, on one line so that it can be piped line by line."""
    click.echo(msgspec.json.encode(data))


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns, two spaces apart. Without rows only the head is printed."""
    lines = [[name.upper() for name in head], *([plain(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print one thing, a line for each of its fields."""
    pairs = list(fields)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {plain(value)}".rstrip())


def plain(text: str) -> str:
    """Replace what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def named(kind: str, key_id: str | None, name: str) -> str:
    """Write who did something: the name always with the key's id, or with what else it is, so that none can pass."""
    return f"{name} (key {key_id})" if key_id else f"{name} ({kind})"


def moment(at: datetime | None, otherwise: str = "never") -> str:
    """Write a time as RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else otherwise
