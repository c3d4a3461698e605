"""One request for a page, as its handler sees it."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlencode

from starlette.responses import RedirectResponse

from keyfob.keys.format import display, key_id_of
from keyfob.policy.key_types import KeyType
from keyfob.policy.permissions import covers
from keyfob_admin.console.browsers import browser_in_words
from keyfob_admin.console.form import Form
from keyfob_admin.console.origin import BROWSER, PAGE_SESSION, SESSION, THEME
from keyfob_admin.console.rendering import HEADERS

if TYPE_CHECKING:
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from keyfob.keys.record import KeyRecord, State, Team
    from keyfob.management.actor import Actor
    from keyfob.people.claims import Claims
    from keyfob.runtime.runtime import Runtime
    from keyfob.store.contract.console import ConsoleStore
    from keyfob_admin.console.embedding import Embedding
    from keyfob_admin.console.origin import Origin
    from keyfob_admin.console.rendering import Renderer
    from keyfob_admin.console.review_counts import Counted
    from keyfob_admin.sessions import SignedIn, SignIn
    from keyfob_admin.sign_in.oidc import Provider
    from keyfob_admin.sign_in.page import PageSignIn
    from keyfob_admin.sign_in.people import PeopleSignIn

THEMES: Final = ("system", "light", "dark")
MOST_TEAMS: Final = 10  # in the menu; the others are found by name


@dataclass(frozen=True, slots=True)
class Console:
    """What all pages share."""

    runtime: Runtime
    sign_in: SignIn
    people: PeopleSignIn
    store: ConsoleStore
    look: Renderer
    provider: Provider | None = None  # where people sign in
    embedding: Embedding | None = None  # where an application shows the page to its own users
    page_sign_in: PageSignIn | None = None  # where they come by a link that the application asked for
    counted: dict[tuple[str, str | None], Counted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageRequest:
    """A request, by whom, for which team, from which place. On the sign-in pages nobody is signed in."""

    request: Request
    console: Console
    place: Origin
    form: Form = field(default_factory=Form)
    signed_in: SignedIn | None = None
    team_or_none: Team | None = None
    browser: str = ""  # what forms inside an application are bound to
    teams: tuple[Team, ...] = ()  # those to switch between; empty where there is no choice

    @property
    def runtime(self) -> Runtime:
        """The running installation."""
        return self.console.runtime

    @property
    def embedding(self) -> Embedding | None:
        """How an application shows this page to its own users; None in the console."""
        return self.console.embedding

    @property
    def now(self) -> datetime:
        """The time, in UTC."""
        return self.runtime.now()

    @property
    def who(self) -> SignedIn:
        """The session. Only pages that need one ask."""
        return cast("SignedIn", self.signed_in)

    @property
    def actor(self) -> Actor:
        """Who acts."""
        return self.who.actor if self.team_or_none is None else self.who.actor_in(self.team_or_none.id)

    def lacks(self, permission: str) -> str | None:
        """Why something cannot be done that needs *permission*; None if it can."""
        held = covers(self.actor.permissions, permission)
        return None if held else f"{self.holder} doesn't hold {permission}, which this needs."

    @property
    def holder(self) -> str:
        """What the permissions of whoever is signed in come from."""
        return "Your role" if self.signed_in is not None and self.signed_in.person is not None else "Your admin key"

    @property
    def team(self) -> Team:
        """The team that is looked at."""
        return cast("Team", self.team_or_none)

    @property
    def key_id(self) -> str:
        """The key that the path names, by its id or as displayed; empty for a whole key, which has no place there."""
        written = str(self.request.path_params["key"])
        key_id = key_id_of(written, self.runtime.prefix) or ""
        return key_id if written.endswith(key_id) else ""

    @property
    def ip(self) -> str | None:
        """Where the request came from."""
        return self.runtime.client_ip(self.request.scope)

    @property
    def user_agent(self) -> str | None:
        """The browser in words."""
        return browser_in_words(self.request.headers.get("user-agent", ""))

    @property
    def proxied(self) -> Claims | None:
        """Whom the headers of the proxy in front name; None where people do not sign in by them."""
        return self.console.people.proxied(self.request.scope, self.ip)

    @property
    def form_token(self) -> str:
        """What this browser's forms must carry: bound to the session, or else to the browser."""
        if self.signed_in is not None:
            return self.signed_in.csrf.hex()
        browser = self.place.cookie(self.request, BROWSER)
        return self.browser_token(browser) if browser else ""

    @property
    def session_token(self) -> str:
        """What the session's cookie holds."""
        return self.place.cookie(self.request, SESSION)

    @property
    def page_token(self) -> str:
        """What the cookie of a session of the Keys page alone holds."""
        return self.place.cookie(self.request, PAGE_SESSION)

    @property
    def return_url(self) -> str | None:
        """Where the Keys page leads back to; None for what is no page of its own."""
        return None if self.signed_in is None else self.signed_in.session.return_url

    @property
    def theme(self) -> str:
        """Light, dark, or what the system says."""
        chosen = self.place.cookie(self.request, THEME)
        return chosen if chosen in THEMES else THEMES[0]

    @property
    def here(self) -> str:
        """This page's path inside the console, for forms that lead back; a page that only a POST made has its GET."""
        asked = self.request.url
        inside = asked.path.removeprefix(self.place.prefix)
        return f"{inside}?{asked.query}" if asked.query else inside

    def browser_token(self, browser: str) -> str:
        """The token of a form for a browser without a session."""
        key = self.runtime.keyring.signing().csrf_key
        return hmac.new(key, browser.encode(), hashlib.sha256).hexdigest()

    def asked(self, name: str) -> str | None:
        """One value of the query, without blanks around it; None where it is missing or empty."""
        return self.request.query_params.get(name, "").strip() or None

    def display(self, record: KeyRecord) -> str:
        """A key without its secret, as people see it."""
        return display(record.key_type, record.id, self.runtime.prefix)

    def state(self, record: KeyRecord) -> State:
        """What *record* is shown as now."""
        return self.runtime.lifecycle.state(record)

    def type_of(self, record: KeyRecord) -> KeyType:
        """The type of *record*. Keys of one that the configuration no longer has hold what they hold."""
        name = record.key_type
        return self.runtime.catalogue.key_types.get(name) or KeyType(name, name, permissions=record.permissions)

    def url(self, path: str, **query: object) -> str:
        """The address of a page, in the team that is looked at."""
        other = self.team_or_none is not None and self.signed_in is not None and self.team.id != self.signed_in.team
        asked = {"team": self.team.id if other else None, **query}
        return self.place.url(path) + _query(asked)

    @property
    def teams_in_menu(self) -> tuple[Team, ...]:
        """The first of the teams to switch between, and the one that is looked at."""
        first = self.teams[:MOST_TEAMS] if self.embedding is None else self.teams
        return first if self.team_or_none in first else (*first, *(t for t in self.teams if t == self.team_or_none))

    def team_url(self, team: Team, path: str) -> str:
        """The address of a page in another team."""
        return self.place.url(path) + _query({"team": team.id})

    def key_url(self, key_id: str, page: str = "", **query: object) -> str:
        """The address of one of a key's pages; the key says which team it is."""
        return self.place.url(f"/keys/{key_id}{page}") + _query(query)

    def goes_to(self, address: str) -> Response:
        """Send the browser on, with GET."""
        return RedirectResponse(address, 303, HEADERS)

    def page(self, template: str, status: int = 200, **context: Any) -> Response:  # noqa: ANN401 - whatever it shows
        """Write a page."""
        return self.console.look.page(template, status, {"visit": self, "team": self.team_or_none, **context})


def _query(values: dict[str, object]) -> str:
    given = {name: value for name, value in values.items() if value not in {None, ""}}
    return f"?{urlencode(given)}" if given else ""
