"""All exceptions that Keyfob raises, in one flat list.

A denied *request* is never an exception but a `keyfob.gate.verdict.Denied`. Exceptions mean that Keyfob cannot decide
(`StoreUnavailable`), or that a management call is refused (`Refused` and its subclasses). Each edge maps them once: the
admin API to a status, the command line to an exit code.
"""

from __future__ import annotations

from typing import ClassVar, Self


class KeyfobError(Exception):
    """The base class of all exceptions that Keyfob raises."""


class ConfigError(KeyfobError):
    """The configuration cannot work; the message names the setting and how to fix it."""


class StoreUnavailable(KeyfobError):
    """The store cannot answer. The request gets 503, never 401 and never 200."""


class Saturated(StoreUnavailable):
    """Too many Argon2id checks are queued. The request gets 503."""


class LimitsUnavailable(KeyfobError):
    """How often a key was used cannot be counted where it should be. ``limits_on_outage`` says what happens then."""


class NotMigrated(StoreUnavailable):
    """The database does not have the schema that this code needs."""


class Outdated(StoreUnavailable):
    """The database belongs to a newer Keyfob, and this code could misread it."""


class Refused(KeyfobError):
    """A management call that is refused; `code` is the code of the admin API."""

    code: ClassVar[str] = "refused"


class NotFound(Refused):
    """No such key or team, or it belongs to a team that the caller cannot see."""

    code = "not_found"


class Forbidden(Refused):
    """The caller lacks a permission; *needed* names it."""

    code = "insufficient_scope"

    def __init__(self, needed: str) -> None:
        super().__init__(f"this needs the permission {needed}")
        self.needed = needed


class Invalid(Refused):
    """Some values are not acceptable; *errors* are pairs of a JSON pointer and a sentence."""

    code = "validation_failed"

    def __init__(self, *errors: tuple[str, str]) -> None:
        super().__init__("; ".join(f"{pointer or '(body)'}: {detail}" for pointer, detail in errors))
        self.errors = errors

    def below(self, member: str) -> Self:
        """The same of an object that is the *member* of another one."""
        return type(self)(*((f"/{member}{pointer}", detail) for pointer, detail in self.errors))


class PolicyViolation(Invalid):
    """The key would break what the configuration demands of keys of its type; *errors* say in what."""

    code = "policy"


class FixedPermissions(Refused):
    """Keys of this type have permissions that cannot be chosen."""

    code = "fixed_permissions"


class PlanRequired(Refused):
    """The team's plan does not include keys of this type."""

    code = "plan_required"


class ExceedsOwnPermissions(Refused):
    """The caller would grant more than it holds; *missing* lists the permissions that it lacks."""

    code = "exceeds_own_permissions"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"you do not hold {', '.join(missing)}, so you cannot grant it")
        self.missing = missing


class ExceedsOwnLimits(Refused):
    """The caller's key expires or is restricted to addresses, and the key it grants would outlive or out-reach it."""

    code = "exceeds_own_limits"


class KeyTypeTaken(Refused):
    """The team already has its one key of this type."""

    code = "key_type_taken"


class AlreadyRotated(Refused):
    """Another key took this one's place before; *successor* is its id."""

    code = "already_rotated"

    def __init__(self, successor: str) -> None:
        super().__init__(f"this key was replaced by {successor} already; rotate that one")
        self.successor = successor


class KeyNotActive(Refused):
    """Only an active key can be rotated."""

    code = "key_not_active"


class KeyNotPending(Refused):
    """The key has its secret, so no link can make another one."""

    code = "key_not_pending"


class NoQuota(Refused):
    """There is nothing to add to: neither the key nor its plan has a quota."""

    code = "no_quota"


class HandoverVoid(Refused):
    """The link hands over no key: it is unknown, expired or replaced, or its key or its maker may not any more."""

    code = "handover_void"


class KeyNotDisabled(Refused):
    """A key must be disabled before it can be deleted."""

    code = "key_not_disabled"


class LastAdmin(Refused):
    """The change would leave no admin key that can do everything."""

    code = "last_admin"


class LastOwner(Refused):
    """The change would leave no active person with the role of an owner."""

    code = "last_owner"


class OwnKeysOnly(Refused):
    """The caller's role reaches only the keys that the caller owns, and this goes beyond them."""

    code = "own_keys_only"


class PersonLeft(Refused):
    """The person has left; only a new invitation brings them back."""

    code = "person_left"


class Tampered(Refused):
    """The row of a person is not what Keyfob wrote."""

    code = "person_tampered"


class TeamExists(Refused):
    """A team with this id exists already."""

    code = "team_exists"


class TeamInUse(Refused):
    """The team has keys, or people with a role in it, so it cannot be deleted."""

    code = "team_in_use"


class AlreadyInstalled(Refused):
    """The database already holds an installation, so no first admin key is created."""

    code = "already_installed"


class PreconditionFailed(Refused):
    """The key was changed since the caller read it (RFC 9110, section 13.1.1)."""

    code = "precondition_failed"


class IdempotencyMismatch(Refused):
    """This Idempotency-Key was used with a different body."""

    code = "idempotency_mismatch"


class IdempotencyInProgress(Refused):
    """The first request with this Idempotency-Key is still running."""

    code = "idempotency_in_progress"


class ProviderUnavailable(KeyfobError):
    """The identity provider does not answer, or not as its protocol says. Nobody is signed in; 503."""


class SignInFailed(KeyfobError):
    """Nobody is signed in; *reason* is a word for the log, and the message says more to whoever reads the log."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
