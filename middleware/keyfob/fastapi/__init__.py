"""FastAPI integration: a route declares the permissions it needs, and the OpenAPI document shows them.

::

    @app.get("/items", dependencies=[require("items:read")])
    async def items(): ...

    @app.post("/items")
    async def add(grant: Annotated[Grant, require("items:write")]): ...

    @app.get("/orders")  # a key, or the application's own login
    async def orders(caller: Annotated[Grant | User, require("orders:read", otherwise=current_user)]): ...

    describe(app)  # routes that only rules guard are documented, too

`keyfob.APIKeyMiddleware` wraps the application as always. Its rules come first; a route can only require more. Keyfob
does not install FastAPI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob.asgi.route_guard import needed_of
from keyfob.fastapi.alternative import Alternative
from keyfob.fastapi.description import describe
from keyfob.fastapi.requirement import KeyRefused, Requirement, api_key

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["KeyRefused", "api_key", "describe", "require"]


def require(*permissions: str, otherwise: Callable[..., Any] | None = None) -> Any:  # noqa: ANN401 - as FastAPI's own Security(), so that it can be a default value
    """Return a ``Security`` dependency on a key that covers all *permissions*, or any valid key. It yields the `Grant`.

    Args:
        permissions: what the key must cover.
        otherwise: the application's own dependency, asked only if the request carries no key; the result is what it
            returns. The document shows its security schemes as an alternative. Rules for such routes need
            ``otherwise = "app"``. What it keeps open with ``yield`` is closed before the route's handler runs.

    Raises:
        ConfigError: one of them is not a permission, or is a wildcard.

    """
    needed = needed_of(permissions)
    if otherwise is None:
        return Requirement(api_key, scopes=needed)
    return Requirement(Alternative(needed, otherwise))
