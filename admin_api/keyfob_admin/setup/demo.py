"""``keyfob demo``: an installation to try everything on, made in a folder that is thrown away afterwards."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError
from keyfob.management.actor import Actor
from keyfob.management.key_drafts import KeyDraft
from keyfob.runtime.runtime import Runtime
from keyfob_admin.app import build_admin
from keyfob_admin.console import console_pages
from keyfob_admin.setup.config_template import starting_file
from keyfob_admin.setup.installer import install
from keyfob_admin.sign_in.links import make_link

if TYPE_CHECKING:
    from types import ModuleType

    from starlette.types import ASGIApp, Receive, Scope, Send

    from keyfob.config.settings import Settings
    from keyfob.keys.record import KeyRecord

TEAM = "demo"
PREFIX = "/keyfob"
_PLACES = ("../teams_api.py", "../../../examples/teams_api.py")  # in the wheel; in a checkout


@dataclass(frozen=True, slots=True)
class Demo:
    """What was made: the application to serve, and keys to try it with."""

    app: ASGIApp
    config: Path
    admin_key: str = field(repr=False)
    keys: dict[str, str] = field(repr=False)
    sign_in: str = field(repr=False)  # the token of a one-time link to the console

    def told(self, url: str) -> dict[str, Any]:
        """Say where everything is, for programs."""
        admin = f"{url}{PREFIX}"
        addresses = {"app_url": url, "admin_url": admin, "console_url": admin}
        return {**addresses, "admin_key": self.admin_key, "team": TEAM, "keys": self.keys}


async def prepare(folder: Path) -> Demo:
    """Make an installation in *folder* and put the Teams API and the admin API behind it.

    The environment is left out: who has ``KEYFOB_STORE_URL`` set must not find the demo's keys in that database.
    """
    example = load_example()
    config = folder / "keyfob.toml"
    config.write_text(starting_file(permissions=example.PERMISSIONS, rules=example.RULES), encoding="utf-8")
    settings = load_settings(config, environ={})
    admin = await install(settings, team=TEAM, admin="demo admin")
    keys, sign_in = await _issue(settings, tuple(example.PERMISSIONS), admin.view.record)
    guarded = example.build(runtime=Runtime(settings))
    app = Mounted(guarded, PREFIX, build_admin(guarded.runtime, pages=console_pages(guarded.runtime)))
    return Demo(app, config, admin.secret or "", keys, sign_in)


async def _issue(settings: Settings, catalogue: tuple[str, ...], admin: KeyRecord) -> tuple[dict[str, str], str]:
    """Make one key of each kind that is worth trying, and the token of a link into the console."""
    readable = tuple(name for name in catalogue if name.endswith(":read"))
    drafts = {
        "reader": KeyDraft("reader", permissions=readable, description="May look at everything"),
        "writer": KeyDraft("writer", permissions=catalogue, description="May do everything"),
        "computer": KeyDraft("computer", key_type="computer"),
        "scim": KeyDraft("scim", key_type="scim"),
    }
    runtime = Runtime(settings)
    try:
        await runtime.freshness.ensure()
        made = [await runtime.lifecycle.create(TEAM, draft, actor=Actor.system()) for draft in drafts.values()]
        sign_in = await make_link(
            runtime.store, admin, runtime.now(), actor=Actor.system(), signing=runtime.keyring.signing()
        )
    finally:
        await runtime.stop()
    return {name: created.secret or "" for name, created in zip(drafts, made, strict=True)}, sign_in


class Mounted:
    """Sends what is below *prefix* to one application, and everything else, the lifespan too, to another."""

    def __init__(self, app: ASGIApp, prefix: str, below: ASGIApp) -> None:
        """*below* answers under *prefix*, *app* everywhere else."""
        self._app = app
        self._prefix = prefix
        self._below = below

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, as ASGI 3 asks."""
        path = scope.get("path", "")
        if path != self._prefix and not path.startswith(f"{self._prefix}/"):
            await self._app(scope, receive, send)
            return
        whole = path if path != self._prefix else f"{path}/"  # the address without a slash is the front page, too
        root = scope.get("root_path", "") + self._prefix
        await self._below({**scope, "path": whole, "root_path": root}, receive, send)


def load_example() -> ModuleType:
    """Load the Teams API: the copy that the wheel carries, or the original of a checkout."""
    for place in _PLACES:
        path = (Path(__file__).parent / place).resolve()
        specification = importlib.util.spec_from_file_location("keyfob_teams_api", path)
        if path.is_file() and specification is not None and specification.loader is not None:
            module = importlib.util.module_from_spec(specification)
            sys.modules[specification.name] = module  # dataclasses look their module up there
            specification.loader.exec_module(module)
            return module
    raise ConfigError("the Teams API of the demo is missing; install keyfob again")
