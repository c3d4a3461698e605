"""What coverage does not measure, it does not slow down either."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

_TRACING = "import sys; raise SystemExit(sys.gettrace() is not None)"


@pytest.mark.no_cover
def test_nothing_goes_on_measuring_where_nothing_is_to_be() -> None:
    """A test that is not measured runs without a tracer, in a worker of xdist too, and so does what it starts."""
    assert sys.gettrace() is None
    assert 0 == subprocess.run([sys.executable, "-c", _TRACING], check=False).returncode


def test_what_is_measured_starts_measured_programs(request: pytest.FixtureRequest) -> None:
    """Under `--cov` a program that a measured test starts is measured, and without it none is."""
    is_measured = request.config.pluginmanager.hasplugin("_cov")

    assert is_measured == ("COVERAGE_PROCESS_CONFIG" in os.environ)
