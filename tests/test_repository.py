"""The rules that the repository keeps about itself."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

import keyfob

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
PRODUCT = sorted([*ROOT.glob("middleware/keyfob/**/*.py"), *ROOT.glob("admin_api/keyfob_admin/**/*.py")])
FOLDERS = ("admin_api", "bench", "examples", "middleware", "tests")
EVERY_FILE = sorted(path for folder in FOLDERS for path in ROOT.glob(f"{folder}/**/*.py"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = sorted(path.relative_to(ROOT / "requirements").as_posix() for path in ROOT.glob("requirements/**/*.txt"))

LONGEST_FILE = 300
LONGEST_FUNCTION = 40
NAMES_THAT_SAY_NOTHING = {"base", "common", "core", "helpers", "manager", "misc", "services", "utils"}
DEFAULT_DEPENDENCIES = {
    "aiosqlite",
    "argon2-cffi",
    "cachetools",
    "click",
    "jinja2",
    "msgspec",
    "starlette",
    "uvicorn",
    "websockets",
}
EXTRAS = {
    "metrics": {"prometheus-client"},
    "oidc": {"httpx", "joserfc"},
    "otel": {"opentelemetry-api"},
    "postgres": {"asyncpg"},
    "valkey": {"valkey"},
}
TOP_LEVEL = [
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "README.md",
    "SECURITY.md",
    "admin_api/keyfob_admin/py.typed",
    "examples/teams_api.py",
    "middleware/keyfob/py.typed",
]


def in_repository(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@cache
def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def lengths(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of the file with its lines, from `def` to the last."""
    for node in functions(path):
        yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def distribution(requirement: str) -> str:
    """The name alone: `jinja2` of `jinja2>=3.1`."""
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def pinned(name: str) -> list[str]:
    """The requirements of a pinned file, each with its continuation lines."""
    lines = (ROOT / "requirements" / name).read_text().replace("\\\n", " ").splitlines()
    return [line for line in lines if line.strip() and not line.lstrip().startswith("#")]


def imported_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after *statement*."""
    program = f"import sys; {statement}; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, text=True)
    return {name.partition(".")[0] for name in answer.stdout.split()}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    """The wheel as it would be published."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, capture_output=True, check=True)
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as file:
        yield file


def test_a_file_fits_in_one_reading() -> None:
    """No file is longer than 300 lines: neither the product's nor the tests', the bench's or the examples'."""
    lines = {in_repository(path): len(path.read_text().splitlines()) for path in EVERY_FILE}

    assert {} == {path: count for path, count in lines.items() if count > LONGEST_FILE}


def test_a_function_fits_on_one_screen() -> None:
    """No function is longer than 40 lines, wherever it stands."""
    lines = {(in_repository(path), name): count for path in EVERY_FILE for name, count in lengths(path)}

    assert {} == {function: count for function, count in lines.items() if count > LONGEST_FUNCTION}


def test_a_file_is_named_after_what_is_in_it() -> None:
    """No product file or folder has a name that could be any file's."""
    names = {in_repository(path): {path.stem, path.parent.name} for path in PRODUCT}

    assert [] == [path for path, parts in names.items() if parts & NAMES_THAT_SAY_NOTHING]


def test_the_product_is_finished() -> None:
    """No product file holds a note for later or a function that only says that it is not there."""
    unfinished = re.compile(r"\b(TODO|FIXME|XXX|NotImplementedError)\b")

    assert [] == [in_repository(path) for path in PRODUCT if unfinished.search(path.read_text())]


def test_every_test_states_its_rule() -> None:
    """Every test begins with a docstring whose first paragraph is a whole sentence."""
    tests = [(path, node) for path in ROOT.glob("tests/**/*.py") for node in functions(path)]
    without = [
        (in_repository(path), node.name)
        for path, node in tests
        if node.name.startswith("test_")
        if not (ast.get_docstring(node) or "").partition("\n\n")[0].endswith(".")
    ]

    assert [] == without


@pytest.mark.parametrize("name", TOP_LEVEL)
def test_what_a_visitor_looks_for_is_there(name: str) -> None:
    """The files that people and tools look for stand where they look."""
    assert (ROOT / name).is_file()


@pytest.mark.parametrize(
    "name", [".ci/run", "scripts/bench", "scripts/demo", "scripts/docs", "scripts/lint", "scripts/test"]
)
def test_a_script_can_be_run(name: str) -> None:
    """Every script is executable and bash can read it."""
    subprocess.run(["bash", "-n", str(ROOT / name)], check=True)

    assert os.access(ROOT / name, os.X_OK)


def test_the_default_dependencies_are_the_ones_agreed() -> None:
    """An installation without extras brings nine packages and no other."""
    assert sorted(distribution(text) for text in PROJECT["dependencies"]) == sorted(DEFAULT_DEPENDENCIES)


def test_the_extras_are_the_ones_agreed() -> None:
    """What few need is an extra."""
    extras = PROJECT["optional-dependencies"]

    assert {name: {distribution(text) for text in wanted} for name, wanted in extras.items()} == EXTRAS


@pytest.mark.parametrize("name", PINNED)
def test_pinned_files_pin_everything_and_name_no_registry(name: str) -> None:
    """Each requirement is one version with its hashes, and no line holds an address."""
    loose = [
        line
        for line in pinned(name)
        if not re.match(r"[a-z0-9._-]+(?:\[[a-z0-9_, -]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
    ]

    assert [] == loose
    assert "://" not in (ROOT / "requirements" / name).read_text()


def test_a_package_that_is_wanted_with_an_extra_is_pinned_with_it() -> None:
    """Else pip takes the newest release for the extra's sake, finds no hash for it, and installs nothing."""
    wanted = [Requirement(text) for installed in metadata.distributions() for text in installed.requires or ()]
    with_extras = {need.name for need in wanted if need.extras and (need.marker is None or need.marker.evaluate())}
    names = [line.split("==")[0] for line in pinned("test.txt")]
    pinned_with = {name.split("[")[0] for name in names if "[" in name}

    assert set() == with_extras & {*names} - pinned_with
    assert "coverage" in with_extras
    assert "pydantic" in names  # for those who want it without its extra: to pip that is another package


def test_pinned_files_agree_with_each_other() -> None:
    """What a server runs on is what the tests ran on: the same versions."""
    tested = {line.split()[0] for line in pinned("test.txt")}
    shipped = {line.split()[0] for name in ("build.txt", "runtime.txt") for line in pinned(name)}

    assert set() == shipped - tested


def test_the_bench_measures_what_was_tested() -> None:
    """A package that both the tests and the bench need has one version, so that both fit into one environment."""
    tested = dict(line.split()[0].split("==") for line in pinned("test.txt"))
    measured = dict(line.split()[0].split("==") for line in pinned("bench.txt"))
    both = tested.keys() & measured.keys()

    assert {name: tested[name] for name in both} == {name: measured[name] for name in both}
    assert "click" in both


@pytest.mark.parametrize("module", ["click", "fastapi", "jinja2", "keyfob_admin", "litestar", "msgspec", "uvicorn"])
def test_the_middleware_loads_only_what_it_needs(module: str) -> None:
    """An application that imports keyfob does not load what only the admin side needs."""
    assert module not in imported_by("import keyfob")


def test_the_front_door_is_sorted() -> None:
    """`keyfob.__all__` is sorted and every name in it is there."""
    assert sorted(keyfob.__all__) == list(keyfob.__all__)
    assert [] == [name for name in keyfob.__all__ if not hasattr(keyfob, name)]


@pytest.mark.parametrize(
    "name",
    [
        "keyfob/__init__.py",
        "keyfob/py.typed",
        "keyfob_admin/__init__.py",
        "keyfob_admin/py.typed",
        "keyfob_admin/teams_api.py",
    ],
)
def test_the_wheel_holds_both_packages_typed(wheel: zipfile.ZipFile, name: str) -> None:
    """The wheel brings both packages, their type markers and the demo's application."""
    assert name in wheel.namelist()


def test_the_wheel_holds_everything_that_is_not_python(wheel: zipfile.ZipFile) -> None:
    """SQL, migrations, templates and styles travel with the code that reads them."""
    packages = (ROOT / "middleware", ROOT / "admin_api")
    data = [(top, path) for top in packages for path in top.rglob("*") if path.is_file() and path.suffix != ".pyc"]

    assert {path.relative_to(top).as_posix() for top, path in data} <= set(wheel.namelist())


def test_the_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    """No test, bench or script is installed beside the two packages."""
    tops = {name.partition("/")[0] for name in wheel.namelist()}

    assert {"keyfob", "keyfob_admin", f"keyfob-{PROJECT['version']}.dist-info"} == tops


def test_ff_73_sqlite_is_given_no_numbered_parameters() -> None:
    """Python 3.12.0 and 3.12.1 take ``?1`` for a named parameter, and warn when a sequence is bound to it."""
    queries = ROOT / "middleware" / "keyfob" / "store" / "sqlite" / "queries.sql"

    assert [] == re.findall(r"\?\d+", queries.read_text())


def test_the_version_is_the_same_everywhere() -> None:
    """The installed distribution and the newest entry of the changelog are of one version."""
    newest = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)

    assert newest is not None
    assert metadata.version("keyfob") == PROJECT["version"] == newest[1]


def test_the_console_script_is_keyfob() -> None:
    """The distribution installs one command, `keyfob`."""
    (script,) = metadata.distribution("keyfob").entry_points.select(group="console_scripts")

    assert ("keyfob", "keyfob_admin.cli:main") == (script.name, script.value)


def test_hosted_actions_are_pinned_by_commit() -> None:
    """A moved tag of a hosted action cannot change what continuous integration runs."""
    workflows = [path.read_text() for path in ROOT.glob(".github/workflows/*.yml")]
    used = [action for text in workflows for action in re.findall(r"uses: (\S+)", text)]

    assert [] != used
    hosted = [action for action in used if not action.startswith("./")]
    assert [] == [action for action in hosted if not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", action)]
