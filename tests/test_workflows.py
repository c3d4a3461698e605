"""The workflows of hosted continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parent.parent


def jobs_of(name: str) -> dict[str, dict[str, Any]]:
    """The jobs of a workflow."""
    found: dict[str, dict[str, Any]] = yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text())["jobs"]
    return found


def commands_of(job: dict[str, Any]) -> str:
    return "\n".join(step.get("run", "") for step in job["steps"])


def test_the_wheel_is_built_once_and_tested_on_every_python() -> None:
    """Every interpreter that the distribution names tests the one wheel; lint and the site have jobs of their own."""
    jobs = jobs_of("ci.yml")

    assert {"lint", "docs", "build", "test"} == jobs.keys()
    assert ["3.11", "3.12", "3.13", "3.14"] == jobs["test"]["strategy"]["matrix"]["python"]
    assert ["build"] == [name for name, job in jobs.items() if "-m build" in commands_of(job)]
    assert "build" == jobs["test"]["needs"]
    assert "TEST_WHEEL" in commands_of(jobs["test"])


def test_what_is_published_was_tested_and_no_token_is_kept() -> None:
    """The release waits for all of CI, builds nothing, and may do nothing but ask for a short-lived token."""
    jobs = jobs_of("release.yml")
    publish = jobs["publish"]

    assert ("./.github/workflows/ci.yml", "ci") == (jobs["ci"]["uses"], publish["needs"])
    assert {"id-token": "write"} == publish["permissions"]
    assert "-m build" not in commands_of(publish)
    assert not any("secrets" in str(step) or "password" in str(step) for step in publish["steps"])
