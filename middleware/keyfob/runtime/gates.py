"""Makes the gates of one process: each with rules of its own, all over what the process knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.gate.credentials import CredentialReader
from keyfob.gate.gate import Gate
from keyfob.runtime.configured import rules_of
from keyfob.runtime.rate_limits import rate_limiter_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.gate.client_address import ClientAddress
    from keyfob.rules.readings import Router
    from keyfob.runtime.runtime import Runtime


def build_gate(
    runtime: Runtime,
    rules: Mapping[str, object],
    addresses: ClientAddress,
    *,
    router: Router,
    path_parameters: bool,
    credentials: CredentialReader | None,
) -> Gate:
    """Make a gate. `Runtime.gate` says what the arguments are. Raises ConfigError."""
    settings, catalogue = runtime.settings, runtime.catalogue
    return Gate(
        rules=rules_of(rules, catalogue),
        addresses=addresses,
        key_cache=runtime.key_cache,
        freshness=runtime.freshness,
        authenticator=runtime.authenticator,
        usage=runtime.usage,
        stats=runtime.stats,
        router=router,
        encoded_slash=settings.encoded_slash == "allow",
        path_parameters=path_parameters and settings.path_parameters == "allow",
        allow_preflight=settings.allow_preflight,
        forward_credential=settings.forward_credential,
        credentials=credentials or _credentials(runtime),
        rate_limiter=rate_limiter_of(settings, catalogue, runtime.counter, runtime.quotas, runtime.near_limits),
    )


def _credentials(runtime: Runtime) -> CredentialReader:
    settings, forms = runtime.settings, runtime.foreign_forms
    return CredentialReader(
        settings.prefix,
        headers=settings.credential_headers,
        schemes=settings.authorization_schemes,
        is_foreign_key=forms.fits if forms else None,
    )
