"""Which page is where."""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def console_pages(runtime: Runtime) -> Sequence[BaseRoute]:
    """Make the console's routes, for `build_admin`. Raises ConfigError if the store cannot keep sessions."""
    console = Console(runtime, SignIn(runtime), console_of(runtime.store), Look())

    def get(path: str, handler: Handler) -> BaseRoute:
        return Route(path, Page(console, handler), methods=["GET"])

    def post(path: str, handler: Handler) -> BaseRoute:
        return Route(path, Page(console, handler), methods=["POST"])

    def opened(method: str, path: str, handler: Handler) -> BaseRoute:
        return Route(path, Page(console, handler, signed_in=False), methods=[method])

    key = "/keys/{key}"
    return [
        opened("GET", "/", signing_in.front),
        opened("GET", "/login", signing_in.show_sign_in),
        opened("POST", "/login", signing_in.sign_in),
        opened("GET", "/login/link/{token}", signing_in.show_link),
        opened("POST", "/login/link/{token}", signing_in.use_link),
        post("/logout", signing_in.sign_out),
        post("/theme", signing_in.choose_theme),
        get("/keys", listing.show_keys),
        get("/keys/new", creating.show_new),
        post("/keys/new", creating.generate),
        get(key, key_pages.show_overview),
        get(f"{key}/permissions", key_pages.show_permissions),
        get(f"{key}/activity", key_pages.show_activity),
        get(f"{key}/edit", editing.show_edit),
        post(f"{key}/edit", editing.save),
        get(f"{key}/duplicate", creating.show_duplicate),
        post(f"{key}/duplicate", creating.duplicate),
        get(f"{key}/disable", key_pages.confirm_disabling),
        post(f"{key}/disable", key_pages.disable),
        post(f"{key}/enable", key_pages.enable),
        get(f"{key}/delete", key_pages.confirm_deleting),
        post(f"{key}/delete", key_pages.delete),
        get("/permissions", team_pages.show_permissions),
        get("/activity", activity.show_activity),
        get("/activity/export.csv", activity.export_csv),
        get("/activity/export.ndjson", activity.export_ndjson),
        get("/settings", team_pages.show_settings),
        post("/settings", team_pages.save_settings),
        Route("/static/{name}", console.look.static, methods=["GET"]),
        opened("GET", "/{path:path}", _nowhere),
    ]


async def _nowhere(visit: Visit) -> Response:
    """Tell a person in a page, and a program in a problem, that there is nothing here."""
    path = str(visit.request.path_params["path"])
    if path.startswith("v1/") or "text/html" not in visit.request.headers.get("accept", ""):
        raise HTTPException(404)
    return message_page(visit, 404, NO_PAGE)
