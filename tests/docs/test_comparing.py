"""The harness itself: what it lets pass, and what must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import Command, blocks_of, commands_of
from tests.docs.comparing import differs
from tests.docs.running import faults_of

if TYPE_CHECKING:
    from pathlib import Path

BODY = "x" * 64

PASSES = [
    ("401", "401\n"),
    ("two  spaces", "two spaces"),
    ("first\n…\nlast", "first\nsecond\nthird\nlast"),
    ("first\n…", "first"),
    ("it is … here", "it is warm here"),
    ("kf_api_7Qx2mB9tKd03LpWz is disabled", "kf_api_0000000000000000 is disabled"),
    (f"kf_api_{'a' * 16}_{BODY}", f"kf_api_{'b' * 16}_{BODY}"),
    ("made by ada (cli)", "made by root (cli)"),
    ("by 2026-01-31T12:00:00Z", "by 2030-12-24T18:30:05.123456Z"),
    ('{"a": 1, …}', '{"a":1,"b":2}'),
    ('{"a": […]}', '{"a":[1,2]}'),
    ('{"a": [1, …]}', '{"a":[1,2]}'),
    ('{\n  "id": "7Qx2mB9tKd03LpWz"\n}', '{"id":"0000000000000000"}'),
    ('HTTP/1.1 200 OK\n…\n{"a": …}', 'HTTP/1.1 200 OK\ndate: now\n\n{"a":null}'),
    (r'{"etag": "\"6\"", "seq": 3}', r'{"etag":"\"12\"","seq":14}'),
    ('etag: "6"', 'etag: "12"'),
    ('{"secret": "kf_api_…"}', f'{{"secret":"kf_api_{"b" * 16}_{BODY}"}}'),
]

DIFFERS = [
    ("401", "200"),
    ("", "words"),
    ("words", ""),
    ("first", "first\nsecond"),
    ("first\n…\nlast", "first\nsecond"),
    ("kf_api_7Qx2mB9tKd03LpWz", "kf_scim_0000000000000000"),
    ("kf_api_7Qx2mB9tKd03LpWz", f"kf_api_{'b' * 16}_{BODY}"),
    ("made by ada (cli)", "made by ada (key)"),
    ('{"a": 1}', '{"a":2}'),
    ('{"a": 1}', '{"a":1,"b":2}'),
    ('{"a": 1, "b": 2, …}', '{"a":1}'),
    ('{"a": true}', '{"a":1}'),
    ('{"a": [1]}', '{"a":[1,2]}'),
    ('{"a": [1, 2, …]}', '{"a":[1]}'),
    ('{"a": 1}', "no JSON"),
    ('HTTP/1.1 200 OK\n…\n{"a": 1}', 'HTTP/1.1 200 OK\ndate: now\n\n{"a":2}'),
]


@pytest.mark.parametrize(("said", "was"), PASSES)
def test_what_differs_from_run_to_run_may_differ(said: str, was: str) -> None:
    """Keys, ids and times of the same form are alike, and an ellipsis stands for anything."""
    assert differs(said, was) is None


@pytest.mark.parametrize(("said", "was"), DIFFERS)
def test_what_a_reader_would_notice_is_a_fault(said: str, was: str) -> None:
    """Another status, member, value or line is not what the document says."""
    assert differs(said, was) is not None


def test_a_block_knows_what_was_said_of_it() -> None:
    """A comment on the line before a fence belongs to that block alone."""
    first, second = blocks_of("<!-- file: app.py -->\n```python\nx = 1\n```\n\n```toml\n```\n")

    assert ("app.py", "python", "x = 1\n", 2) == (first.file, first.language, first.text, first.line)
    assert second.file is None


def test_a_command_may_go_on_over_several_lines() -> None:
    """What begins with > belongs to the command above it, and what follows is its output."""
    (block,) = blocks_of("```console\n$ one \\\n> two\nprinted\n$ three\n```\n")

    assert [Command(2, "one \\\ntwo", "printed\n"), Command(5, "three", "")] == commands_of(block)


@pytest.mark.parametrize(
    "block",
    [
        "```console\n$ echo one\ntwo\n```",
        "```console\n$ X=1\n$ echo $X; false\n1\n$ echo $?\n0\n```",
        "```python\nassert 1 == 2\n```",
        "```toml\n[middleware]\nmax_stalenes = 2.0\n```",
        '```toml\n[rules]\n"GET /items" = "items:*"\n```',
        "```yaml\nenv:\n  - name: KEYFOB_KEYRINGS\n```",
        "```text\n$ keyfob init\n```",
        "```\nkeyfob init\n```",
        "```cobol\nSTOP RUN.\n```",
    ],
)
def test_a_block_that_is_not_true_is_a_fault(block: str, tmp_path: Path) -> None:
    """Wrong output, a program that raises, a setting that there is not, and a command in disguise are all found."""
    assert 1 == len(faults_of(block, tmp_path))


def test_a_shell_remembers_from_one_block_to_the_next(tmp_path: Path) -> None:
    """Variables, the folder and the last exit code last, as in the terminal of a reader."""
    document = "```console\n$ X=7; mkdir in; cd in\n$ false\n```\n\n```console\n$ echo $? $X ${PWD##*/}\n1 7 in\n```\n"

    assert [] == faults_of(document, tmp_path)
