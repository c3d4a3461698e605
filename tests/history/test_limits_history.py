"""What real processes let pass, whichever of them are killed: no window has more than its limits allow."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.history.killing import work_and_kill
from tests.valkey_server import KINDS, valkey_server

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(900)  # seconds, for a machine ten times as busy

SECOND, DAY = 100, 1_500  # what may pass in a second, and in a day
DECISIONS = 800  # of each process that is not killed
PROCESSES = 4
KILLED = 3

# Each admitted request is one line, written before the next is judged: what a killed process counted and did not write
# can only make a window look emptier.
_JUDGING = """
import asyncio, os, sys
from pathlib import Path
from keyfob.limits.shared import SharedCounter
from keyfob.limits.valkey_counter import ValkeyCounter
from keyfob.limits.windows import NS, Meter, subject_of
from tests.keyfob.limits.as_the_gate import AsTheGate

where, history, decisions, second, day = sys.argv[1:4] + [int(text) for text in sys.argv[4:6]]
meters = tuple(
    Meter(subject_of("key", "k", name), name, amount, seconds)
    for name, amount, seconds in (("a-s", second, 1), ("a-day", day, 86_400))
)
out = os.open(history, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

async def main():
    remote = ValkeyCounter(where) if "://" in where else None
    counter = None if remote else AsTheGate(SharedCounter(Path(where)))
    for number in range(int(decisions)):
        try:
            outcome = await remote.take_remotely(meters, 1) if remote else counter.take(meters, 1)
        except Exception as error:
            if remote is None:
                raise
            remote._ask_again_at = 0.0
            continue
        if outcome.has_room:
            second, day = (standing.now // (meter.seconds * NS) for meter, standing in zip(meters, outcome.standings))
            os.write(out, b"%d %d\\n" % (second, day))
        if number == 200:
            print("under way", flush=True)
    print("done", flush=True)

asyncio.run(main())
"""


def judging(where: str, history: Path) -> subprocess.Popen[str]:
    arguments = [where, str(history), str(DECISIONS), str(SECOND), str(DAY)]
    return subprocess.Popen([sys.executable, "-c", _JUDGING, *arguments], stdout=subprocess.PIPE, text=True)


def run(where: str, history: Path) -> None:
    """Let processes judge at the same time, kill some under way, and let others take their place."""
    work_and_kill(lambda: judging(where, history), processes=PROCESSES, killed=KILLED)


def check(history: Path) -> None:
    """Count each window of the history by itself."""
    lines = [line.split() for line in history.read_text().splitlines()]
    seconds, days = Counter(line[0] for line in lines), Counter(line[1] for line in lines)

    assert {} == {window: count for window, count in seconds.items() if count > SECOND}
    assert {} == {window: count for window, count in days.items() if count > DAY}
    assert len(lines) > SECOND


def test_workers_of_one_host_never_let_more_pass(tmp_path: Path) -> None:
    """Four processes on one file, three of them killed: no second and no day has more than its limit."""
    run(str(tmp_path / "limits"), tmp_path / "history")

    check(tmp_path / "history")


@pytest.mark.parametrize("kind", KINDS)
def test_processes_on_valkey_never_let_more_pass(tmp_path: Path, kind: str) -> None:
    """The same in Valkey and in Redis, where nothing but the server is shared."""
    with valkey_server(kind) as url:
        run(url, tmp_path / "history")

    check(tmp_path / "history")
