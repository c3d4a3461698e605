"""What coverage does not measure, it does not slow down either."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.conftest import REPEATING
from tests.repeats import ROOT

if TYPE_CHECKING:
    import pytest

_TRACING = "import sys; raise SystemExit(sys.gettrace() is not None)"


def test_nothing_goes_on_measuring_where_nothing_is_to_be() -> None:
    """A test that is not measured runs without a tracer, in a worker of xdist too, and so does what it starts."""
    assert sys.gettrace() is None
    assert 0 == subprocess.run([sys.executable, "-c", _TRACING], check=False).returncode


def test_what_repeats_is_there() -> None:
    """A file of tests that is gone or has a new name is none of those that are said to repeat others."""
    assert [] == [name for name in sorted(REPEATING) if not (ROOT / name.partition("::")[0]).is_file()]


def test_most_programs_are_not_measured() -> None:
    """A measured test starts programs that are not."""
    assert "COVERAGE_PROCESS_CONFIG" not in os.environ
    assert 0 == subprocess.run([sys.executable, "-c", _TRACING], check=False).returncode


def test_what_is_to_be_measured_is_in_programs_too(request: pytest.FixtureRequest) -> None:
    """Under `--cov` a program that such a test starts is measured, and without it none is."""
    is_measured = request.config.pluginmanager.hasplugin("_cov")

    assert is_measured == ("COVERAGE_PROCESS_CONFIG" in os.environ)
    assert is_measured == subprocess.run([sys.executable, "-c", _TRACING], check=False).returncode
