"""A terminal of a given size, in which a test types a command."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import termios
from contextlib import suppress

from tests.keyfob_admin.cli.conftest import PROGRAM


def at_terminal(*arguments: str, answer: str = "", columns: int = 80) -> tuple[int, str]:
    """Type a command at a terminal and *answer* its question; the exit code and all that the screen showed."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES"}}
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
    )
    os.close(theirs)
    shown = b""
    has_answered = False
    with suppress(OSError):  # the terminal is gone when the program is
        while chunk := os.read(ours, 4096):
            shown += chunk
            if not has_answered and re.search(rb"(\?.*: |Key: |open: ?)$", shown):
                os.write(ours, answer.encode() + b"\n")
                has_answered = True
    os.close(ours)
    return process.wait(timeout=30), shown.decode().replace("\r\n", "\n")
