from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import pytest

from bench import servers
from bench.guarded import guarded
from bench.http_load import SERVERS
from tests.end_to_end.forging import forged

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(
    find_spec("locust") is None, reason="locust comes with requirements/bench.txt, which is not installed here"
)


def locust(port: int, keys: Path) -> subprocess.CompletedProcess[str]:
    users = ["--users=4", "--spawn-rate=4", "--run-time=4s", "--headless", "--json", "--only-summary"]
    command = [sys.executable, "-m", "locust", *users, "-f", "bench/locustfile.py", f"--host=http://127.0.0.1:{port}"]
    mix = "valid=1,cold=1,disabled=1,forged=1"
    environ = {**os.environ, "KEYFOB_KEYS": str(keys), "KEYFOB_MIX": mix}
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=servers.ROOT)


def by_kind(printed: str) -> dict[str, dict[str, Any]]:
    return {row["name"].partition(", ")[2]: row for row in json.loads(printed)}


async def test_each_kind_must_be_answered_as_it_deserves(tmp_path: Path) -> None:
    """Good keys must be let in and others not; a key that is said to be another kind fails every time."""
    keys = tmp_path / "keys.txt"
    async with guarded() as place:
        lines = [f"valid {place.good.text}", f"disabled {place.disabled.text}", f"forged {forged()}"]
        lines += ["# cold keys", "", f"cold {place.disabled.text}"]
        keys.write_text("\n".join(lines), encoding="utf-8")
        with servers.running(SERVERS["uvicorn"], tmp_path / "log", place.environ("keyfob")) as server:
            done = locust(server.ready(), keys)

    rows = by_kind(done.stdout)
    assert {"valid", "cold", "disabled", "forged"} == set(rows)
    assert [0, 0, 0] == [rows[kind]["num_failures"] for kind in ("valid", "disabled", "forged")]
    assert rows["cold"]["num_requests"] == rows["cold"]["num_failures"]
    assert 1 == done.returncode


def test_a_line_that_is_no_key_is_said(tmp_path: Path) -> None:
    """A file with a kind that does not exist is refused with the number of its line, and without the key."""
    keys = tmp_path / "keys.txt"
    keys.write_text("valid kf_api_one\nwarm kf_api_two\n", encoding="utf-8")
    read = "import pathlib, sys; from bench.locustfile import read; read(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", read, str(keys)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=servers.ROOT)

    assert "ValueError: keys.txt, line 2: not one of valid, cold, disabled, forged and a key" in done.stderr
    assert "kf_api_two" not in done.stderr
