"""Makes the ways to sign in that the settings name. Only here is what a provider needs loaded, the extra ``oidc``."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from keyfob.config.people import HEADER, OIDC
from keyfob.errors import ConfigError
from keyfob_admin.sign_in.header import HeaderSignIn

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from keyfob.config.people import OidcSettings, PeopleSettings
    from keyfob_admin.sign_in.oidc import Provider

_NEEDED = ("httpx", "joserfc")


def open_provider(settings: PeopleSettings, now: Callable[[], datetime]) -> Provider | None:
    """Make the provider, without asking it anything yet; None if people do not sign in by one. Raises ConfigError."""
    if OIDC not in settings.sign_in or settings.oidc is None:
        return None
    if any(find_spec(package) is None for package in _NEEDED):
        raise ConfigError('[people] sign_in names "oidc", which needs an extra: pip install "keyfob[oidc]"')
    from keyfob_admin.sign_in.oidc import Provider  # noqa: PLC0415 - few need it

    return Provider(settings.oidc, _secret(settings.oidc), now=now)


def open_header(settings: PeopleSettings) -> HeaderSignIn | None:
    """Make the reader of the proxy's headers; None if people do not sign in by them. Raises ConfigError."""
    return HeaderSignIn(settings.header) if HEADER in settings.sign_in and settings.header is not None else None


def _secret(settings: OidcSettings) -> str:
    if settings.client_secret is not None or settings.client_secret_file is None:
        return settings.client_secret or ""
    path = settings.client_secret_file
    try:
        secret = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise ConfigError(f"[people.oidc] client_secret_file {path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError:
        secret = ""
    if not secret or not secret.isprintable():
        raise ConfigError(f"[people.oidc] client_secret_file {path} must hold the secret alone, in one line of ASCII")
    return secret
