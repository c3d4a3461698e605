"""Whether people can sign in at the identity provider that is configured."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from keyfob.errors import ProviderUnavailable
from keyfob_admin.cli.doctor.findings import FAIL, OK, Finding
from keyfob_admin.cli.times import now
from keyfob_admin.sign_in.attempt import Attempt
from keyfob_admin.sign_in.opening import open_provider

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyfob.config.settings import Settings


def provider(settings: Settings) -> Iterator[Finding]:
    """Ask the provider to describe itself, as the first sign-in does."""
    found = open_provider(settings.people, now)
    if found is None or settings.people.oidc is None:
        return
    issuer = settings.people.oidc.issuer
    try:
        asyncio.run(found.address(Attempt.new(None, "/keys"), issuer))
    except ProviderUnavailable as error:
        fix = f"see whether {issuer} answers from here; other ways to sign in, and every key, go on working"
        yield Finding(FAIL, "provider", str(error), fix)
    else:
        yield Finding(OK, "provider", f"people can sign in at {issuer}")
