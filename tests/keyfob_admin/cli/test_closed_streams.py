"""Programs are started with closed streams, too: by supervisors, and by ``<&-`` in a shell."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import PROGRAM, Said

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


def run_in_shell(home: Home, arguments: str, streams: str) -> Said:
    """Run a command with *streams* as a shell has them."""
    script = f'"$0" -m keyfob_admin.cli {arguments} {streams}'
    done = subprocess.run(
        ["/bin/sh", "-c", script, PROGRAM[0]], cwd=home.folder, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stdout + done.stderr
    return Said(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("keys create ci", 0, "A key without permissions"),
        ("keys check -", 3, "nothing was sent to stdin"),
        ("keys find -", 4, "There is no key in this text"),
        ("keys disable -", 4, "there is no key of this installation"),
        ("keyring lost a", 2, "add --yes to confirm"),
        ("keyring activate", 0, "New keys carry the entry a"),
    ],
)
def test_a_closed_stdin_is_an_empty_one(home: Home, arguments: str, code: int, words: str) -> None:
    """Nobody can be asked and nothing can be read, which is not a mistake of ours."""
    said = run_in_shell(home, arguments, "<&-")

    assert code == said.code
    assert words in said.err


def test_a_closed_stdout_gets_nothing_and_takes_nothing(home: Home) -> None:
    """What would be printed is dropped, and the number of the stream is not that of the database."""
    said = run_in_shell(home, "keys list", ">&-")
    assert (0, "", "") == (said.code, said.out, said.err)

    said = run_in_shell(home, "keys list --json", "2>&- <&-")
    assert ["admin"] == [key["name"] for key in json.loads(said.out)["keys"]]


@pytest.mark.parametrize("form", ["", "--json"])
@pytest.mark.parametrize("command", ["create ci --permission items:read", "rotate ID"])
def test_a_secret_that_could_not_be_written_is_not_lost_in_silence(home: Home, command: str, form: str) -> None:
    """Where the disk is full, or nobody reads the pipe, whoever made a key learns which, and how to get a secret."""
    made = home.make("worker")[0]

    said = run_in_shell(home, f"keys {command.replace('ID', made)} {form}", "> /dev/full")

    assert 1 == said.code
    assert "was made, but its secret could not be written (No space left on device)" in said.err
    replace = said.err.split("`")[1].removeprefix("keyfob ")
    assert 0 == run_in_shell(home, replace, "").code
