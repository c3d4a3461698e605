"""The same worlds behind real servers, which read the request line, take prefixes off and decode in their own ways."""

from __future__ import annotations

import logging
import warnings
from random import Random
from typing import TYPE_CHECKING

import pytest

from tests.differential import world
from tests.differential.applications import FRAMEWORKS, Framework
from tests.differential.drive import Findings, build, judge_what_ran
from tests.differential.installed import installed
from tests.differential.servers import SERVERS, serving, status_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.runtime.runtime import Runtime
    from tests.differential.drive import Setting
    from tests.differential.world import Holder

SEED, WORLDS, PER_WORLD = 20_262, 2, 40


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """What frameworks and servers say of odd requests is for nobody, and the levels come back."""
    names = ("keyfob", "django.request", "blacksheep.server", "uvicorn.error", "hypercorn.error", "")
    before = {name: logging.getLogger(name).level for name in names}
    for name in names:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    yield
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)


@pytest.mark.cases("FF-01", "FF-05", "FF-15", "FF-16", "FF-67", "FF-70")
@pytest.mark.parametrize("server", SERVERS)
async def test_no_handler_runs_without_what_the_rules_demand_for_it(tmp_path: Path, server: str) -> None:
    """Whatever the server makes of a request line and a prefix, the gate gives no more than the router behind it."""
    findings = Findings()
    async with installed(tmp_path) as (runtime, holders):
        for framework in FRAMEWORKS:
            random = Random(f"{SEED} {server} {framework.name}")  # noqa: S311 - repeatable, no secret
            for _ in range(WORLDS):
                await _ask_one_world(random, server, framework, runtime, holders, findings)

    asked = WORLDS * PER_WORLD * len(FRAMEWORKS)
    assert [] == findings.wrong, "\n".join(findings.wrong)
    assert asked == findings.counts["asked"]
    assert findings.counts["ran"] > asked / 40  # enough of them get through to mean something


async def _ask_one_world(
    random: Random, server: str, framework: Framework, runtime: Runtime, holders: Sequence[Holder], findings: Findings
) -> None:
    setting = None
    while setting is None:
        setting = build(random, framework, runtime)
    async with serving(server, _quiet(setting.app), setting.root_path.rstrip("/")) as port:
        for _ in range(PER_WORLD):
            asked, holder = world.asked(random, setting.templates), random.choice(holders)
            target = _target(random, setting, server, asked.target)
            setting.ran.handlers.clear()
            status = await status_of(port, asked.method, target, holder.text)
            findings.counts[str(status)] += 1
            findings.counts["asked"] += 1
            shown = f"{server}, {framework.name}, {setting.place}, root {setting.root_path!r}: {asked.method} {target}"
            judge_what_ran(setting, holder, shown, findings)


def _target(random: Random, setting: Setting, server: str, asked: str) -> str:
    """*asked* below the prefixes that are in the way; now and then without them."""
    target = ("/m" if "mount" in setting.place else "") + asked
    if setting.own_prefix and random.random() < 0.7:
        target = setting.own_prefix + target
    if not server.startswith("uvicorn") and random.random() < 0.7:  # which puts the prefix before the path by itself
        target = setting.root_path.rstrip("/") + target
    return target.replace(" ", "%20").replace("\n", "%0a")


def _quiet(app: ASGIApp) -> ASGIApp:
    """Without lifespan, and without what frameworks warn of."""

    async def quiet(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":  # at a start the gate would forget the prefix that `build` has given it
            raise NotImplementedError
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await app(scope, receive, send)

    return quiet
