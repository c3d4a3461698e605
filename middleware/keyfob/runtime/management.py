"""What the admin API, the console and the command line ask of a process, made when it is first asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING

from keyfob.management.audit.audit_log import AuditLog
from keyfob.management.authority import RoleAuthority
from keyfob.management.key_finder import KeyFinder
from keyfob.management.key_import import KeyImporter
from keyfob.management.key_listing import KeyListing
from keyfob.management.key_standings import KeyStandings
from keyfob.management.keys import KeyLifecycle
from keyfob.management.people.app_people import AppPeople
from keyfob.management.people.offboarding import Offboard
from keyfob.management.people.page_sessions import PageSessions
from keyfob.management.people.passphrases import Passphrases
from keyfob.management.people.people import People
from keyfob.management.people.person_links import PersonLinks
from keyfob.management.people.provider_sign_in import ProviderSignIn
from keyfob.management.teams import Teams
from keyfob.policy.group_rules import build_group_rules
from keyfob.policy.roles_config import build_roles
from keyfob.propagation.reach import seconds_until_effective, signal_problems, unreached
from keyfob.rules.compiler import limits_named
from keyfob.runtime.configured import argon2_parameters, issuer_of
from keyfob.runtime.explanation import Explainer
from keyfob.runtime.inspection import check_secret
from keyfob.runtime.preview import Previewer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from keyfob.config.settings import Settings
    from keyfob.gate.authenticator import Authenticator
    from keyfob.keyring.active import ActiveKeyring
    from keyfob.keys.foreign import ForeignForms
    from keyfob.keys.hash_pool import Argon2Pool
    from keyfob.limits.outage import RemoteWithFallback, WithFallback
    from keyfob.management.key_issuer import KeyIssuer
    from keyfob.policy.catalogue import Catalogue
    from keyfob.policy.group_rules import GroupRule
    from keyfob.store.contract.key_store import KeyStore
    from keyfob.store.contract.workers import Worker


class ManagedRuntime:
    """The services of `keyfob.management` over the parts that a `keyfob.runtime.runtime.Runtime` has wired."""

    settings: Settings
    store: KeyStore
    keyring: ActiveKeyring
    catalogue: Catalogue
    pool: Argon2Pool
    foreign_forms: ForeignForms | None
    authenticator: Authenticator
    counter: WithFallback | RemoteWithFallback | None

    @property
    def prefix(self) -> str:
        """What keys begin with."""
        return self.settings.prefix

    @cached_property
    def issuer(self) -> KeyIssuer:
        """Makes new keys as the settings say."""
        return issuer_of(self.settings, signing=self.keyring.signing, pool=self.pool)

    @cached_property
    def lifecycle(self) -> KeyLifecycle:
        """What can be done with keys."""
        settings = self.settings
        staleness = settings.max_staleness + settings.max_stale_on_outage
        return KeyLifecycle(
            self.store,
            self.issuer,
            self.catalogue,
            now=self.now,
            max_staleness=staleness,
            authority=self.authority,
        )

    @cached_property
    def standings(self) -> KeyStandings:
        """Where the limits of keys stand."""
        listing = KeyListing(self.store, self.catalogue, self.now, self.prefix)
        named = limits_named(*self.settings.rule_sets)
        return KeyStandings(listing, self.catalogue, self.counter, self.store.quotas, of_rules=named, now=self.now)

    @cached_property
    def finder(self) -> KeyFinder:
        """Finds keys in pasted texts."""
        check = partial(check_secret, self.authenticator)
        return KeyFinder(self.store, check, prefix=self.settings.prefix, now=self.now, forms=self.foreign_forms)

    @cached_property
    def importer(self) -> KeyImporter:
        """Imports keys that another product issued."""
        return KeyImporter(self.store, self.catalogue, self.now)

    @cached_property
    def teams(self) -> Teams:
        """What can be done with teams."""
        return Teams(self.store, self.catalogue, self.now)

    @cached_property
    def authority(self) -> RoleAuthority:
        """What people may do. Raises ConfigError for wrong roles."""
        roles, ways = build_roles(self.settings.roles, self.catalogue), self.settings.people.sign_in
        return RoleAuthority(roles, self.catalogue, self.keyring.trusted, ways)

    @cached_property
    def group_rules(self) -> tuple[GroupRule, ...]:
        """Which roles groups have. Raises ConfigError for a wrong entry."""
        return build_group_rules(self.settings.memberships, self.authority.roles)

    def check_people(self) -> None:
        """Raise ConfigError for wrong roles or memberships, before somebody needs them."""
        _ = self.authority, self.group_rules

    @cached_property
    def person_links(self) -> PersonLinks:
        """The one-time links of people."""
        return PersonLinks(self.store, self.authority, signing=self.keyring.signing, now=self.now)

    @cached_property
    def people(self) -> People:
        """What can be done with people."""
        return People(self.store, self.authority, self.person_links, self.now)

    @cached_property
    def provider_sign_in(self) -> ProviderSignIn:
        """How people sign in by a provider's or a proxy's word."""
        return ProviderSignIn(self.store, self.authority, self.group_rules, self.now)

    @cached_property
    def app_people(self) -> AppPeople:
        """The users of an application that shows them the Keys page."""
        return AppPeople(self.store, self.authority, self.teams, self.now)

    @cached_property
    def page_sessions(self) -> PageSessions:
        """The links to the Keys page for users of an application that is not Python."""
        allowed = self.settings.page.return_urls
        return PageSessions(
            self.store, self.app_people, self.authority, allowed, signing=self.keyring.signing, now=self.now
        )

    @cached_property
    def passphrases(self) -> Passphrases:
        """How local people sign in."""
        return Passphrases(self.store, self.authority, self.pool, argon2_parameters(self.settings), self.now)

    @cached_property
    def offboarding(self) -> Offboard:
        """How people leave."""
        return Offboard(self.store, self.authority, self.now)

    @cached_property
    def audit_log(self) -> AuditLog:
        """What was done."""
        return AuditLog(self.store, prefix=self.settings.prefix)

    @cached_property
    def explainer(self) -> Explainer:
        """Why a request was refused, or would be."""
        return Explainer(self.store, self.catalogue, self.settings, self.now, self.standings)

    def previewer(self, *more_rules: Mapping[str, object]) -> Previewer:
        """Tells what a change would have refused, by the rules of the configuration and *more_rules*."""
        return Previewer(self.store, self.lifecycle, self.catalogue, self.settings, self.now, more_rules=more_rules)

    async def seconds_until_effective(self) -> float:
        """How long some worker may still go by the state before a change that was just made."""
        return await seconds_until_effective(self.store, self.settings.max_staleness)

    async def unreached(self) -> Sequence[Worker]:
        """The workers that a change does not reach immediately. Raises StoreUnavailable."""
        return await unreached(self.store)

    async def signal_problems(self) -> list[str]:
        """Why changes are not immediate on this host. Raises StoreUnavailable."""
        return await signal_problems(self.store)

    @staticmethod
    def now() -> datetime:
        """The time, in UTC."""
        return datetime.now(UTC)
