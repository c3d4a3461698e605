"""The small examples are tried as their first lines say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs.running import faults_of
from tests.docs.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

BEGINNING = """\
$ ADMIN=$(keyfob init)
…
$ READER=$(keyfob keys create reader --permission items:read)
…
$ WRITER=$(keyfob keys create writer --permission 'items:*')
…
"""

PLAIN = """\
$ curl -s http://127.0.0.1:8000/
{"path": "/", "key": null}
$ curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8000/items
401
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
{"path": "/items", "key": "reader"}
$ curl -s -o /dev/null -w '%{http_code}\\n' -X POST -H "X-API-Key: $READER" http://127.0.0.1:8000/items
403
$ curl -s -X POST -H "X-API-Key: $WRITER" http://127.0.0.1:8000/items
{"path": "/items", "key": "writer"}
"""

STARLETTE = """\
$ curl -s http://127.0.0.1:8000/
This is open to everybody. /items needs a key.
$ curl -s -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8000/items
401
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
{"items": ["kettle", "lamp"], "key": "reader"}
$ curl -s -o /dev/null -w '%{http_code}\\n' -H "X-API-Key: $READER" http://127.0.0.1:8000/inside/drafts
403
$ curl -s -H "X-API-Key: $WRITER" http://127.0.0.1:8000/inside/drafts
{"items": ["sketch"], "team": "default"}
"""


FASTAPI = """\
$ curl -s http://127.0.0.1:8000/
"This is open to everybody. /items needs a key."
$ curl -s http://127.0.0.1:8000/items
{"status": 401, "code": "missing_key", …}
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
["kettle", "lamp"]
$ curl -s -D - -o /dev/null -X POST -H "X-API-Key: $READER" 'http://127.0.0.1:8000/items?item=cup'
HTTP/1.1 403 Forbidden
…
www-authenticate: Bearer realm="keyfob", error="insufficient_scope", scope="items:write"
…
$ curl -s -X POST -H "X-API-Key: $WRITER" 'http://127.0.0.1:8000/items?item=cup'
{"item": "cup", "added_by": "writer"}
$ curl -s -o /dev/null -w '%{http_code} %{content_type}\\n' http://127.0.0.1:8000/docs
200 text/html; charset=utf-8
$ curl -s http://127.0.0.1:8000/openapi.json | python -c 'import json, sys
> print(json.load(sys.stdin)["paths"]["/items"]["post"]["security"])'
[{'Keyfob': ['items:write']}]
"""

LITESTAR = """\
$ curl -s http://127.0.0.1:8000/
This is open to everybody. /items needs a key.
$ curl -s http://127.0.0.1:8000/items
{"status": 401, "code": "missing_key", …}
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
["kettle", "lamp"]
$ curl -s -D - -X POST -H "X-API-Key: $READER" 'http://127.0.0.1:8000/items?item=cup'
HTTP/1.1 403 Forbidden
…
www-authenticate: Bearer realm="keyfob", error="insufficient_scope", scope="items:write"
…
content-type: application/problem+json
…
{"status": 403, "code": "insufficient_scope", …}
$ curl -s -X POST -H "X-API-Key: $WRITER" 'http://127.0.0.1:8000/items?item=cup'
{"item": "cup", "added_by": "writer (…)"}
"""

BY_RULES = """\
$ curl -s http://127.0.0.1:8000/
This is open to everybody. /items needs a key.
$ curl -s http://127.0.0.1:8000/items
{"status": 401, "code": "missing_key", …}
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
{"items": ["kettle", "lamp"], "key": "reader"}
$ curl -s -o /dev/null -w '%{http_code}\\n' -X POST -H "X-API-Key: $READER" 'http://127.0.0.1:8000/items?item=cup'
403
$ curl -s -X POST -H "X-API-Key: $WRITER" 'http://127.0.0.1:8000/items?item=cup'
{"item": "cup", "added_by": "writer"}
$ sleep 2
$ keyfob keys show $(echo $READER | cut -d_ -f3) | grep 'last used'
last used        2026-11-23T09:00:00Z from 127.0.0.1
$ keyfob keys disable $(echo $READER | cut -d_ -f3)
…
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
{"status": 401, "code": "invalid_key", …}
"""

_KNOCK = """\
$ knock() { python -c "from websockets.sync.client import connect
> with connect('ws://127.0.0.1:8000/events', additional_headers={'X-API-Key': '$1'}) as socket: print(socket.recv())"; }
"""
QUART = f"""\
{_KNOCK}$ knock $READER
hello
$ knock $READER-
Traceback (most recent call last):
…
websockets.exceptions.InvalidStatus: server rejected WebSocket connection: HTTP 401
{BY_RULES}"""

KEYS_PAGE = """\
$ curl -s -o /dev/null -w '%{http_code} %{redirect_url}\\n' http://127.0.0.1:8000/settings/api-keys/keys
303 http://127.0.0.1:8000/login
$ curl -s -c cookies -o /dev/null -w '%{http_code} %{redirect_url}\\n' -d name=ann http://127.0.0.1:8000/login
303 http://127.0.0.1:8000/settings/api-keys/
$ curl -s -b cookies http://127.0.0.1:8000/settings/api-keys/keys | grep '<title>'
<title>Keys · Acme API keys</title>
$ keyfob people list --team acme
…
… Ann Smith … team_admin …
$ curl -s -H "X-API-Key: $READER" http://127.0.0.1:8000/items
{"items": ["kettle", "lamp"], "team": "default"}
"""

STORIES = [
    ("plain_asgi_app", "", PLAIN),
    ("starlette_app", "", STARLETTE),
    ("fastapi_app", "", FASTAPI),
    ("keys_page_fastapi", "", KEYS_PAGE),
    ("litestar_app", "", LITESTAR),
    ("django_app", "", BY_RULES),
    ("django_app", "--lifespan off", BY_RULES),
    ("quart_app", "", QUART),
]


@pytest.mark.cases("SF-13")
@pytest.mark.parametrize(("name", "options", "story"), STORIES)
def test_an_example_does_what_it_shows(name: str, options: str, story: str, tmp_path: Path) -> None:
    """An example runs beside a fresh installation, and lets in whom its rules, or its routes, let in."""
    serving = f"$ uvicorn {name}:app --app-dir {ROOT / 'examples'} --no-proxy-headers {options}\n…\n"

    assert [] == faults_of(f"```console\n{BEGINNING}{serving}{story}```\n", tmp_path)


def test_every_example_is_tried() -> None:
    """No program in the folder is left out; the demo's application has tests of its own."""
    programs = {path.stem for path in (ROOT / "examples").glob("*.py")}

    assert programs - {"teams_api"} == {name for name, _, _ in STORIES}
