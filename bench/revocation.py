"""How long a revoked key still passes: real workers under load, and every answer checked afterwards."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfob.testing import installation
from tests.history.checker import ADMITTED, REFUSED, History, Revocation, understand
from tests.history.load import CONNECTIONS, Load
from tests.wire.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.history.checker import Request

ROUNDS = 1000
WORKERS = 4
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

    def table(self) -> str:
        """For people."""
        lines = [self.title, f"{'milliseconds':48}{'p50':>9}{'p99':>9}{'max':>9}"]
        for row, figures in self.rows.items():
            shown = (f"{_quantile(figures, share):9.2f}" for share in (0.5, 0.99, 1.0))
            lines.append(f"{row:48}{''.join(shown)}")
        return "\n".join([*lines, f"violations, with a bound of 0 s: {len(self._violations)}", ""])

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
        return self.history.violations(bound=0.0)


async def measure() -> Revocations:
    """Revoke again and again under load, each time from another process, and see who was still let in."""
    with tempfile.TemporaryDirectory() as folder:
        async with installation(Path(folder)) as here:
            server = Server(here, Path(folder, "server.log"), http="httptools", workers=WORKERS)
            try:
                log = await Load(here, server.port, WORKERS).revoke(ROUNDS)
            finally:
                server.stop()
    return shown(understand(log))


def shown(history: History) -> Revocations:
    """The figures of *history*."""
    figures = [_figures(revocation, requests) for revocation, requests in _with_requests(history)]
    rows = {
        row: [figure * 1000 for figure in column] for row, column in zip(ROWS, zip(*figures, strict=True), strict=True)
    }
    title = (
        f"{len(history.revocations)} revocations, {WORKERS} workers on one SQLite file,"
        f" {len(history.requests)} requests on {WORKERS * CONNECTIONS} connections"
    )
    return Revocations(history, rows, title)


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
