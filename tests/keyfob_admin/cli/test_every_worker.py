"""What ends a key, by the API and on the command line, ends it on every worker of a server, on either store."""

from __future__ import annotations

import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from uvicorn.supervisors import Multiprocess

from keyfob_admin import server
from tests.keyfob_admin.cli.conftest import PROGRAM, typed
from tests.keyfob_admin.cli.test_doctor_and_serve import free_port, until_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.keyfob_admin.cli.conftest import Home

CONNECTIONS = 12  # so many to two workers that neither is left out
STALENESS = 0.5


@pytest.fixture
def url(home: Home) -> Iterator[str]:
    """The address of a server with two workers."""
    home.configure(lambda text: text.replace("\n[middleware]\n", f"\n[middleware]\nmax_staleness = {STALENESS}\n", 1))
    port = free_port()
    arguments = [*PROGRAM, "serve", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(arguments, stderr=subprocess.DEVNULL, text=True)
    try:
        until_up(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


ENDS: dict[str, Any] = {
    "rotate": ("POST", "/{id}/rotate?wait=all", {"overlap": "0s"}),
    "disable": ("POST", "/{id}/disable?wait=all", None),
    "disable many": ("POST", "/disable", {"ids": ["{id}"]}),
    "narrow": ("PATCH", "/{id}", {"ip_allow": ["192.0.2.1"]}),
    "keys rotate": ("keys", "rotate", "{id}", "--overlap", "0s", "--wait"),
    "keys disable": ("keys", "disable", "{id}", "--wait"),
    "keys disable -": ("keys", "disable", "-", "--yes"),
    "keys edit": ("keys", "edit", "{id}", "--ip", "192.0.2.1"),
}


@pytest.mark.both_engines
def test_what_ends_a_key_ends_it_on_every_worker(home: Home, url: str, engine: str) -> None:
    """The first request to each of them after the call, or on PostgreSQL after max_staleness, is refused."""
    with ExitStack() as stack:
        clients = [stack.enter_context(httpx.Client(base_url=url)) for _ in range(CONNECTIONS)]
        for name, how in ENDS.items():
            key_id, secret = home.make(name, "--type", "admin", "--permission", "keys:read")
            headers = {"Authorization": f"Bearer {secret}"}
            assert {200} == {client.get("/v1/whoami", headers=headers).status_code for client in clients}, name

            end(home, clients[0], key_id, secret, how)
            if engine == "postgres" and "wait" not in str(how):
                time.sleep(STALENESS)

            assert {401, 403} >= {client.get("/v1/whoami", headers=headers).status_code for client in clients}, name


def end(home: Home, client: httpx.Client, key_id: str, secret: str, how: tuple[Any, ...]) -> None:
    """Do what is said of the key."""
    if how[0] == "keys":
        done = typed(*(word.format(id=key_id) for word in how), stdin=f'- "GET /?k={secret}" 401')
        assert 0 == done.code, done.err
        return
    method, path, body = how
    if body is not None and "ids" in body:
        body = {"ids": [key_id]}
    headers = {"Authorization": f"Bearer {home.admin_key}"}
    answer = client.request(method, f"/v1/teams/default/keys{path.format(id=key_id)}", json=body, headers=headers)
    assert answer.is_success, answer.text


def test_a_worker_that_is_slow_to_start_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a worker takes longer than the 5 s after which uvicorn ends it and starts another."""
    given: list[int] = []
    monkeypatch.setattr(
        Multiprocess, "run", lambda supervisor: given.append(supervisor.config.timeout_worker_healthcheck)
    )
    with server.listening("127.0.0.1", 0) as taken:
        server.run_workers(taken, workers=2, ready=lambda: None)

    assert [60] == given
