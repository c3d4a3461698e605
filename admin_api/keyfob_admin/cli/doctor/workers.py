"""What `keyfob doctor` says of the processes that answer requests: the application's workers and those of `serve`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from keyfob.keyring.states import SigningKeyState
from keyfob.store.contract.workers import NOTHING
from keyfob_admin.cli.doctor.files import ALIVE
from keyfob_admin.cli.doctor.findings import FAIL, OK, WARN, Finding
from keyfob_admin.cli.output import moment
from keyfob_admin.cli.times import now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from keyfob.store.contract.workers import Worker
    from keyfob_admin.cli.context import CliContext

_RESTART = "let it read this installation's database and keyring, and restart it"


async def workers(context: CliContext) -> AsyncIterator[Finding]:
    """Check that each worker can answer; it cannot with another keyring, or without having read this database."""
    marks = (await context.store.changes(None)).keyring
    needed = {mark.fingerprint: mark.char for mark in marks if mark.state is SigningKeyState.ACTIVE}
    registered = await context.store.workers.all()
    silent = [worker for worker in registered if worker.seen_at <= now() - ALIVE]
    for worker in silent:
        fix = "if it was killed, nothing: the next change that waits for it removes it"
        detail = f"{_named(worker)} has said nothing since {moment(worker.seen_at)}"
        yield Finding(WARN, "workers", detail, fix)
    for worker in (running := [worker for worker in registered if worker not in silent]):
        if missing := sorted(char for fingerprint, char in needed.items() if fingerprint not in worker.keyring):
            detail = f"{_named(worker)} refuses everything: its keyring lacks {', '.join(missing)}"
            yield Finding(FAIL, "workers", detail, "give it the keyring of this installation")
        elif worker.revision == NOTHING:
            detail = f"{_named(worker)} has read another state of the database than the present one"
            yield Finding(WARN, "workers", detail, _RESTART)
    yield _summary(running)


def _summary(running: list[Worker]) -> Finding:
    if not running:
        detail = "no process answers requests with this installation now"
        return Finding(OK, "workers", f"{detail}; an application that should is stopped, or uses another database")
    hosts = Counter(worker.host for worker in running)
    return Finding(OK, "workers", ", ".join(f"{count} on {host}" for host, count in sorted(hosts.items())))


def _named(worker: Worker) -> str:
    return f"worker {worker.id} on {worker.host}"
