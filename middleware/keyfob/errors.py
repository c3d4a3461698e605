"""Everything Keyfob raises on purpose, in one flat list.

A refused *request* is never an exception, it is a `keyfob.gate.verdict.Denied`. Exceptions are for what cannot
be answered (`StoreUnavailable`) and for what a caller of the lifecycle may not do (`Refused` and its kinds).
Each edge maps them once: the admin API to a status, the command line to an exit code.
"""

from __future__ import annotations

from typing import ClassVar


class KeyfobError(Exception):
    """The root of all that Keyfob raises."""


class ConfigError(KeyfobError):
    """The configuration cannot work; the message names the setting and how to fix it."""


class StoreUnavailable(KeyfobError):
    """The store cannot say. The request is answered 503, never 401 and never 200."""


class Saturated(StoreUnavailable):
    """Too many Argon2id checks are waiting already. The request is answered 503."""


class NotMigrated(StoreUnavailable):
    """The database has not got the schema that this code works with."""


class Outdated(StoreUnavailable):
    """The database belongs to a newer Keyfob, which this code would misunderstand."""


class Refused(KeyfobError):
    """A lifecycle call that may not happen; `code` is what the admin API answers."""

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
    """The caller would hand on more than it holds; *missing* lists what it lacks."""

    code = "exceeds_own_permissions"

    def __init__(self, missing: tuple[str, ...]) -> None:
        super().__init__(f"you do not hold {', '.join(missing)}, so you cannot grant it")
        self.missing = missing


class ExceedsOwnLimits(Refused):
    """The caller's own key expires or is bound to addresses, and what it hands on would outlive or out-reach it."""

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


class KeyNotDisabled(Refused):
    """A key must be disabled before it can be deleted."""

    code = "key_not_disabled"


class LastAdmin(Refused):
    """After this, no admin key that can do everything would be left."""

    code = "last_admin"


class TeamExists(Refused):
    """A team with this id is there already."""

    code = "team_exists"


class AlreadyInstalled(Refused):
    """The database holds an installation; a second first key is not to be had."""

    code = "already_installed"


class PreconditionFailed(Refused):
    """The key was changed since the caller read it (RFC 9110, section 13.1.1)."""

    code = "precondition_failed"


class IdempotencyMismatch(Refused):
    """This Idempotency-Key was used with another body."""

    code = "idempotency_mismatch"


class IdempotencyInProgress(Refused):
    """The first request with this Idempotency-Key is still under way."""

    code = "idempotency_in_progress"
