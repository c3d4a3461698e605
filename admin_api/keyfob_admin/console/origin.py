"""Where the browser thinks it is: scheme, host and prefix; which cookies are safe there; whose requests to believe."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from keyfob.config.settings import AdminSettings

SESSION: Final = "keyfob_session"
PAGE_SESSION: Final = "keyfob_page"  # of the Keys page for an application's user; the console's comes along to its path
BROWSER: Final = "keyfob_browser"  # ties the sign-in form to the browser that asked for it
ATTEMPT: Final = "keyfob_attempt"  # to sign in at a provider, which leads back from another site: Lax
KEPT_FORM: Final = "keyfob_form"  # what was entered when the session ended, on the way to the provider: Lax, too
THEME: Final = "keyfob_theme"
HOST_ONLY: Final = "__Host-"  # RFC 6265bis, section 4.1.3.2: Secure, of this host alone, for all of its paths
SECURE: Final = "__Secure-"  # RFC 6265bis, section 4.1.3.1: Secure; the only safe name for a cookie of one path
_LOCAL_V4: Final = re.compile(r"127(\.[0-9]{1,3}){3}\Z")
_SAME_PLACE: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*\Z")  # printable ASCII, no backslash, never two slashes in front
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


@dataclass(frozen=True, slots=True)
class Origin:
    """One request's idea of the console's address. *prefix* is where the console is mounted, without a last slash."""

    scheme: str
    host: str  # with its port
    prefix: str
    insecure_allowed: bool
    public: str | None = None  # the origin of ``[admin] url``; a proxy may send another Host than the browser did

    @classmethod
    def of(cls, request: Request, settings: AdminSettings) -> Origin:
        """Tell the place. Behind a proxy that ends TLS, ``[admin] url`` says what the browser sees."""
        host = request.headers.get("host", "").lower()
        public = urlsplit(settings.url or "")
        scheme = str(request.scope["scheme"])
        if public.netloc and _plain(public.scheme, public.netloc.lower()) == _plain(public.scheme, host):
            scheme = public.scheme
        prefix = str(request.scope.get("root_path", "")).rstrip("/")
        origin = f"{public.scheme}://{_plain(public.scheme, public.netloc.lower())}" if public.netloc else None
        return cls(scheme, host, prefix, settings.insecure_cookies, origin)

    @property
    def origin(self) -> str:
        """What browsers send as Origin from here (RFC 6454, section 6.2)."""
        return f"{self.scheme}://{_plain(self.scheme, self.host)}"

    @property
    def is_secure(self) -> bool:
        """Whether the browser talks TLS."""
        return self.scheme == "https"

    @property
    def is_local(self) -> bool:
        """Whether nothing leaves the machine, so that plain http is as good."""
        name = re.sub(r":[0-9]+\Z", "", self.host)
        return name in {"localhost", "[::1]"} or name.endswith(".localhost") or _LOCAL_V4.match(name) is not None

    @property
    def may_sign_in(self) -> bool:
        """Whether an admin key and a session's cookie may travel here."""
        return self.is_secure or self.is_local or self.insecure_allowed

    def url(self, path: str) -> str:
        """The address of *path* of the console."""
        return self.prefix + path

    def cookie(self, request: Request, name: str) -> str:
        """Read a cookie. The plain name is only believed where the safe one cannot be set."""
        return request.cookies.get(self._cookie_name(name), "")

    def set_cookie(
        self,
        response: Response,
        name: str,
        value: str,
        *,
        seconds: int | None = None,
        same_site: Literal["strict", "lax"] = "strict",
    ) -> None:
        """Give the browser a cookie that scripts and other sites don't get; an empty one is taken away."""
        response.set_cookie(
            self._cookie_name(name),
            value,
            max_age=seconds if value else 0,
            path=self.prefix or "/",
            secure=self.is_secure,
            httponly=True,
            samesite=same_site,
        )

    def is_from_here(self, request: Request) -> bool:
        """Whether a page of this place sent the request, as far as the browser says. The form's token decides the rest.

        A page without referrer sends ``Origin: null`` even to itself, so that alone proves nothing.
        """
        site = request.headers.get("sec-fetch-site")
        if site is not None:
            return site == "same-origin"
        origin = request.headers.get("origin", "null")
        return origin in {"null", self.origin, self.public}

    def _cookie_name(self, name: str) -> str:
        if not self.is_secure:
            return name
        return (SECURE if self.prefix else HOST_ONLY) + name


def safe_next(text: str) -> str:
    """*text* if it is a path inside the console, and else the front page: never another site."""
    return text if _SAME_PLACE.match(text) else "/keys"


def _plain(scheme: str, host: str) -> str:
    return host.removesuffix(_DEFAULT_PORTS.get(scheme, ":"))
