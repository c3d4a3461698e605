"""What the command line prints: data on stdout, words on stderr."""

from __future__ import annotations

import json
import shutil
import sys
import unicodedata
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click
import msgspec

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

MOST_ROWS = 50  # on a terminal; a pipe or a file gets them all
_GAP = "  "
_NARROWEST = 8  # columns that a shortened cell keeps, if it had as many
_CUT = "…"


def say(words: str) -> None:
    """Tell the person at the terminal something; never data that another program should read."""
    click.echo(words, err=True)


def print_json(data: object) -> None:
    """Print *data* as JSON, on one line so that it can be piped line by line."""
    try:
        text = msgspec.json.encode(data).decode()
    except UnicodeEncodeError:  # of an argument, such as the name of a file, that is no UTF-8
        text = json.dumps(msgspec.to_builtins(data), separators=(",", ":"))
    click.echo(text)


def is_terminal() -> bool:
    """Tell whether a person reads stdout, and not a program or a file."""
    return sys.stdout.isatty()


def print_table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Collection[str] = (),
    drop: Sequence[str] = (),
    newest_last: bool = False,
) -> None:
    """Print aligned columns. Without rows only the head is printed.

    Into a pipe everything goes, one line a row. On a terminal the table fits its width and has at most `MOST_ROWS`
    rows, the last ones if *newest_last*: long cells are shortened, except in the first column and in those of
    *whole*, and where that is not enough, the columns in *drop* are left out, in that order.
    """
    lines = [[plain(cell) for cell in row] for row in rows]
    if not is_terminal():
        _print_lines([[name.upper() for name in head], *lines])
        return
    more = len(lines) - MOST_ROWS
    shown = lines[-MOST_ROWS:] if newest_last else lines[:MOST_ROWS]
    width = shutil.get_terminal_size().columns
    fitted, dropped = _fit([[name.upper() for name in head], *shown], head, width, whole, drop)
    _print_lines(fitted, width)
    if more > 0:
        click.echo(f"{_CUT} {more:,} more")
        say("To see all of them, send the list through a pipe, as in `| less`.")
    if dropped:
        say(f"This terminal is too narrow for {' and '.join(dropped)}.")


def _print_lines(lines: Sequence[Sequence[str]], most: int | None = None) -> None:
    widths = _widths(lines)
    for line in lines:
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(line, widths, strict=True)]
        text = _GAP.join(cells).rstrip()
        click.echo(text if most is None else _shortened(text, most))


def _fit(
    lines: list[list[str]], head: Sequence[str], width: int, whole: Collection[str], drop: Sequence[str]
) -> tuple[list[list[str]], list[str]]:
    """Shorten cells, then leave out columns, until the lines are at most *width* wide. Names what was left out."""
    names, dropped, waiting = list(head), [], list(drop)
    while True:
        widths = _widths(lines)
        least = [
            size if place == 0 or names[place] in whole else min(size, max(_NARROWEST, len(names[place])))
            for place, size in enumerate(widths)
        ]
        gaps = len(_GAP) * (len(names) - 1)
        if sum(least) + gaps <= width or not waiting:
            break
        place = names.index(waiting.pop(0))
        dropped.append(names.pop(place))
        lines = [[*line[:place], *line[place + 1 :]] for line in lines]
    while sum(widths) + gaps > width and widths != least:
        slack = [size - floor for size, floor in zip(widths, least, strict=True)]
        widths[max(range(len(widths)), key=lambda place: (slack[place] > 0, widths[place]))] -= 1
    return [[_shortened(cell, size) for cell, size in zip(line, widths, strict=True)] for line in lines], dropped


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(_width(line[place]) for line in lines) for place in range(len(lines[0]))]


def _width(text: str) -> int:
    """Count the columns of a terminal that *text* takes: two for each wide character of East Asia, none for marks."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def _shortened(text: str, most: int) -> str:
    """Cut *text* to *most* columns of a terminal, and show that it was cut."""
    if _width(text) <= most:
        return text
    while text and _width(text) >= most:
        text = text[:-1]
    return text.rstrip() + _CUT


def print_fields(fields: Iterable[tuple[str, str]]) -> None:
    """Print one thing, a line for each of its fields."""
    pairs = list(fields)
    width = max(len(name) for name, _ in pairs)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {plain(value)}".rstrip())


def plain(text: str) -> str:
    """Replace what could steer a terminal."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def named(kind: str, who: str | None, name: str) -> str:
    """Write who did something: the name always with an id, or with what else it is, so that none can pass."""
    return f"{name} ({kind} {who})" if who else f"{name} ({kind})"


def moment(at: datetime | None, otherwise: str = "never") -> str:
    """Write a time as RFC 3339 in UTC, to the second."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else otherwise


def moment_cell(at: datetime | None, otherwise: str = "never") -> str:
    """Write a time for a table: for a person the day is enough, a program gets all of it."""
    return moment(at, otherwise).partition("T")[0] if is_terminal() else moment(at, otherwise)
