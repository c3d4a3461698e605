"""What every test may rely on."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest


def require(component: str, reason: str) -> NoReturn:
    """Give up a test whose real *component* is not on this machine: a skip at a desk, a failure where CI=true.

    Call it only after looking: `if shutil.which("nginx") is None: require("nginx", "it stands in front of the app")`.
    """
    sentence = f"{component} is not installed here: {reason}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{sentence}. Where CI=true nothing real may be missing.")
    pytest.skip(sentence)


@pytest.fixture(autouse=True)
def _no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads the settings of an installation that happens to be set in the environment."""
    for name in [name for name in os.environ if name.startswith("KEYFOB_") and not name.startswith("KEYFOB_TEST_")]:
        monkeypatch.delenv(name)
