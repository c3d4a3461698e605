"""What `keyfob doctor` looks at. Each check gives findings, and none of them changes anything."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError, KeyfobError
from keyfob.keyring.file import is_private
from keyfob.keyring.states import SigningKeyState
from keyfob.keys.foreign import ForeignForms
from keyfob.management.keyring_rotation import KeyringRotation
from keyfob.management.keys import KeySearch
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.notices.signing import read_secret
from keyfob.policy.group_rules import build_group_rules
from keyfob.policy.permissions import covers
from keyfob.policy.roles_config import build_roles
from keyfob.rules.compiler import permissions_named
from keyfob.rules.overlaps import overlapping_rules
from keyfob.runtime.configured import catalogue_of, rules_of
from keyfob.store.contract.key_store import EventQuery
from keyfob.store.sqlite import admin as sqlite_admin
from keyfob.store.sqlite.store import SQLiteStore
from keyfob_admin.cli.context import needed_settings, open_context
from keyfob_admin.cli.doctor.django import GUARD, open_entrances
from keyfob_admin.cli.doctor.files import database_file, is_open, repair_of, signal, sqlite_path, writing
from keyfob_admin.cli.doctor.findings import FAIL, OK, WARN, Finding
from keyfob_admin.cli.doctor.limits import limits
from keyfob_admin.cli.doctor.policy import key_policies
from keyfob_admin.cli.doctor.provider import provider
from keyfob_admin.cli.doctor.quotas import quotas
from keyfob_admin.cli.doctor.workers import workers
from keyfob_admin.cli.exit_codes import Fault, finding_of
from keyfob_admin.cli.output import moment
from keyfob_admin.cli.times import now
from keyfob_admin.forward_auth import check_rules

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from keyfob.config.settings import Settings
    from keyfob_admin.cli.context import CliContext

WRITTEN_AT = datetime(2025, 1, 1, tzinfo=UTC)  # no clock that is right says something earlier
EVERYBODY = frozenset({"0.0.0.0/0", "::/0"})


def examine() -> list[Finding]:
    """Look at everything that can be looked at."""
    try:
        settings = needed_settings()
    except (KeyfobError, Fault) as error:
        return [Finding(FAIL, "configuration", finding_of(error))]
    findings = [Finding(OK, "configuration", str(settings.path or "from the environment")), *_settings(settings)]
    for look in (_rules, _gateways, _people, _foreign, _notices, _django, provider, _keyring_file, database_file):
        findings += _carefully(look, settings)
    findings += asyncio.run(_installation(settings))
    once: dict[tuple[str, str], Finding] = {}
    for finding in findings:  # of two that are the same the first says what to do
        once.setdefault((finding.level, finding.detail), finding)
    return list(once.values())


def _carefully(look: Callable[[Settings], Iterator[Finding]], settings: Settings) -> list[Finding]:
    """Run one check; what it trips over is its finding."""
    try:
        return list(look(settings))
    except (KeyfobError, OSError) as error:
        return [Finding(FAIL, look.__name__.strip("_").replace("_file", ""), finding_of(error))]


def _settings(settings: Settings) -> Iterator[Finding]:
    """Find settings that work, but that somebody should know of."""
    if settings.mode == "observe":
        yield Finding(WARN, "configuration", "requests are only observed, none is refused", 'set mode = "enforce"')
    if settings.admin.insecure_cookies:
        yield Finding(WARN, "configuration", "the console signs in over plain http", "set insecure_cookies = false")
    if EVERYBODY & set(settings.trusted_proxies):
        yield Finding(WARN, "configuration", "every client may say its own address", "narrow trusted_proxies")
    has_password = sqlite_path(settings) is None and settings.store != settings.shown_store
    if has_password and settings.path and is_open(settings.path):
        fix = f"chmod 600 {settings.path}, or set KEYFOB_STORE_URL instead"
        yield Finding(WARN, "configuration", "others can read the password of the store's url", fix)


def _rules(settings: Settings) -> Iterator[Finding]:
    """Check that the rules can be understood, and name what can be granted."""
    catalogue = catalogue_of(settings)
    table = rules_of(settings.rules, catalogue)
    if not any(settings.rule_sets):
        yield Finding(WARN, "rules", "there are none, so every request is refused", "write them under [rules]")
        return
    named = permissions_named(*settings.rule_sets)
    count = sum(map(len, settings.rule_sets))
    yield Finding(OK, "rules", f"{_count(count, 'rule')} for {_count(len(named), 'permission')}, all known")
    for pair in overlapping_rules(table.rules):
        fix = (
            "nothing, if a path that both match shall need what both need; else make one template lie inside the other"
        )
        yield Finding(WARN, "rules", f"{pair} overlap", fix)
    shared = [f'"{rule.text}"' for rule in table.rules if rule.otherwise_app]
    if shared:
        fix = "nothing, if each of these routes asks who is signed in; else take out otherwise"
        yield Finding(WARN, "rules", f"without a key, the application judges by itself: {', '.join(shared)}", fix)
    idle = [name for name in catalogue.permissions if name not in named]
    if idle:
        fix = "take them out of [permissions], unless your application asks for them itself"
        yield Finding(WARN, "rules", f"no rule asks for {', '.join(idle[:5])}{' and more' if idle[5:] else ''}", fix)


def _gateways(settings: Settings) -> Iterator[Finding]:
    """Check the policies of forward-auth."""
    for name, policy in settings.forward_auth.items():
        check_rules(name, policy.rules, catalogue_of(settings))
        what = f"gateway {name}"
        if EVERYBODY & set(policy.trusted_proxies):
            fix = f"name your gateway in trusted_proxies of [forward_auth.{name}]"
            yield Finding(WARN, what, "everybody may say what was asked for, and from where", fix)
        yield Finding(OK, what, f"asks at /v1/forward-auth/{name}, from {', '.join(policy.trusted_proxies)}")


def _people(settings: Settings) -> Iterator[Finding]:
    """Check what `keyfob serve` needs to know of roles and groups before it starts."""
    roles = build_roles(settings.roles, catalogue_of(settings))
    build_group_rules(settings.memberships, roles)
    yield from ()


def _foreign(settings: Settings) -> Iterator[Finding]:
    """Check the forms of other products' keys."""
    ForeignForms(settings.foreign, settings.prefix)
    yield from ()


def _notices(settings: Settings) -> Iterator[Finding]:
    """Check the files without which `keyfob serve` does not start, or sends no e-mail."""
    for receiver in settings.notices:
        if receiver.secret_file is not None:
            read_secret(receiver.secret_file)
    password = settings.smtp.password_file
    if password is not None and any(receiver.email for receiver in settings.notices):
        try:
            password.read_text(encoding="ascii")
        except ValueError:
            fix = "write it in ASCII: SMTP sends no other characters"
            yield Finding(WARN, "notices", f"{password} holds a password that cannot be sent", fix)


def _django(settings: Settings) -> Iterator[Finding]:
    """Look for a Django project beside the configuration, or here, that can be served past Keyfob."""
    folders = {Path.cwd(), *([settings.path.absolute().parent] if settings.path else [])}
    for manage, past in open_entrances(sorted(folders)):
        detail = f"asgi.py has Keyfob around it, but {past} and `{manage.name} runserver` answer without a key"
        fix = f'put "{GUARD}" first in MIDDLEWARE, so that nothing is answered past Keyfob'
        yield Finding(WARN, "django", detail, fix)


def _keyring_file(settings: Settings) -> Iterator[Finding]:
    """Check where the keyring comes from; what is in it is judged with the database."""
    if settings.keyring is None:
        source = "from KEYFOB_KEYRING_DATA" if settings.keyring_data else "none is named"
        yield Finding(
            OK if settings.keyring_data else FAIL,
            "keyring",
            source,
            "" if settings.keyring_data else "set KEYFOB_KEYRING",
        )
        return
    if not settings.keyring.exists():
        fix = "put your copy there; `keyfob init` writes one for a new installation"
        yield Finding(FAIL, "keyring", f"{settings.keyring} is missing", fix)
        return
    if settings.keyring.is_dir():
        detail = (
            f"{settings.keyring} is a folder, as container runtimes make one where a file that they mount is missing"
        )
        yield Finding(FAIL, "keyring", detail, "remove it, and put your copy of the keyring there")
        return
    if not is_private(settings.keyring.stat()):
        yield Finding(FAIL, "keyring", f"{settings.keyring} is open to others", f"chmod 600 {settings.keyring}")
        return
    if not os.access(settings.keyring, os.R_OK):
        fix = f"give this account the right to: chown $(id -u) {settings.keyring}; chmod 600 {settings.keyring}"
        yield Finding(FAIL, "keyring", f"{settings.keyring} cannot be read by this account", fix)
        return
    yield Finding(OK, "keyring", f"{settings.keyring} is yours alone")


async def _installation(settings: Settings) -> list[Finding]:
    """Open the installation and look at what only it knows."""
    findings: list[Finding] = []
    try:
        async with open_context(settings) as context:
            for look in _LOOKS:
                findings += [finding async for finding in look(context)]
    except (KeyfobError, OSError) as error:
        what = "keyring" if isinstance(error, ConfigError) and "keyring" in str(error) else "database"
        findings.append(Finding(FAIL, what, finding_of(error), repair_of(settings, error)))
    return findings


async def _signing_keys(context: CliContext) -> AsyncIterator[Finding]:
    """Compare the keyring with what the database knows of it. That all active entries are here was seen on opening."""
    marks = {mark.char: mark for mark in (await context.store.changes(None)).keyring}
    entries = context.keyring.entries()
    active = [char for char, mark in marks.items() if mark.state is SigningKeyState.ACTIVE]
    yield Finding(OK, "keyring", f"{len(active)} active ({', '.join(sorted(active))}), fingerprints as in the database")
    new = sorted(set(entries) - set(marks))
    if new:
        fix = "copy the file to every server, then `keyfob keyring activate`"
        yield Finding(WARN, "keyring", f"{', '.join(new)} is not activated", fix)
    lost = sorted(char for char, mark in marks.items() if mark.state is SigningKeyState.LOST)
    if lost:
        fix = "replace the keys that carry it, then `keyfob keyring retire`"
        yield Finding(WARN, "keyring", f"{', '.join(lost)} is lost: forged keys cost a hash", fix)


async def _schema(context: CliContext) -> AsyncIterator[Finding]:
    """Show the schema, and that write-ahead logging is on."""
    if not isinstance(context.store, SQLiteStore):
        yield Finding(OK, "database", f"{context.settings.shown_store} answers")
        return
    status = await sqlite_admin.status(context.store)
    level, fix = (OK, "") if status.journal_mode == "wal" else (FAIL, "`keyfob db migrate` switches it on")
    yield Finding(
        level, "database", f"schema {status.schema}, journal {status.journal_mode}, {_count(status.keys, 'key')}", fix
    )


async def _clock(context: CliContext) -> AsyncIterator[Finding]:
    """Check that the clock is not behind what was already written, and plausible."""
    newest = await context.store.events(EventQuery(limit=1))
    written = newest[0].event.at if newest else WRITTEN_AT
    if now() < max(written, WRITTEN_AT):
        fix = "set the clock: keys expire by it"
        yield Finding(FAIL, "clock", f"it says {moment(now())}, but the audit log was written {moment(written)}", fix)
    else:
        yield Finding(OK, "clock", f"it says {moment(now())}")


async def _admin_keys(context: CliContext) -> AsyncIterator[Finding]:
    """Count the keys that can do everything."""
    left = await KeyringRotation(context.store, now, context.keyring.entries).root_keys()
    if not left:
        fix = "`keyfob keys create admin --type admin --permission '*'`"
        yield Finding(FAIL, "admin keys", "none that can do everything is left", fix)
    else:
        yield Finding(OK, "admin keys", f"{len(left)} can do everything: {', '.join(key.name for key in left[:3])}")


async def _granted(context: CliContext) -> AsyncIterator[Finding]:
    """Find keys that hold what nothing knows any more, and teams whose plan is gone."""
    catalogue = context.runtime.catalogue
    for team in await context.store.teams():
        if team.plan not in catalogue.plans:
            fix = f"`keyfob teams set-plan {team.id} …`, or write [plans.{team.plan}]"
            yield Finding(FAIL, "teams", f"{team.id} has the plan {team.plan}, which is not configured", fix)
    known = catalogue.known_to_rules()
    for view in await context.all_keys(KeySearch(page_size=LARGEST_PAGE)):
        strange = [held for held in view.record.permissions if not any(covers((held,), name) for name in known)]
        if strange:
            fix = "put them back into [permissions], or take them from the key"
            yield Finding(
                WARN, "permissions", f"{context.display(view.record)} holds unknown {', '.join(strange)}", fix
            )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


_LOOKS = (
    _signing_keys,
    _schema,
    writing,
    signal,
    workers,
    _clock,
    _admin_keys,
    _granted,
    key_policies,
    limits,
    quotas,
)
