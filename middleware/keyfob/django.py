"""For Django: nothing is answered that did not come through Keyfob.

Keyfob stands in ``asgi.py``, around ``get_asgi_application()``. But ``manage.py runserver`` and ``wsgi.py`` do not go
that way. Two lines in the settings close these ways::

    INSTALLED_APPS = [..., "keyfob.django"]
    MIDDLEWARE = ["keyfob.django.RequireKeyfob", ...]

The middleware answers 500 wherever no `keyfob.APIKeyMiddleware` is around the project. The system check stops
``runserver`` and ``manage.py check`` where that middleware is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.core.checks import Error, Tags, register

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.core.checks import CheckMessage
    from django.http import HttpRequest, HttpResponseBase

__all__ = ["RequireKeyfob"]

_MIDDLEWARE = "keyfob.django.RequireKeyfob"
_NOT_AROUND = (
    "this request did not come through Keyfob. Serve asgi.py, with APIKeyMiddleware around get_asgi_application(); "
    "manage.py runserver and wsgi.py go past it"
)


class RequireKeyfob:
    """Middleware that answers no request that Keyfob has not seen. Put it first in ``MIDDLEWARE``."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]) -> None:
        """*get_response* is what Django would ask instead."""
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """Hand *request* on. Raises ConfigError, which Django answers with 500, if Keyfob is not around the project."""
        if "keyfob" not in getattr(request, "scope", {}):
            raise ConfigError(_NOT_AROUND)
        return self._get_response(request)


@register(Tags.security)  # type: ignore[untyped-decorator]  # as soon as INSTALLED_APPS has this module imported
def check_entrances(**_: object) -> list[CheckMessage]:
    """Report a project that would answer without Keyfob under ``runserver`` or ``wsgi.py``."""
    if _MIDDLEWARE in settings.MIDDLEWARE:
        return []
    return [
        Error(
            "manage.py runserver and wsgi.py answer this project's requests without asking for a key.",
            hint=f'Put "{_MIDDLEWARE}" first in MIDDLEWARE, and serve asgi.py.',
            id="keyfob.E001",
        )
    ]
