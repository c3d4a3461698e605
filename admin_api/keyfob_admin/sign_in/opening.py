"""Makes the provider that the settings name. What it needs is the extra ``oidc``, and loaded only here."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from keyfob.config.people import OIDC
from keyfob.errors import ConfigError

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
