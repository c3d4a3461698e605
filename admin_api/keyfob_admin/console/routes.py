"""Which page is where."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.exceptions import HTTPException
from starlette.routing import Mount, Route, Router

from keyfob_admin.console import (
    activity,
    bulk_pages,
    handover_pages,
    header_pages,
    invitation_pages,
    key_create,
    key_detail,
    key_edit,
    key_list,
    key_replace,
    people_pages,
    provider_pages,
    search,
    session_pages,
    sign_in_pages,
    team_finder,
    team_pages,
)
from keyfob_admin.console.embedded_page import EmbeddedPage
from keyfob_admin.console.embedding import Embedding
from keyfob_admin.console.endpoint import NO_PAGE, Page, message_page
from keyfob_admin.console.page_request import Console
from keyfob_admin.console.page_session import LEAVE, OPEN_BY_LINK, PageSessionPage, nobody
from keyfob_admin.console.rendering import Renderer
from keyfob_admin.sessions import SignIn, console_of
from keyfob_admin.sign_in.opening import open_header, open_provider
from keyfob_admin.sign_in.page import PageSignIn
from keyfob_admin.sign_in.people import PeopleSignIn
from keyfob_admin.wire.links import PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response
    from starlette.routing import BaseRoute

    from keyfob.runtime.runtime import Runtime
    from keyfob_admin.console.endpoint import Handler
    from keyfob_admin.console.page_request import PageRequest

    Row = tuple[str, str, Handler]  # method, path, and what answers


def console_pages(runtime: Runtime) -> Sequence[BaseRoute]:
    """Make the console's routes, for `build_admin`.

    Raises:
        ConfigError: the store cannot keep sessions, or a way to sign in lacks its extra.
    """
    sign_in = SignIn(runtime)
    people = PeopleSignIn(runtime, sign_in, open_header(runtime.settings.people))
    provider = open_provider(runtime.settings.people, runtime.now)
    console = Console(runtime, sign_in, people, console_of(runtime.store), Renderer(), provider)
    return [Mount(PAGE, _page_of_sessions(runtime, sign_in, people)), *_routes(console, Page, OPEN, CLOSED)]


def _page_of_sessions(runtime: Runtime, sign_in: SignIn, people: PeopleSignIn) -> Router:
    """Make the Keys page for people who come by a link that their application has asked for."""
    console = Console(
        runtime,
        sign_in,
        people,
        console_of(runtime.store),
        Renderer(),
        embedding=Embedding(who=nobody),
        page_sign_in=PageSignIn(runtime, sign_in),
    )
    routes = _routes(console, PageSessionPage, [*OPEN_BY_LINK, *HANDOVER], [LEAVE, *_embedded()])
    return Router(routes, redirect_slashes=False)


def embedded_pages(runtime: Runtime, embedding: Embedding) -> Sequence[BaseRoute]:
    """Make the routes of the Keys page inside an application. Raises ConfigError like `console_pages`."""
    sign_in = SignIn(runtime)
    look = Renderer(embedding.accent_css)
    console = Console(
        runtime, sign_in, PeopleSignIn(runtime, sign_in), console_of(runtime.store), look, None, embedding
    )
    return _routes(console, EmbeddedPage, HANDOVER, _embedded())


def _embedded() -> Sequence[Row]:
    """The pages that an application shows to its own users."""
    return [("GET", "/", sign_in_pages.front), *(row for row in CLOSED if row[1].startswith(_EMBEDDED))]


def _routes(console: Console, page: type[Page], free: Sequence[Row], closed: Sequence[Row]) -> Sequence[BaseRoute]:
    rows = [
        *((row, False) for row in free),
        *((row, True) for row in closed),
        (("GET", "/{path:path}", _nowhere), False),
    ]
    pages = [
        Route(path, page(console, handler, signed_in=signed_in), methods=[method])
        for (method, path, handler), signed_in in rows
    ]
    return [Route("/static/{name}", console.look.static, methods=["GET"]), *pages]


async def _nowhere(page_request: PageRequest) -> Response:
    """Tell a person in a page, and a program in a problem, that there is nothing here."""
    path = str(page_request.request.path_params["path"])
    if path.startswith("v1/") or "text/html" not in page_request.request.headers.get("accept", ""):
        raise HTTPException(404)
    return message_page(page_request, 404, NO_PAGE)


_EMBEDDED: Final = ("/keys", "/find", "/theme", "/activity")  # what an application shows to its own users
_KEY: Final = "/keys/{key}"
_PERSON: Final = "/people/{person}"

HANDOVER: Final[Sequence[Row]] = (
    ("GET", "/handover/{token}", handover_pages.show),
    ("POST", "/handover/{token}", handover_pages.collect),
)
"""The pages for whoever holds a handover link."""

OPEN: Final[Sequence[Row]] = (
    ("GET", "/", sign_in_pages.front),
    ("GET", "/login", sign_in_pages.show_sign_in),
    ("POST", "/login", sign_in_pages.sign_in),
    ("GET", "/login/link/{token}", sign_in_pages.show_link),
    ("POST", "/login/link/{token}", sign_in_pages.use_link),
    ("GET", "/invitation/{token}", invitation_pages.show),
    ("POST", "/invitation/{token}", invitation_pages.join),
    ("GET", "/invitation/{token}/oidc", provider_pages.begin),
    ("GET", "/sign-in/oidc", provider_pages.begin),
    ("POST", "/sign-in/oidc", provider_pages.begin_with_form),
    ("POST", "/invitation/{token}/header", header_pages.sign_in),
    ("POST", "/sign-in/header", header_pages.sign_in),
    ("GET", provider_pages.CALLBACK, provider_pages.come_back),
    *HANDOVER,
)
"""The pages for everybody."""

CLOSED: Final[Sequence[Row]] = (
    ("POST", "/logout", sign_in_pages.sign_out),
    ("GET", "/sessions", session_pages.show),
    ("POST", "/sessions/end", session_pages.end_one),
    ("POST", "/sessions/end-all", session_pages.end_all),
    ("POST", "/theme", sign_in_pages.choose_theme),
    ("GET", "/keys", key_list.show_keys),
    ("GET", "/find", search.lead_to_list),
    ("POST", "/find", search.search),
    ("GET", "/keys/disable", bulk_pages.lead_to_list),
    ("POST", "/keys/disable", bulk_pages.disable_many),
    ("GET", "/keys/new", key_create.show_new),
    ("POST", "/keys/new", key_create.generate),
    ("GET", _KEY, key_detail.show_overview),
    ("GET", f"{_KEY}/permissions", key_detail.show_permissions),
    ("GET", f"{_KEY}/activity", key_detail.show_activity),
    ("GET", f"{_KEY}/edit", key_edit.show_edit),
    ("POST", f"{_KEY}/edit", key_edit.save),
    ("GET", f"{_KEY}/duplicate", key_create.show_duplicate),
    ("POST", f"{_KEY}/duplicate", key_create.duplicate),
    ("GET", f"{_KEY}/disable", key_detail.confirm_disabling),
    ("POST", f"{_KEY}/disable", key_detail.disable),
    ("POST", f"{_KEY}/enable", key_detail.enable),
    ("GET", f"{_KEY}/replace", key_replace.confirm),
    ("POST", f"{_KEY}/replace", key_replace.replace_key),
    ("GET", f"{_KEY}/delete", key_detail.confirm_deleting),
    ("POST", f"{_KEY}/delete", key_detail.delete),
    ("POST", f"{_KEY}/handover", handover_pages.renew),
    ("GET", "/people", people_pages.show_people),
    ("GET", "/people/invite", people_pages.show_invite),
    ("POST", "/people/invite", people_pages.invite),
    ("GET", _PERSON, people_pages.show_person),
    ("POST", f"{_PERSON}/role", people_pages.set_role),
    ("GET", f"{_PERSON}/remove", people_pages.confirm_removal),
    ("POST", f"{_PERSON}/remove", people_pages.remove),
    ("POST", f"{_PERSON}/invite", people_pages.invite_again),
    ("POST", f"{_PERSON}/link", people_pages.new_link),
    ("GET", f"{_PERSON}/offboard", people_pages.confirm_offboarding),
    ("POST", f"{_PERSON}/offboard", people_pages.offboard),
    ("GET", "/teams", team_finder.show_teams),
    ("GET", "/permissions", team_pages.show_permissions),
    ("GET", "/activity", activity.show_activity),
    ("GET", "/activity/export.csv", activity.export_csv),
    ("GET", "/activity/export.ndjson", activity.export_ndjson),
    ("GET", "/settings", team_pages.show_settings),
    ("POST", "/settings", team_pages.save_settings),
)
"""The pages for those who are signed in."""
