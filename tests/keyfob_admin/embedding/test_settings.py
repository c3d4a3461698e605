"""What `keys_page` is given is checked when it is called, and an accent can be read on whatever it lies."""

from __future__ import annotations

from typing import Any

import pytest

from keyfob.errors import ConfigError
from keyfob_admin import keys_page
from keyfob_admin.console import Embedding

WRONG = [
    {"who": "ann"},
    {"accent": "green"},
    {"accent": "#0a7"},
    {"accent": "#0a7d55;}body{display:none"},
    {"accent": "#0a7d55\n"},
    {"accent": 7},
    {"stylesheet": "https://cdn.example/x.css"},
    {"stylesheet": "//cdn.example/x.css"},
    {"stylesheet": "/\\cdn.example/x.css"},
    {"stylesheet": "own.css"},
    {"stylesheet": "/own css"},
    {"login_url": "javascript:alert(1)"},
    {"login_url": "//evil.example"},
    {"login_url": "https://[evil.example/login"},
    {"login_url": "login"},
    {"login_url": ""},
    {"login_url": "/login\r\nSet-Cookie: a=b"},
    {"title": ""},
    {"title": " "},
    {"title": "a\nb"},
    {"title": "x" * 101},
]


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_wrong_argument_is_refused(wrong: dict[str, Any]) -> None:
    """A `ConfigError` names the argument, before anything of the configuration is read."""
    given = {"who": lambda _: None, **wrong}

    with pytest.raises(ConfigError, match=next(iter(wrong))):
        keys_page(config="there-is-no-such-file.toml", **given)


@pytest.mark.parametrize("address", ["/login", "/login?next=/x", "https://id.example/login", "http://localhost:9/"])
def test_a_login_may_be_elsewhere(address: str) -> None:
    """A path of the same site or a whole address leads to the login."""
    assert address == Embedding(who=lambda _: None, login_url=address).login_url


def test_an_accent_can_be_read() -> None:
    """White text on a button needs a contrast of 4.5, so that a light colour is darkened; a dark one stays."""
    css = {name: Embedding(who=lambda _: None, accent=name).accent_css for name in ("#0a5d3f", "#ffffff", "#ffee00")}

    assert ":root{--accent:#0a5d3f;--mark:light-dark(#0a5d3f,#548e79)}" == css["#0a5d3f"]
    assert ":root{--accent:#737373;--mark:light-dark(#737373,#ffffff)}" == css["#ffffff"]
    assert ":root{--accent:#807700;--mark:light-dark(#807700,#ffee00)}" == css["#ffee00"]
    assert Embedding(who=lambda _: None).accent_css is None
