"""What the configuration says of permissions, key types, plans, rules and new keys, built. Needs no database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.gate.target import Targets
from keyfob.keys.hashing import Argon2Parameters
from keyfob.management.key_issuer import KeyIssuer
from keyfob.policy.catalogue import build_catalogue
from keyfob.rules.compiler import compile_rules, permissions_named
from keyfob.rules.readings import UNKNOWN_ROUTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keyfob.config.settings import Settings
    from keyfob.keyring.keyring import SigningKey
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.policy.catalogue import Catalogue
    from keyfob.rules.readings import Router
    from keyfob.rules.table import RuleTable


def catalogue_of(settings: Settings) -> Catalogue:
    """Build the catalogue that *settings* describe. Raises ConfigError."""
    return build_catalogue(
        permissions=settings.permissions,
        key_types=settings.key_types,
        plans=settings.plans,
        limits=settings.limits,
        rules_named=permissions_named(*settings.rule_sets),
    )


def rules_of(raw: Mapping[str, object], catalogue: Catalogue) -> RuleTable:
    """Compile the rules in *raw*, which may name what *catalogue* has. Raises ConfigError."""
    return compile_rules(raw, known=catalogue.known_to_rules(), key_types=catalogue.key_types, limits=catalogue.limits)


def targets_of(settings: Settings, rules: RuleTable, router: Router = UNKNOWN_ROUTER) -> Targets:
    """Make what finds the rule of a request, as a gate under *settings* finds it."""
    return Targets(
        rules,
        router=router,
        encoded_slash=settings.encoded_slash == "allow",
        path_parameters=settings.path_parameters == "allow",
    )


def issuer_of(settings: Settings, *, signing: Callable[[], SigningKey], pool: Argon2Pool) -> KeyIssuer:
    """Make what issues keys, with the signing key that *signing* returns at that moment."""
    return KeyIssuer(signing, pool, argon2_parameters(settings), settings.prefix, settings.persist_digests)


def argon2_parameters(settings: Settings) -> Argon2Parameters:
    """Read the cost of Argon2id from *settings*."""
    return Argon2Parameters(settings.argon2["memory_kib"], settings.argon2["time"])
