"""Lets processes work at the same time, and kills some of them under way."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable


def work_and_kill(start: Callable[[], subprocess.Popen[str]], *, processes: int, killed: int) -> None:
    """Run *processes* until each is done; *killed* of them, once they are under way, give way to others."""
    chance = random.Random(14)  # noqa: S311 - repeatable, and no secret
    running = [start() for _ in range(processes)]
    for _ in range(killed):
        victim = running.pop(chance.randrange(len(running)))
        assert victim.stdout is not None
        assert victim.stdout.readline()
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        running.append(start())
    for process in running:
        assert process.communicate()[0].endswith("done\n")
        assert 0 == process.returncode
