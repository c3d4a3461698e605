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


@pytest.mark.parametrize(("name", "story"), [("plain_asgi_app", PLAIN), ("starlette_app", STARLETTE)])
def test_an_example_does_what_it_shows(name: str, story: str, tmp_path: Path) -> None:
    """An example runs beside a fresh installation, and lets in whom its rules let in."""
    serving = f"$ uvicorn {name}:app --app-dir {ROOT / 'examples'} --no-proxy-headers\n…\n"

    assert [] == faults_of(f"```console\n{BEGINNING}{serving}{story}```\n", tmp_path)
