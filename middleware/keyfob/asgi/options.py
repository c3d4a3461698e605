"""The keyword settings of `keyfob.APIKeyMiddleware`, for type checkers. `keyfob.config.settings` has the defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from starlette.types import Scope

    from keyfob.asgi.refusal import Refusal
    from keyfob.gate.verdict import Denied


class Options(TypedDict, total=False):
    """Every setting; each has the same name in the file."""

    store: str  # "sqlite:///keyfob.db" or "postgresql://user@host/db"
    keyring: str | Path
    rules: Mapping[str, Any]
    permissions: Mapping[str, str] | Sequence[str]
    key_types: Mapping[str, Mapping[str, Any]]
    plans: Mapping[str, Any]
    limits: Mapping[str, Mapping[str, Any]]
    prefix: str
    trusted_proxies: Sequence[str]
    client_ip_header: str
    forwarded_scheme: bool
    max_staleness: float  # seconds
    max_stale_on_outage: float  # seconds
    usage_interval: float  # seconds
    cache_size: int  # keys
    argon2_threads: int
    argon2: Mapping[str, int]  # memory_kib, time
    realm: str
    forward_credential: bool
    allow_preflight: bool
    mode: Literal["enforce", "observe"]
    close_on_revoke: bool
    starlette_user: bool | Literal["auto"]
    background: bool
    persist_digests: bool
    encoded_slash: Literal["refuse", "allow"]
    path_parameters: Literal["refuse", "allow"]
    app_prefix: str
    announce_replacement: bool
    credential_headers: Sequence[str]
    authorization_schemes: Sequence[str]
    limits_store: str  # "local" or "valkey://host:6379/0"
    limits_file: str | Path  # needed for "local" with PostgreSQL
    limits_on_outage: Literal["local", "open", "closed"]
    limits_mode: Literal["enforce", "observe"]
    ratelimit_headers: Literal["always", "refusals", "never"]
    on_denied: Callable[[Denied], object]
    on_refusal: Callable[[Refusal, Scope], object]
