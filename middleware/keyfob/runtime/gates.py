"""Makes the gates of one process: each with rules of its own, all over what the process knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from keyfob.gate.credentials import CredentialReader
from keyfob.gate.gate import Gate
from keyfob.runtime.configured import rules_of
from keyfob.runtime.rate_limits import rate_limiter_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.config.settings import Settings
    from keyfob.gate.authenticator import Authenticator
    from keyfob.gate.client_address import ClientAddress
    from keyfob.gate.key_cache import KeyCache
    from keyfob.gate.near_limits import NearLimits
    from keyfob.gate.stats import Stats
    from keyfob.gate.usage import Usage
    from keyfob.keys.foreign import ForeignForms
    from keyfob.limits.outage import RemoteWithFallback, WithFallback
    from keyfob.limits.quota_book import QuotaBook
    from keyfob.policy.catalogue import Catalogue
    from keyfob.propagation.freshness import Freshness
    from keyfob.rules.readings import Router


class Parts(Protocol):
    """What all gates of a process share: the parts of `keyfob.runtime.runtime.Runtime` of these names."""

    settings: Settings
    catalogue: Catalogue
    key_cache: KeyCache
    freshness: Freshness
    authenticator: Authenticator
    usage: Usage
    stats: Stats
    counter: WithFallback | RemoteWithFallback | None
    quotas: QuotaBook
    near_limits: NearLimits
    foreign_forms: ForeignForms | None


def build_gate(
    parts: Parts,
    rules: Mapping[str, object],
    addresses: ClientAddress,
    *,
    router: Router,
    path_parameters: bool,
    credentials: CredentialReader | None,
) -> Gate:
    """Make a gate. `Runtime.gate` says what the arguments are. Raises ConfigError."""
    settings, catalogue = parts.settings, parts.catalogue
    return Gate(
        rules=rules_of(rules, catalogue),
        addresses=addresses,
        key_cache=parts.key_cache,
        freshness=parts.freshness,
        authenticator=parts.authenticator,
        usage=parts.usage,
        stats=parts.stats,
        router=router,
        encoded_slash=settings.encoded_slash == "allow",
        path_parameters=path_parameters and settings.path_parameters == "allow",
        allow_preflight=settings.allow_preflight,
        forward_credential=settings.forward_credential,
        credentials=credentials or _credentials(parts),
        rate_limiter=rate_limiter_of(settings, catalogue, parts.counter, parts.quotas, parts.near_limits),
    )


def _credentials(parts: Parts) -> CredentialReader:
    settings, forms = parts.settings, parts.foreign_forms
    return CredentialReader(
        settings.prefix,
        headers=settings.credential_headers,
        schemes=settings.authorization_schemes,
        is_foreign_key=forms.fits if forms else None,
    )
