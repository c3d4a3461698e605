"""The examples in which a key or the application's own login is enough are tried as their first lines say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import jwt
import pytest

from tests.docs.running import faults_of
from tests.docs.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = ROOT / "examples" / "key_or_login"
EXAMPLES = ["django_app", "fastapi_app", "litestar_app", "starlette_app"]
SECRET = "one secret of the tests, which is long enough"
ANN, FORGED = (f"Bearer {jwt.encode({'sub': 'ann'}, key, 'HS256')}" for key in (SECRET, SECRET[::-1]))

STORY = f"""\
$ keyfob init
…
$ READER=$(keyfob keys create reader --permission items:read)
…
$ OTHER=$(keyfob keys create other --permission items:write)
…
$ uvicorn NAME:app --app-dir {FOLDER} --no-proxy-headers
…
$ curl -s -H "X-Acme-Key: $READER" http://127.0.0.1:8000/items
{{"items": ["kettle", "lamp"], "asked_by": "reader"}}
$ curl -s -H "Authorization: {ANN}" http://127.0.0.1:8000/items
{{"items": ["kettle", "lamp"], "asked_by": "ann"}}
$ curl -s -o /dev/null -w '%{{http_code}}\\n' -H "Authorization: {FORGED}" http://127.0.0.1:8000/items
401
$ curl -s http://127.0.0.1:8000/items | grep -o 'sign in, or send a key in X-Acme-Key'
sign in, or send a key in X-Acme-Key
$ curl -s -H "X-Acme-Key: $OTHER" http://127.0.0.1:8000/items
{{"error": {{"code": "insufficient_scope", …}}}}
$ curl -s -H "X-Acme-Key: $READER-" http://127.0.0.1:8000/items
{{"error": {{"code": "invalid_key", …}}}}
$ curl -s -o /dev/null -w '%{{http_code}}\\n' -H "X-Acme-Key: $READER-" http://127.0.0.1:8000/items
401
"""

DOCUMENT = """\
$ curl -s http://127.0.0.1:8000/PATH | python -c 'import json, sys
> document = json.load(sys.stdin)
> print(document["paths"]["/items"]["get"]["security"], document["components"]["securitySchemes"]["Keyfob"]["name"])'
[{'Keyfob': ['items:read']}, {'Login': []}] X-Acme-Key
"""
DOCUMENTS = {"fastapi_app": "openapi.json", "litestar_app": "schema/openapi.json"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_key_or_a_login_is_enough(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key in the application's own header, or its JWT; refusals have its own form, and a document shows both ways."""
    monkeypatch.setenv("JWT_SECRET", SECRET)
    story = STORY.replace("NAME", name)
    if name in DOCUMENTS:
        story += DOCUMENT.replace("PATH", DOCUMENTS[name])

    assert [] == faults_of(f"```console\n{story}```\n", tmp_path)


def test_every_example_is_tried() -> None:
    """No program in the folder is left out."""
    assert EXAMPLES == sorted(path.stem for path in FOLDER.glob("*.py"))
