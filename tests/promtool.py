"""Prometheus' own program, which checks rules, configurations and metrics."""

from __future__ import annotations

import shutil
import subprocess

from tests.conftest import require


def promtool(*arguments: str, stdin: str = "") -> tuple[int, str]:
    """Run promtool, which is in Debian's package ``prometheus``: its exit code, and all that it says."""
    program = shutil.which("promtool")
    if program is None:
        require("promtool", "it is what Prometheus itself thinks of rules and metrics")
    done = subprocess.run([program, *arguments], input=stdin, capture_output=True, check=False, text=True)
    return done.returncode, done.stdout + done.stderr
