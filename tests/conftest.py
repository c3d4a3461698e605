"""What every test may rely on."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import settings

from tests.repeats import function_of, names

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

settings.load_profile("ci")  # everywhere: the same examples each time, and none is too slow on a busy machine

# Load, schedules, documents, many of something, and whole servers from outside, which only repeat what other tests go
# through: to measure them takes minutes.
UNMEASURED = (
    "tests/bench/",
    "tests/deploy/",
    "tests/differential/",
    "tests/docs/",
    "tests/end_to_end/",
    "tests/faults/test_load.py",
    "tests/history/",
    "tests/keyfob/management/people/test_many_people.py",
    "tests/keyfob_admin/api/clients/",
    "tests/keyfob_admin/api/test_openapi.py::test_the_api_answers_as",
    "tests/keyfob_admin/cli/test_import_formats.py::test_two_thousand",
    "tests/keyfob_admin/cli/test_scim.py",
    "tests/keyfob_admin/console/test_activity.py::test_ff_53",
    "tests/model/",
    "tests/test_measuring.py::test_nothing_goes_on",
    "tests/test_repository.py",
    "tests/test_security_cases.py",
    "tests/test_words.py",
    "tests/upgrades/",
)
# The files whose programs are measured as well, for what runs in programs alone: the server and its workers, the demo,
# how a command begins and ends. A measured program takes twice as long to start, and hundreds are started.
MEASURED_PROGRAMS = (
    # How each server's connection is found.
    "tests/end_to_end/test_revoked_responses.py::test_a_response_that_is_being_sent_is_cut[daphne-starlette",
    "tests/end_to_end/test_revoked_responses.py::test_a_response_that_is_being_sent_is_cut[hypercorn-starlette",
    "tests/end_to_end/test_revoked_responses.py::test_a_response_that_is_being_sent_is_cut[uvicorn-h11-starlette",
    "tests/end_to_end/test_revoked_responses.py::test_ff_10_no_middleware_outside_completes_it[uvicorn-h11-one that",
    "tests/keyfob/asgi/test_route_check.py",
    "tests/keyfob/store/sqlite/",
    "tests/keyfob_admin/cli/test_console_login.py",
    "tests/keyfob_admin/cli/test_doctor_and_serve.py",
    "tests/keyfob_admin/cli/test_first_owner.py",
    "tests/keyfob_admin/cli/test_logs.py",
    "tests/keyfob_admin/cli/test_notices.py",
    "tests/keyfob_admin/cli/test_rules.py",
    "tests/keyfob_admin/cli/test_teams_and_audit.py",
    "tests/keyfob_admin/cli/test_terminal.py",
    "tests/keyfob_admin/setup/",
    "tests/test_measuring.py::test_what_is_to_be_measured",
)
# Files that take longest, the longest first: they begin first, so that no worker is left with one of them at the end.
LONGEST = (
    "tests/model/",
    "tests/docs/",
    "tests/keyfob_admin/cli/test_import_formats.py",
    "tests/keyfob_admin/console/test_rendering.py",
    "tests/end_to_end/",
    "tests/faults/",
    "tests/history/",
    "tests/keyfob_admin/api/clients/",
    "tests/deploy/",
    "tests/bench/",
)
REPEATING = names()
_COVERAGE = "COVERAGE_PROCESS_CONFIG"  # by this variable, processes that tests start learn that they are measured
_coverage: dict[str, str] = {}


def require(component: str, reason: str) -> NoReturn:
    """Give up a test whose real *component* is not on this machine: a skip on a developer's machine, a failure in CI.

    Call it only after looking: `if shutil.which("nginx") is None: require("nginx", "it stands in front of the app")`.
    """
    sentence = f"{component} is not installed here: {reason}"
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"{sentence}. Where CI=true nothing real may be missing.")
    pytest.skip(sentence)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest first."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, start in enumerate(LONGEST) if item.nodeid.startswith(start)), len(LONGEST))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Let pytest-cov alone measure the workers: what the variable starts there would go on in tests without measure."""
    os.environ.pop(_COVERAGE, None)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Stop what pytest-cov begins in a worker too early, and never saves: it as well would go on in such tests."""
    measuring = getattr(session.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if measuring is not None and hasattr(session.config, "workerinput"):
        measuring.pause()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, bool | None, bool | None]:
    """Measure *item*, from its first fixture to its last, only if it adds something: that takes twice the time."""
    measuring = getattr(item.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if measuring is None or _is_measured(item):
        return (yield)
    measuring.pause()
    try:
        return (yield)
    finally:
        measuring.resume()


def _is_measured(item: pytest.Item) -> bool:
    """Whether *item* goes through lines that no quicker test does: a browser and the second store only repeat."""
    if item.nodeid.startswith(MEASURED_PROGRAMS):
        return True
    assert isinstance(item, pytest.Function)
    engine = item.callspec.params.get("engine") if hasattr(item, "callspec") else None
    repeats = engine == "postgres" or "browser" in item.fixturenames or function_of(item.nodeid) in REPEATING
    return not (repeats or item.nodeid.startswith(UNMEASURED))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the servers and workers that *item* starts be measured if it is of `MEASURED_PROGRAMS`, and no others."""
    if _COVERAGE in os.environ:
        _coverage[_COVERAGE] = os.environ.pop(_COVERAGE)
    if item.nodeid.startswith(MEASURED_PROGRAMS):
        os.environ.update(_coverage)


@pytest.fixture(autouse=True)
def _no_settings_of_others() -> Iterator[None]:
    """No test reads settings that this machine, or an earlier test, has left in the environment."""
    _forget_settings()
    with _logging_kept():
        yield
    _forget_settings()  # and not restored: what a module's fixtures start is started before the next test begins


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Put back how lines are logged: a command that serves, and uvicorn, arrange it for the whole process."""
    logs = [
        logging.root,
        *(logging.getLogger(name) for name in ("keyfob", "uvicorn", "uvicorn.error", "uvicorn.access")),
    ]
    before = [(log.level, log.propagate, log.handlers.copy()) for log in logs]
    yield
    for log, (level, propagate, handlers) in zip(logs, before, strict=True):
        log.setLevel(level)
        log.propagate = propagate
        log.handlers[:] = handlers


def _forget_settings() -> None:
    for name in [name for name in os.environ if name.startswith("KEYFOB_") and not name.startswith("KEYFOB_TEST_")]:
        del os.environ[name]
