"""What a person sees who sits at a terminal, and not a script."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

from tests.keyfob_admin.cli.conftest import PROGRAM, typed

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home


def at_terminal(*arguments: str, answer: str) -> tuple[int, str]:
    """Type a command at a terminal and *answer* its question; the exit code and all that the screen showed."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    )
    os.close(theirs)
    shown = b""
    has_answered = False
    with suppress(OSError):  # the terminal is gone when the program is
        while chunk := os.read(ours, 4096):
            shown += chunk
            if not has_answered and re.search(rb"(\?.*: |Key: )$", shown):
                os.write(ours, answer.encode() + b"\n")
                has_answered = True
    os.close(ours)
    return process.wait(timeout=30), shown.decode()


def test_delete_asks_first(home: Home) -> None:
    """Whoever says no keeps the key; whoever says yes does not."""
    key_id, _ = home.make("ci")
    typed("keys", "disable", key_id)
    code, shown = at_terminal("keys", "delete", key_id, answer="n")

    assert 1 == code
    assert "Delete" in shown
    assert 0 == typed("keys", "show", key_id).code
    assert 0 == at_terminal("keys", "delete", key_id, answer="y")[0]
    assert 4 == typed("keys", "show", key_id).code


def test_check_asks_for_the_key_without_showing_it(home: Home) -> None:
    """A key that is typed or pasted at the question does not appear on the screen."""
    code, shown = at_terminal("keys", "check", "-", answer=home.admin_key)

    assert 0 == code
    assert "admitted" in shown
    assert home.admin_key[-30:] not in shown
