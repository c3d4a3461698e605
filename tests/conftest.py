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
