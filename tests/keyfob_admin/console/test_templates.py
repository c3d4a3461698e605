from __future__ import annotations

from typing import TYPE_CHECKING

import jinja2

from keyfob_admin.console.rendering import Renderer

if TYPE_CHECKING:
    import pytest


def test_consoles_of_one_process_compile_a_template_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the console and the Keys page are in one process, the second finds its templates compiled."""
    Renderer()._templates.get_template("keys.html")

    def compiled(*_: object, **__: object) -> None:
        raise AssertionError("a template was compiled once more")

    monkeypatch.setattr(jinja2.Environment, "_generate", compiled)

    assert "keys.html" == Renderer()._templates.get_template("keys.html").name
