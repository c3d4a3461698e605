"""An event loop whose time moves only when there is nothing to do, or when the schedule says that the machine paused.

Everything that is not the process under trial, the *outside*, happens between two callbacks of the loop: so it can
come between any two steps of it, as a real machine's scheduler lets it.
"""

from __future__ import annotations

from asyncio import base_events
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

Happening = tuple[float, int, "Callable[[], None]"]


class Outside:
    """What happens, and when: the time, the happenings still to come, and how often the machine pauses."""

    def __init__(self, rng: Random, *, pause_chance: float, pauses: tuple[float, ...]) -> None:
        """With *pause_chance* a step of the process takes one of *pauses* (seconds) instead of no time."""
        self.now = 0.0
        self.complaints: list[str] = []
        self._rng = rng
        self._pause_chance = pause_chance
        self._pauses = pauses
        self._to_come: list[Happening] = []
        self._count = 0
        self._may_pause = True

    def at(self, when: float, what: Callable[[], None]) -> None:
        """Let *what* happen at *when*; what is planned first for one moment happens first."""
        self._count += 1
        heappush(self._to_come, (when, self._count, what))

    def end(self) -> None:
        """Let nothing more happen; time goes on for what is under way."""
        self._to_come.clear()
        self._pause_chance = 0.0

    def clock(self) -> float:
        """The process's clock. The machine may pause just before it is read.

        It does so only the first time after a wait: whoever looks twice in one step must not be stopped in between,
        because nothing can be promised of a process that is stopped between its last look and its answer.
        """
        if self._may_pause:
            self._may_pause = False
            self._perhaps_pause()
        return self.now

    def wait(self, timeout: float | None) -> None:
        """The loop has nothing to do for *timeout* seconds, or until something happens if that is None."""
        self._may_pause = True
        if self._perhaps_pause():
            return
        if timeout is None:
            self._go_on_until(self._to_come[0][0])
        elif self._to_come and self._to_come[0][0] <= self.now + timeout:
            self._go_on_until(max(self._to_come[0][0], self.now))
        else:
            self.now += timeout

    def _perhaps_pause(self) -> bool:
        if not self._pause_chance or self._rng.random() >= self._pause_chance:
            return False
        self._go_on_until(self.now + self._rng.choice(self._pauses))
        return True

    def _go_on_until(self, until: float) -> None:
        while self._to_come and self._to_come[0][0] <= until:
            when, _, what = heappop(self._to_come)
            self.now = max(self.now, when)
            what()
        self.now = max(self.now, until)


class VirtualLoop(base_events.BaseEventLoop):
    """asyncio's own loop, with *outside* in place of sockets and of the time."""

    def __init__(self, outside: Outside) -> None:
        super().__init__()
        self._outside = outside
        self._clock_resolution = 1e-9
        self._selector = self
        self.set_exception_handler(lambda _, context: outside.complaints.append(str(context["message"])))

    def time(self) -> float:
        """Seconds since the schedule began."""
        return self._outside.now

    def select(self, timeout: float | None) -> list[Any]:
        """Stand in for the selector: instead of a file that is ready, something outside happens."""
        self._outside.wait(timeout)
        return []

    def _process_events(self, event_list: list[Any]) -> None:
        """There are no files."""

    def _write_to_self(self) -> None:
        """There are no threads."""
