"""The test kit for tests that are no coroutines, with Starlette's TestClient or any other client that blocks."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from keyfob.asgi.middleware import APIKeyMiddleware
from keyfob.testing.installation import Installation, Issued, Origin, installation

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.applications import Starlette

    from keyfob.keys.record import KeyRecord


class SyncInstallation:
    """An `Installation` whose methods return when they are done. Its work runs in an event loop of its own."""

    def __init__(self, here: Installation, runner: asyncio.Runner, undo: ExitStack) -> None:
        self._here = here
        self._runner = runner
        self._undo = undo

    @property
    def options(self) -> Origin:
        """The keywords for a middleware on this installation."""
        return self._here.options

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables that name this installation, in place of what a keyfob.toml says."""
        return {"KEYFOB_STORE_URL": self.options["store"], "KEYFOB_KEYRING": str(self.options["keyring"])}

    def issue(self, *permissions: str, key_type: str = "api", **fields: Any) -> Issued:  # noqa: ANN401 - see `Installation.issue`
        """Create a key that holds *permissions*; see `Installation.issue`. Raises StoreUnavailable."""
        return self._runner.run(self._here.issue(*permissions, key_type=key_type, **fields))

    def change(self, issued: Issued, **fields: Any) -> KeyRecord:  # noqa: ANN401 - see `Installation.change`
        """Change *fields* of a key, in force immediately. Raises StoreUnavailable."""
        return self._runner.run(self._here.change(issued, **fields))

    def disable(self, issued: Issued) -> None:
        """Disable a key, in force immediately. Raises StoreUnavailable."""
        self._runner.run(self._here.disable(issued))

    def enable(self, issued: Issued) -> None:
        """Enable a key again. Raises StoreUnavailable."""
        self._runner.run(self._here.enable(issued))

    def use_in(self, app: Starlette) -> None:
        """Let the `APIKeyMiddleware` that was added to *app* use this installation until the test is over.

        Only where it stores keys changes; its rules and all else stay. Call it before the first request.

        Raises:
            LookupError: no `APIKeyMiddleware` was added to *app*.

        """
        found = [entry for entry in app.user_middleware if _is_ours(entry.cls)]
        if not found:
            raise LookupError("no APIKeyMiddleware was added to this application with add_middleware")
        for entry in found:
            self._undo.callback(partial(setattr, entry, "kwargs", entry.kwargs))
            entry.kwargs = {**entry.kwargs, **self.options}  # type: ignore[assignment]  # of whatever class it is
        self._undo.callback(partial(setattr, app, "middleware_stack", None))
        app.middleware_stack = None  # Starlette makes it anew, with the first request


def _is_ours(made_by: object) -> bool:
    return isinstance(made_by, type) and issubclass(made_by, APIKeyMiddleware)


@contextmanager
def sync_installation(folder: Path) -> Iterator[SyncInstallation]:
    """Create an installation in the existing *folder*, as `installation` does, for tests without an event loop."""
    with asyncio.Runner() as runner, ExitStack() as undo:
        making = installation(folder)
        here = runner.run(_enter(making))
        undo.callback(lambda: runner.run(_leave(making)))
        yield SyncInstallation(here, runner, undo)


async def _enter(making: Any) -> Installation:  # noqa: ANN401 - contextlib names no type for what it makes
    made: Installation = await making.__aenter__()
    return made


async def _leave(making: Any) -> None:  # noqa: ANN401 - as above
    await making.__aexit__(None, None, None)
