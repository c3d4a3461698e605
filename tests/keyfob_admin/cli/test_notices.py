"""``keyfob notices``, and notices of a running server."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import httpx
from standardwebhooks import Webhook

from tests.keyfob.notices.receiver import SECRET
from tests.keyfob_admin.cli.conftest import PROGRAM, typed
from tests.keyfob_admin.cli.test_doctor_and_serve import free_port, until_up

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.keyfob_admin.cli.conftest import Home


class Hook:
    """A receiver of webhooks that checks each signature."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.status = 204
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.told.append(Webhook(SECRET).verify(body, dict(self.headers.items())))
                self.send_response(hook.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def of(self, event: str) -> list[dict[str, Any]]:
        return [one["data"] for one in self.told if one["type"] == event]


@contextmanager
def hooked(home: Home) -> Iterator[Hook]:
    """A receiver that the configuration of *home* names."""
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever)
    thread.start()
    (home.folder / "hook.secret").write_text(f"whsec_{SECRET}")
    port = hook.server.server_address[1]
    added = f'\n[[notices]]\nevents = ["*"]\nwebhook = "http://127.0.0.1:{port}/"\nsecret_file = "hook.secret"\n'
    home.configure(lambda text: f"{text}{added}allow_private = true\n")
    try:
        yield hook
    finally:
        hook.server.shutdown()
        thread.join()
        hook.server.server_close()


@contextmanager
def serving() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*PROGRAM, "serve", "--port", str(port)], stderr=subprocess.PIPE, text=True)
    try:
        until_up(url, process)
        yield url, process
    finally:
        process.terminate()
        process.communicate(timeout=30)


def until(there: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not there():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_test_reaches_every_receiver(home: Home) -> None:
    """0 and "delivered", or 3 and why not; without a receiver 4."""
    assert 4 == typed("notices", "test").code
    with hooked(home) as hook:
        fine = typed("notices", "test", "--json")
        hook.status = 500
        failed = typed("notices", "test")

    assert (0, [None]) == (fine.code, [one["error"] for one in fine.data["receivers"]])
    assert ["test", "test"] == [one["type"] for one in hook.told]
    assert (3, True) == (failed.code, "answered 500" in failed.out)


def test_a_disabled_key_that_is_tried_is_told_by_webhook(home: Home) -> None:
    """The change is told, and then each key that is tried all the same; by whichever road it was disabled."""
    key_id, secret = home.make("second", "--type", "admin", "--permission", "keys:read")
    with hooked(home) as hook, serving() as (url, _):
        headers = {"Authorization": f"Bearer {secret}"}
        assert 200 == httpx.get(f"{url}/v1/whoami", headers=headers).status_code
        assert 0 == typed("keys", "disable", key_id).code
        assert 401 == httpx.get(f"{url}/v1/whoami", headers=headers).status_code
        until(lambda: hook.of("key.tried_after_disable") and hook.of("key.disabled"))

    (tried,) = hook.of("key.tried_after_disable")
    assert (key_id, "second", "127.0.0.1") == (tried["key_id"], tried["name"], tried["address"])
    assert [key_id] == [one["key_id"] for one in hook.of("key.disabled")]
    assert secret not in json.dumps(hook.told)


def test_a_notice_outlives_a_killed_server(home: Home) -> None:
    """A change is acknowledged, the server is killed before its receiver answers, and the next server tells it."""
    key_id, _ = home.make("ci", "--permission", "items:read")
    with hooked(home) as hook:
        hook.status = 500
        with serving() as (url, process):
            headers = {"Authorization": f"Bearer {home.admin_key}"}
            answer = httpx.post(f"{url}/v1/teams/default/keys/{key_id}/disable", headers=headers)
            assert 200 == answer.status_code
            process.kill()
            process.wait(timeout=30)
        before = len(hook.of("key.disabled"))
        hook.status = 204
        assert 0 == typed("notices", "retry").code
        with serving():
            until(lambda: len(hook.of("key.disabled")) > before)
            until(lambda: not typed("notices", "list", "--json").data["deliveries"])


def test_what_has_not_arrived_is_listed(home: Home) -> None:
    """With the receiver, the attempts and the error; retry says how many are due."""
    with hooked(home) as hook, serving():
        hook.status = 500
        home.make("ci", "--permission", "items:read")
        until(lambda: any(one["error"] for one in typed("notices", "list", "--json").data["deliveries"]))
        shown = typed("notices", "list").out

    assert "webhook 127.0.0.1" in shown
    assert "answered 500" in shown
    assert "due now" in typed("notices", "retry").err
    assert typed("notices", "retry", "--json").data["deliveries"] > 0
