"""What every test may rely on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


def require(component: str, reason: str) -> NoReturn:
    """Give up a test whose real *component* is not on this machine: a skip at a desk, a failure where CI=true.

    Call it only after looking: `if shutil.which("nginx") is None: require("nginx", "it stands in front of the app")`.
    """
    sentence = f"{component} is not installed here: {reason}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{sentence}. Where CI=true nothing real may be missing.")
    pytest.skip(sentence)


@pytest.fixture(autouse=True)
def _no_settings_of_others() -> Iterator[None]:
    """No test reads settings that this machine, or an earlier test, has left in the environment."""
    _forget_settings()
    yield
    _forget_settings()  # and not restored: what a module's fixtures start is started before the next test begins


def _forget_settings() -> None:
    for name in [name for name in os.environ if name.startswith("KEYFOB_") and not name.startswith("KEYFOB_TEST_")]:
        del os.environ[name]
