"""Clients that people generate from the OpenAPI document, each through a whole key's life against `keyfob serve`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.keyfob_admin.api.clients.toolbox import HERE, Toolbox, toolbox
from tests.keyfob_admin.cli.conftest import CHEAP, PROGRAM

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)  # seconds; the first run installs

TEAM = "default"
HAPPENS = {
    "listed": True,
    "expires_at": 2999,
    "description": "changed",
    "verified": "valid",
    "states": ["active", "disabled", "active"],
    "copy": "Copy of made by a client",
    "deleted": [204, 404, "not_found"],
    "team": "Renamed",
}
CHECKED = ("--strict", "--noEmit", "--skipLibCheck", "--allowImportingTsExtensions", "--target", "es2022")
AS_BUNDLED = ("--module", "esnext", "--moduleResolution", "bundler", "--lib", "es2023,dom,dom.iterable")


@dataclass(frozen=True)
class Served:
    """A running `keyfob serve`, and its document in a file."""

    url: str
    admin_key: str = field(repr=False)
    document: Path


@pytest.fixture(scope="module")
def tools() -> Toolbox:
    return toolbox()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("clients")
    made = subprocess.run([*PROGRAM, "init"], cwd=folder, capture_output=True, text=True, check=True, timeout=60)
    config = folder / "keyfob.toml"
    config.write_text(config.read_text().replace("\n[middleware]\n", CHEAP))
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen([*PROGRAM, "serve", "--port", "0"], cwd=folder, stdout=output, stderr=output)
    try:
        url = _url_in(log, process)
        document = folder / "openapi.json"
        document.write_bytes(httpx.get(f"{url}/openapi.json").content)
        yield Served(url, made.stdout.strip(), document)
    finally:
        process.terminate()
        process.wait(20)


def _url_in(log: Path, process: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text()):
            return found[0]
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    raise AssertionError("keyfob serve did not start")


def test_ff_36_spectral_finds_nothing(tools: Toolbox, served: Served) -> None:
    """Every rule of Spectral's for OpenAPI holds, warnings included."""
    (tools.folder / "spectral.yaml").write_text('extends: ["spectral:oas"]\n')

    said = tools.run(
        "spectral", "lint", str(served.document), "-r", "spectral.yaml", "--fail-severity", "hint", cwd=tools.folder
    )

    assert "No results" in said


def test_ff_36_redocly_finds_nothing(tools: Toolbox, served: Served) -> None:
    """Every rule that Redocly recommends holds, warnings taken for errors."""
    tools.run("redocly", "lint", "--extends", "recommended-strict", str(served.document), cwd=tools.folder)


def _by_openapi_python_client(tools: Toolbox, document: Path, folder: Path) -> None:
    made = str(folder / "made_by_openapi_python_client")
    options = ("--path", str(document), "--meta", "none", "--output-path", made)
    tools.run("openapi-python-client", "generate", *options, cwd=folder)


def _by_openapi_generator(tools: Toolbox, document: Path, folder: Path) -> None:
    options = ("-i", str(document), "-g", "python", "-o", str(folder), "--package-name", "made_by_openapi_generator")
    tools.run("openapi-generator-cli", "generate", *options, cwd=folder)


def _by_openapi_typescript(tools: Toolbox, document: Path, folder: Path) -> None:
    tools.run("openapi-typescript", str(document), "-o", str(folder / "made" / "openapi_typescript.ts"), cwd=folder)


def _by_hey_api(tools: Toolbox, document: Path, folder: Path) -> None:
    tools.run("openapi-ts", "-i", str(document), "-o", str(folder / "made" / "hey_api"), cwd=folder)


def _by_orval(tools: Toolbox, document: Path, folder: Path) -> None:
    made = str(folder / "made" / "orval.ts")
    tools.run("orval", "--input", str(document), "--output", made, "--client", "fetch", cwd=folder)


GENERATORS: dict[str, Callable[[Toolbox, Path, Path], None]] = {
    "openapi_python_client.py": _by_openapi_python_client,
    "openapi_generator.py": _by_openapi_generator,
    "openapi_fetch.ts": _by_openapi_typescript,
    "hey_api.ts": _by_hey_api,
    "orval.ts": _by_orval,
}


@pytest.mark.parametrize("program", GENERATORS)
def test_ff_36_a_generated_client_lives_a_whole_key_life(tools: Toolbox, served: Served, program: str) -> None:
    """What five generators make compiles, and creates, reads, changes, verifies, duplicates and deletes keys."""
    folder = tools.folder / "life" / program.replace(".", "_")  # below node_modules, where imports are looked for
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "made").mkdir(parents=True)
    for file in (program, "node.d.ts"):
        shutil.copy(HERE / file, folder)
    GENERATORS[program](tools, served.document, folder)

    if program.endswith(".ts"):
        tools.run("tsc", *CHECKED, *AS_BUNDLED, program, "node.d.ts", cwd=folder)
        tools.run("esbuild", program, "--bundle", "--format=esm", "--platform=node", "--outfile=life.mjs", cwd=folder)
        command = ["node", "life.mjs"]
    else:
        shutil.copy(HERE / program, folder / "life.py")
        (folder / program).unlink()  # a program of the generator's name would be imported in its place
        command = ["python", "life.py"]
    said = tools.run(*command, cwd=folder, URL=served.url, ADMIN_KEY=served.admin_key, TEAM=TEAM)

    assert HAPPENS == json.loads(said)
