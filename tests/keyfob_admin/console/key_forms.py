"""The form of a key: where it is, what is ticked on it, and the secret in its answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.keyfob_admin.console.conftest import SECRET, words

if TYPE_CHECKING:
    import httpx

NEW = "/keys/new?type=api"


def made(answer: httpx.Response) -> str:
    """The secret that an answer shows."""
    assert 201 == answer.status_code, words(answer.text)
    found = set(SECRET.findall(answer.text))
    assert 1 == len(found)
    return str(found.pop())


def id_of(secret: str) -> str:
    return secret.split("_")[2]


def checked(text: str) -> list[str]:
    """The permissions that are ticked on a form."""
    return re.findall(r'name="permission" value="([^"]+)"[^>]* checked', text)
