"""Which page is where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.routing import Route

from keyfob_admin.console import activity, creating, editing, key_pages, listing, signing_in, team_pages
from keyfob_admin.console.endpoint import NO_PAGE, Page, message_page
from keyfob_admin.console.look import Look
from keyfob_admin.console.visit import Console
from keyfob_admin.sign_in import SignIn, console_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from keyfob.runtime import Runtime
    from keyfob_admin.console.endpoint import Handler
    from keyfob_admin.console.visit import Visit

    Row = tuple[str, str, Handler]  # method, path, and what answers


def console_pages(runtime: Runtime) -> Sequence[BaseRoute]:
    """Make the console's routes, for `build_admin`. Raises ConfigError if the store cannot keep sessions."""
    console = Console(runtime, SignIn(runtime), console_of(runtime.store), Look())
    return [
        *(_route(console, row, signed_in=False) for row in OPEN),
        *(_route(console, row, signed_in=True) for row in CLOSED),
        Route("/static/{name}", console.look.static, methods=["GET"]),
        _route(console, ("GET", "/{path:path}", _nowhere), signed_in=False),
    ]


def _route(console: Console, row: Row, *, signed_in: bool) -> BaseRoute:
    method, path, handler = row
    return Route(path, Page(console, handler, signed_in=signed_in), methods=[method])


async def _nowhere(visit: Visit) -> Response:
    """Tell a person in a page, and a program in a problem, that there is nothing here."""
    path = str(visit.request.path_params["path"])
    if path.startswith("v1/") or "text/html" not in visit.request.headers.get("accept", ""):
        raise HTTPException(404)
    return message_page(visit, 404, NO_PAGE)


_KEY: Final = "/keys/{key}"

OPEN: Final[Sequence[Row]] = (
    ("GET", "/", signing_in.front),
    ("GET", "/login", signing_in.show_sign_in),
    ("POST", "/login", signing_in.sign_in),
    ("GET", "/login/link/{token}", signing_in.show_link),
    ("POST", "/login/link/{token}", signing_in.use_link),
)
"""The pages for everybody."""

CLOSED: Final[Sequence[Row]] = (
    ("POST", "/logout", signing_in.sign_out),
    ("POST", "/theme", signing_in.choose_theme),
    ("GET", "/keys", listing.show_keys),
    ("GET", "/keys/new", creating.show_new),
    ("POST", "/keys/new", creating.generate),
    ("GET", _KEY, key_pages.show_overview),
    ("GET", f"{_KEY}/permissions", key_pages.show_permissions),
    ("GET", f"{_KEY}/activity", key_pages.show_activity),
    ("GET", f"{_KEY}/edit", editing.show_edit),
    ("POST", f"{_KEY}/edit", editing.save),
    ("GET", f"{_KEY}/duplicate", creating.show_duplicate),
    ("POST", f"{_KEY}/duplicate", creating.duplicate),
    ("GET", f"{_KEY}/disable", key_pages.confirm_disabling),
    ("POST", f"{_KEY}/disable", key_pages.disable),
    ("POST", f"{_KEY}/enable", key_pages.enable),
    ("GET", f"{_KEY}/delete", key_pages.confirm_deleting),
    ("POST", f"{_KEY}/delete", key_pages.delete),
    ("GET", "/permissions", team_pages.show_permissions),
    ("GET", "/activity", activity.show_activity),
    ("GET", "/activity/export.csv", activity.export_csv),
    ("GET", "/activity/export.ndjson", activity.export_ndjson),
    ("GET", "/settings", team_pages.show_settings),
    ("POST", "/settings", team_pages.save_settings),
)
"""The pages for those who are signed in."""
