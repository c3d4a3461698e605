from __future__ import annotations

import logging
import threading
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route

from keyfob.errors import StoreUnavailable
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from tests.keyfob_admin.api.conftest import KEYS, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from starlette.requests import Request
    from starlette.responses import Response

    from keyfob.config.settings import Settings
    from tests.keyfob_admin.api.conftest import LiveAdmin


def test_health_and_documentation_need_no_key(live_admin: LiveAdmin) -> None:
    """Public paths answer nobody in particular."""
    answers = {path: live_admin.client.get(live_admin.url + path) for path in ("/healthz", "/readyz", "/openapi.json")}

    assert {"/healthz": 200, "/readyz": 200, "/openapi.json": 200} == {
        path: answer.status_code for path, answer in answers.items()
    }
    assert {"status": "ok"} == answers["/readyz"].json()


def test_outside_v1_there_is_a_problem_too(live_admin: LiveAdmin) -> None:
    """An unknown public path is 404 and a wrong method 405, both as problems."""
    missing = live_admin.client.get(live_admin.url + "/nothing")
    wrong = live_admin.client.post(live_admin.url + "/healthz")
    openapi = live_admin.client.delete(live_admin.url + "/openapi.json")

    assert (404, "not_found") == (missing.status_code, missing.json()["code"])
    assert (405, "method_not_allowed", "GET, HEAD") == (wrong.status_code, wrong.json()["code"], wrong.headers["allow"])
    assert (405, "method_not_allowed") == (openapi.status_code, openapi.json()["code"])


def test_head_answers_like_get_without_a_body(live_admin: LiveAdmin) -> None:
    """HEAD works wherever GET does, with the same permission and headers."""
    path = f"{KEYS}/{live_admin.root_id}"

    get, head = live_admin.call("GET", path), live_admin.call("HEAD", path)
    stream = live_admin.call("HEAD", "/v1/audit-events", headers={"Accept": "application/x-ndjson"})

    assert (200, b"", get.headers["etag"]) == (head.status_code, head.content, head.headers["etag"])
    assert (200, b"") == (stream.status_code, stream.content)


def test_a_trailing_slash_is_another_path_and_no_redirect(live_admin: LiveAdmin) -> None:
    """Nothing redirects; who may not know learns nothing."""
    assert 404 == live_admin.call("GET", "/v1/teams/").status_code
    assert 401 == live_admin.client.get(live_admin.url + "/v1/teams/").status_code


def test_it_works_mounted_below_a_prefix(settings: Settings, root: str) -> None:
    """Location, the document's servers and the guard all know where the API is mounted."""
    runtime = Runtime(settings)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        await runtime.stop()

    outer = Starlette(routes=[Mount("/keyfob", app=build_admin(runtime))], lifespan=lifespan)
    with serving(outer) as url, httpx.Client(headers={"X-API-Key": root}) as client:
        made = client.post(f"{url}/keyfob{KEYS}", json={"name": "a", "permissions": []})
        followed = client.get(url + made.headers["location"])
        document = client.get(f"{url}/keyfob/openapi.json").json()
        nobody = httpx.get(f"{url}/keyfob{KEYS}")
        missing = client.get(f"{url}/keyfob/v1/nothing")

    assert (201, f"/keyfob{KEYS}/{made.json()['key']['id']}") == (made.status_code, made.headers["location"])
    assert (200, 401, 404) == (followed.status_code, nobody.status_code, missing.status_code)
    assert [{"url": "/keyfob"}] == document["servers"]


@pytest.fixture
def broken_store(live_admin: LiveAdmin, monkeypatch: pytest.MonkeyPatch) -> LiveAdmin:
    """An admin API whose database stops answering after the calling key was seen."""
    assert 200 == live_admin.call("GET", "/v1/whoami").status_code

    async def fails(*_arguments: object, **_options: object) -> None:
        raise StoreUnavailable("disk I/O error in /var/lib/secret-place")

    for method in ("change", "changes", "view", "views", "team", "teams", "events", "usage"):
        monkeypatch.setattr(live_admin.runtime.store, method, fails)
    return live_admin


def test_a_store_that_cannot_answer_is_503(broken_store: LiveAdmin) -> None:
    """Reading and changing are 503 with Retry-After, and nothing of what the database said is told."""
    answers = [
        broken_store.call("GET", KEYS),
        broken_store.call("POST", KEYS, json={"name": "a", "permissions": []}),
        broken_store.call("PATCH", f"{KEYS}/{broken_store.root_id}", json={"name": "b"}),
        broken_store.call("GET", "/v1/audit-events"),
        broken_store.call("GET", "/v1/audit-events", headers={"Accept": "application/x-ndjson"}),
        broken_store.client.get(broken_store.url + "/readyz"),
    ]

    assert [(503, "1")] * 6 == [(answer.status_code, answer.headers["retry-after"]) for answer in answers]
    assert ["unavailable"] * 5 == [answer.json()["code"] for answer in answers[:5]]
    assert "secret-place" not in "".join(answer.text for answer in answers)
    assert 200 == broken_store.client.get(broken_store.url + "/healthz").status_code


def test_what_breaks_is_500_and_logged_without_its_words(
    live_admin: LiveAdmin, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An unexpected exception tells the caller its request id; the log has the place, and not what was sent."""
    made = live_admin.make()

    async def explodes(*_arguments: object, **_options: Any) -> None:
        raise RuntimeError(f"with {made.secret}")

    monkeypatch.setattr(live_admin.runtime.store, "views", explodes)
    with caplog.at_level(logging.DEBUG):
        answer = live_admin.call("GET", f"{KEYS}?q={made.secret}")

    assert (500, "internal") == (answer.status_code, answer.json()["code"])
    assert answer.json()["request_id"] in caplog.text
    assert "RuntimeError" in caplog.text
    assert "explodes" in caplog.text
    assert made.secret.split("_")[-1] not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("keyfob")
    )


def test_a_page_that_breaks_is_a_problem_too(settings: Settings, root: str) -> None:
    """Pages beside the API share its answer to the unexpected."""

    async def breaks(_request: Request) -> Response:
        raise RuntimeError(root)

    app = build_admin(Runtime(settings), pages=[Route("/page", breaks)])
    with serving(app) as url:
        answer = httpx.get(f"{url}/page")

    assert (500, "internal") == (answer.status_code, answer.json()["code"])
    assert root not in answer.text


def test_a_client_that_leaves_is_no_failure(live_admin: LiveAdmin, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that ends in the middle of a body is logged as nothing at all."""
    left = threading.Event()

    def half_a_body() -> Any:
        yield b'{"name":'
        left.set()
        raise ConnectionAbortedError

    with caplog.at_level(logging.WARNING), pytest.raises(ConnectionAbortedError):
        live_admin.call("POST", KEYS, content=half_a_body(), headers={"Content-Type": "application/json"})

    assert left.is_set()
    assert 200 == live_admin.call("GET", KEYS).status_code
    assert [] == [record for record in caplog.records if record.name.startswith("keyfob")]
