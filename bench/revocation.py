"""How long a revoked key still passes: real workers under load, and every answer checked afterwards."""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfob.testing import installation
from tests.end_to_end.server import Server
from tests.history.checker import ADMITTED, REFUSED, History, Revocation, understand
from tests.history.hosts import HOSTS, Hosts
from tests.history.load import CONNECTIONS, Load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.history.checker import Request

ROUNDS = 1000
WORKERS = 4
BOUND = 2.0  # seconds; `max_staleness` of the hosts, as by default
AT_ONCE = 40  # keys of the hosts that are switched side by side, because each stays off for longer than the bound
ROWS = (
    "disable called → it returned",
    "disable called → first refusal answered",
    "disable called → last admitted request began",
    "disable returned → last admitted request began",
)


@dataclass(frozen=True)
class Revocations:
    """What a run of many revocations showed."""

    history: History
    rows: dict[str, list[float]]  # row → milliseconds, one figure per revocation
    title: str
    bound: float  # seconds

    def table(self) -> str:
        """For people."""
        lines = [self.title, f"{'milliseconds':48}{'p50':>9}{'p99':>9}{'max':>9}"]
        for row, figures in self.rows.items():
            shown = (f"{_quantile(figures, share):9.2f}" for share in (0.5, 0.99, 1.0))
            lines.append(f"{row:48}{''.join(shown)}")
        return "\n".join([*lines, f"violations, with a bound of {self.bound:g} s: {len(self._violations)}", ""])

    def as_json(self) -> dict[str, Any]:
        """For programs: every figure, and every violation."""
        return {
            "title": self.title,
            "unit": "ms",
            "revocations": len(self.history.revocations),
            "requests": len(self.history.requests),
            "violations": [violation._asdict() for violation in self._violations],
            "rows": {
                row: {"p50": _quantile(figures, 0.5), "p99": _quantile(figures, 0.99), "max": max(figures)}
                | {"figures": [round(figure, 3) for figure in figures]}
                for row, figures in self.rows.items()
            },
        }

    @property
    def _violations(self) -> list[Any]:
        return self.history.violations(self.bound)


@dataclass(frozen=True)
class Both:
    """One host on SQLite, and two on PostgreSQL."""

    one_host: Revocations
    two_hosts: Revocations

    def table(self) -> str:
        """For people."""
        return f"{self.one_host.table()}\n{self.two_hosts.table()}"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"sqlite": self.one_host.as_json(), "postgres": self.two_hosts.as_json()}


async def measure() -> Both:
    """Revoke again and again under load, and see who was still let in: by workers of one host, and by two hosts."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        return Both(await _one_host(Path(one)), await _two_hosts(Path(two)))


async def _one_host(folder: Path) -> Revocations:
    async with installation(folder) as here:
        server = Server(here, folder / "server.log", http="httptools", workers=WORKERS)
        try:
            log = await Load(here, server.port, WORKERS).revoke(ROUNDS)
        finally:
            server.stop()
    where = f"{WORKERS} workers on one SQLite file, {WORKERS * CONNECTIONS} connections"
    return shown(understand(log), where)


async def _two_hosts(folder: Path) -> Revocations:
    async with AsyncExitStack() as stack:
        hosts = await Hosts.serving(stack, folder, bound=BOUND)
        log = await hosts.revoke(ROUNDS, immediately=AT_ONCE)
    troubles = ", ".join(f"{times} × {trouble}" for trouble, times in sorted(hosts.troubles.items()))
    return shown(understand(log), f"{HOSTS} hosts on one PostgreSQL behind proxies ({troubles})", BOUND)


def shown(history: History, where: str = "", bound: float = 0.0) -> Revocations:
    """The figures of *history*, and what breaks the promise of *bound* seconds."""
    figures = [_figures(revocation, requests) for revocation, requests in _with_requests(history)]
    rows = {
        row: [figure * 1000 for figure in column] for row, column in zip(ROWS, zip(*figures, strict=True), strict=True)
    }
    title = f"{len(history.revocations)} revocations, {len(history.requests)} requests: {where}"
    return Revocations(history, rows, title, bound)


def _with_requests(history: History) -> Iterator[tuple[Revocation, list[Request]]]:
    """Each revocation, with the requests for its key that began while it was off or being switched off."""
    of_key: dict[str, list[Request]] = {}
    for request in sorted(history.requests, key=lambda one: one.started):
        of_key.setdefault(request.key, []).append(request)
    for revocation in history.revocations:
        requests = of_key.get(revocation.key, [])
        yield (
            revocation,
            [one for one in requests if revocation.called <= one.started and one.answered < revocation.enable_called],
        )


def _figures(revocation: Revocation, requests: list[Request]) -> tuple[float, ...]:
    """The figures of `ROWS`, in seconds; 0 where no request was admitted any more."""
    refused = [one.answered for one in requests if one.status == REFUSED]
    last = max((one.started for one in requests if one.status == ADMITTED), default=revocation.called)
    return (
        revocation.returned - revocation.called,
        min(refused, default=revocation.enable_called) - revocation.called,
        last - revocation.called,
        max(0.0, last - revocation.returned),
    )


def _quantile(figures: list[float], share: float) -> float:
    """The smallest figure that *share* of all are not above."""
    ordered = sorted(figures)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
