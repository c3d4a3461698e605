"""``keyfob import`` of exports that are not as they should be: what is wrong is named, and no key is repeated."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home, Said

FORM = '\n[foreign.legacy]\npattern = "sk_live_[A-Za-z0-9]{24}"\n'
KEY = "sk_live_" + "abcdefgh" * 3
OTHER = "sk_live_" + "ABCDEFGH" * 3
GOOD = json.dumps({"name": "good", "key": OTHER})


@pytest.fixture
def legacy(home: Home) -> Home:
    """An installation that knows the form of another product's keys."""
    home.configure(lambda text: text + FORM)
    return home


def bring(home: Home, text: str, *options: str, name: str = "export.ndjson") -> Said:
    """Say what would become of the export *text*."""
    (home.folder / name).write_text(text, encoding="utf-8")
    said = typed("import", name, "--dry-run", *options)
    assert KEY not in said.out + said.err
    return said


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f'{{"name": "a", "key": "{KEY}",}}', "its line is no JSON: "),
        ("[" * 100_000, "its line is no JSON object"),
        ("5", "its line is no JSON object"),
        (json.dumps({"name": "a", "key": KEY, "created_at": 10**25}), "out of range"),
        (f'{{"name": "a", "key": "{KEY}", "created_at": Infinity}}', "out of range"),
        (json.dumps({"name": "a", "key": KEY, "created_at": "0001-01-01T00:00:00+14:00"}), "out of range"),
        (json.dumps({"name": "a", "key": OTHER, "expires_at": KEY}), "a time is not written as in"),
        (json.dumps({"name": "a\u2028b", "key": KEY}, ensure_ascii=False), "can't contain the character U+2028"),
        (
            json.dumps({"name": "a", "lookup": "sk_l\0", "salt": "x", "hash": "a" * 64, "algorithm": "sha256"}),
            "lookup must be of printable ASCII characters",
        ),
    ],
)
def test_a_line_that_cannot_be_read_is_named_and_keeps_no_other_out(legacy: Home, line: str, why: str) -> None:
    """Whatever stands in one line, it is reported as that line's, and the lines around it are imported."""
    said = bring(legacy, f'{{"name": "first", "hash": "{"b" * 64}", "algorithm": "sha256"}}\n{line}\n{GOOD}\n')

    assert 1 == said.code
    assert "2 keys would be imported, 0 were there already, 1 failed" in said.err
    assert said.err.startswith("key 2 (")
    assert why in said.err


def test_a_row_with_more_cells_than_columns_is_named(legacy: Home) -> None:
    """Permissions with commas and without quotes around them are told to need quotes."""
    text = f"name,key,permissions\na,{KEY},items:read,items:write\nb,{OTHER},items:read\n"
    said = bring(legacy, text, name="EXPORT.CSV")

    assert 1 == said.code
    assert "key 1 (): it has more cells than there are columns; write quotes" in said.err
    assert "1 keys would be imported" in said.err


@pytest.mark.parametrize("row", [f"{KEY},acme", f"acme,{KEY}"])
def test_a_csv_without_names_of_columns_repeats_no_key(legacy: Home, row: str) -> None:
    """Where the first line is a key and not the names of the columns, it is said what must stand there."""
    said = bring(legacy, f"{row}\n{OTHER},b\n", name="export.csv")

    assert 1 == said.code
    assert "it must name the columns" in said.err


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ('name,key\n"acme,' + "x" * 140_000, "export.csv", ()),
        ("[" * 100_000, "export.json", ()),
        (json.dumps([{"fields": None}]), "export.json", ("--format", "drf-api-key")),
        (json.dumps({"keys": [{"name": "a", "key": OTHER}]}, indent=2), "export.json", ()),
    ],
)
def test_a_broken_export_is_no_traceback(legacy: Home, text: str, name: str, options: tuple[str, ...]) -> None:
    """A quote that is never closed, nesting without an end and rows of another shape end in a sentence."""
    said = bring(legacy, text, *options, name=name)

    assert 1 == said.code


def test_names_of_an_export_cannot_steer_a_terminal(legacy: Home) -> None:
    """What a message repeats of a file is printable."""
    said = bring(legacy, json.dumps({"name": "\x1b[2Ja", "key": KEY}))

    assert "key 1 (\ufffd[2Ja): " in said.err


def test_a_secret_file_that_is_no_text_is_named(legacy: Home) -> None:
    """A pepper in another encoding than UTF-8 is reported by its file's name."""
    (legacy.folder / "pepper").write_bytes(b"\xff\xfe")
    said = bring(legacy, GOOD, "--secret-file", "pepper")

    assert (1, "keyfob: pepper is no text in UTF-8\n") == (said.code, said.err)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (f'name,permissions,key\n"an open quote,items:read,{KEY}\nb,items:read,{OTHER}\n', "export.csv"),
        (f"key,permissions,name\nreporting,items:read,{KEY}\n", "export.csv"),
        (json.dumps({"name": KEY, "key": KEY}), "export.ndjson"),
        (json.dumps({"name": "a", "key": KEY, "permissions": [KEY]}), "export.ndjson"),
        (json.dumps({"name": "a", "key": KEY, "team": f"team {KEY}"}), "export.ndjson"),
        (json.dumps({"name": "a", "hash": "00", "algorithm": KEY}), "export.ndjson"),
        (json.dumps({"name": "a", "key": OTHER, KEY: 1}), "export.ndjson"),
    ],
)
def test_a_key_in_a_wrong_place_is_not_repeated(legacy: Home, text: str, name: str) -> None:
    """Swapped columns, an open quote: the line is named without the key, and nothing that people see holds one."""
    said = bring(legacy, text, "--permission", "items:read", name=name)

    assert 1 == said.code
    assert ("key 1 (", "0 keys would be imported") == (said.err[:7], said.err.splitlines()[-1][:24])


def test_other_encodings_are_read_or_named(legacy: Home) -> None:
    """UTF-16 as PowerShell writes it is read; a line with bytes that are no UTF-8 is named, and garbles no name."""
    line = json.dumps({"name": "M\u00fcller", "key": KEY, "permissions": ["items:read"]}, ensure_ascii=False)
    (legacy.folder / "windows.ndjson").write_text(line, encoding="utf-16")
    (legacy.folder / "latin.ndjson").write_bytes(f"{line}\n{GOOD}\n".encode("latin-1"))

    assert 0 == typed("import", "windows.ndjson", "--dry-run").code
    latin = typed("import", "latin.ndjson", "--dry-run", "--json")

    assert (1, 1) == (latin.code, latin.data["imported"])
    assert "its name is no UTF-8" in latin.data["failed"][0]["why"]
