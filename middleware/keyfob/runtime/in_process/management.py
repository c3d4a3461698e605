"""The verbs of the admin API in Python, for programs that share an installation's configuration.

::

    async with keyfob.open("keyfob.toml") as kf:
        created = await kf.keys.create(team="acme", name="nightly job", permissions=["items:read"], actor="billing")

Every call is judged, audited and in force exactly as one of the admin API. *actor* says who acts: a name, for the
program itself, which may do everything; or the `Grant` of a request, which may do what its key may.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from keyfob.config.settings import load_settings
from keyfob.runtime.in_process.arguments import actor_of
from keyfob.runtime.in_process.audit import Audit
from keyfob.runtime.in_process.keys import Keys
from keyfob.runtime.in_process.people import PeopleVerbs
from keyfob.runtime.in_process.teams import TeamVerbs
from keyfob.runtime.runtime import Runtime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from keyfob.runtime.explanation import Explanation
    from keyfob.runtime.in_process.arguments import By


@asynccontextmanager
async def open(config: str | Path | None = None, **options: Any) -> AsyncIterator[Management]:  # noqa: A001, ANN401 - its name is keyfob.open
    """Open the installation that the file *config*, the environment and *options* describe, and close it afterwards.

    Raises:
        ConfigError: the settings cannot work, or the keyring is not the one that the database knows.
        StoreUnavailable: the database cannot be read.
    """
    runtime = Runtime(load_settings(config, environ=os.environ, overrides=options))
    try:
        await runtime.ready()
        yield Management(runtime)
    finally:
        await runtime.stop()


class Management:
    """What can be done in an installation. `keyfob.open` gives one, and so does ``APIKeyMiddleware(…).management``."""

    def __init__(self, runtime: Runtime) -> None:
        """*runtime* is the running installation; its owner starts and stops it."""
        self._runtime = runtime
        self.keys = Keys(runtime)
        self.teams = TeamVerbs(runtime)
        self.people = PeopleVerbs(runtime)
        self.audit = Audit(runtime)

    async def explain(
        self,
        *,
        actor: By,
        request_id: str | None = None,
        key: str | None = None,
        method: str | None = None,
        path: str | None = None,
        ip: str | None = None,
    ) -> Explanation:
        """Explain why the request *request_id* was refused, or what would be said to *key* that asks for a path.

        Raises:
            NotFound: *actor* cannot see such a request or key.
            Invalid: neither a *request_id* alone nor *key*, *method* and *path*.
        """
        await self._runtime.ready()
        return await self._runtime.explainer.explain(
            request_id=request_id, key=key, method=method, path=path, ip=ip, actor=actor_of(actor)
        )
