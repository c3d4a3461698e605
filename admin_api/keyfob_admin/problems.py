"""The errors of the admin API as problem details (RFC 9457), one shape for all of them."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING, Final

import msgspec
from starlette.responses import Response

from keyfob import errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Scope

PROBLEM_JSON: Final = "application/problem+json"
REQUEST_ID: Final = "X-Request-Id"
_REQUEST_ID_IN_SCOPE: Final = "keyfob_admin.request_id"
_RETRY_AFTER: Final = "1"  # seconds
_WHOLE_KEY: Final = re.compile(r"([a-z][a-z0-9]{1,15}_[a-z][a-z0-9]{1,15}_[0-9A-Za-z]{16})_[0-9A-Za-z]+")

TITLES: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Content too large",
    415: "Unsupported media type",
    422: "Unprocessable content",
    500: "Internal error",
    503: "Unavailable",
}
"""Every status that a problem of this API can have."""

STATUSES: Final[Mapping[type[errors.KeyfobError], int]] = {
    errors.NotFound: 404,
    errors.Forbidden: 403,
    errors.Invalid: 422,
    errors.PolicyViolation: 422,
    errors.FixedPermissions: 422,
    errors.PlanRequired: 403,
    errors.ExceedsOwnPermissions: 403,
    errors.ExceedsOwnLimits: 403,
    errors.KeyTypeTaken: 409,
    errors.AlreadyRotated: 409,
    errors.KeyNotActive: 409,
    errors.KeyNotPending: 409,
    errors.NoQuota: 409,
    errors.HandoverVoid: 410,
    errors.KeyNotDisabled: 409,
    errors.LastAdmin: 409,
    errors.LastOwner: 409,
    errors.PersonLeft: 409,
    errors.Tampered: 409,
    errors.OwnKeysOnly: 403,
    errors.TeamExists: 409,
    errors.TeamInUse: 409,
    errors.AlreadyInstalled: 409,
    errors.PreconditionFailed: 412,
    errors.IdempotencyMismatch: 422,
    errors.IdempotencyInProgress: 409,
    errors.StoreUnavailable: 503,
}
"""The status of each refusal of the management layer."""


class ProblemError(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is wrong with one value. `pointer` is a JSON pointer (RFC 6901), or `/` and a query parameter's name."""

    pointer: str
    detail: str


class ProblemDetails(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The body of every error. Of those of the gate, only the 403 carries a `request_id`."""

    type: str = msgspec.field(default_factory=lambda: "about:blank")  # a factory, so that it is always written
    title: str
    status: int
    detail: str
    code: str
    request_id: str | msgspec.UnsetType = msgspec.UNSET
    errors: list[ProblemError] | msgspec.UnsetType = msgspec.UNSET
    missing_permissions: list[str] | msgspec.UnsetType = msgspec.UNSET
    successor: str | msgspec.UnsetType = msgspec.UNSET  # of already_rotated: the key that took the other's place


class Problem(Exception):
    """A request that is refused before the management layer is called."""

    def __init__(self, status: int, code: str, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.headers = headers or {}


def request_id_of(scope: Scope) -> str:
    """Return this request's id, which is ours and never the client's."""
    known: str = scope.setdefault(_REQUEST_ID_IN_SCOPE, secrets.token_hex(8))
    return known


def problem_of(error: Problem | errors.KeyfobError) -> ProblemDetails:
    """Describe *error* for the caller."""
    if isinstance(error, Problem):
        return _details(error.status, error.code, error.detail)
    status = next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), None)
    if status is None:
        return internal()
    if isinstance(error, errors.Refused):
        return _refusal(error, status)
    return _details(status, "unavailable", "The database cannot be reached. Nothing was changed; try again.")


def _refusal(error: errors.Refused, status: int) -> ProblemDetails:
    match error:
        case errors.NotFound():  # the same words for what never existed, was deleted, or belongs to another team
            return _details(status, error.code, "There is nothing here that this key can see.")
        case errors.Invalid():
            listed = [ProblemError(_cut(pointer), _cut(detail)) for pointer, detail in error.errors]
            return _details(status, error.code, "Some values are not acceptable.", errors=listed)
        case errors.AlreadyRotated():
            return _details(status, error.code, _sentence(error), successor=error.successor)
        case errors.ExceedsOwnPermissions():
            return _details(status, error.code, _sentence(error), missing_permissions=list(error.missing))
        case _:
            return _details(status, error.code, _sentence(error))


def internal() -> ProblemDetails:
    """Describe a failure of our own. The log says more under the same request id."""
    return _details(500, "internal", "Something went wrong here. The log says more under this request_id.")


def problem_response(scope: Scope, details: ProblemDetails, headers: Mapping[str, str] | None = None) -> Response:
    """Make the response: never cached, with this request's id in body and header."""
    request_id = request_id_of(scope)
    body = msgspec.json.encode(msgspec.structs.replace(details, request_id=request_id))
    sent = {"Cache-Control": "no-store", REQUEST_ID: request_id, **(headers or {})}
    if details.status == 503:  # noqa: PLR2004
        sent["Retry-After"] = _RETRY_AFTER
    return Response(body, details.status, sent, PROBLEM_JSON)


def _details(
    status: int,
    code: str,
    detail: str,
    *,
    errors: list[ProblemError] | msgspec.UnsetType = msgspec.UNSET,
    missing_permissions: list[str] | msgspec.UnsetType = msgspec.UNSET,
    successor: str | msgspec.UnsetType = msgspec.UNSET,
) -> ProblemDetails:
    return ProblemDetails(
        title=TITLES[status],
        status=status,
        detail=_cut(detail),
        code=code,
        errors=errors,
        missing_permissions=missing_permissions,
        successor=successor,
    )


def _cut(text: str) -> str:
    """Cut a whole key that was sent in the wrong place down to its display form."""
    return _WHOLE_KEY.sub(r"\1_…", text)


def _sentence(error: errors.KeyfobError) -> str:
    """Give the error's own message, or else what this kind of error means."""
    said = str(error) or (type(error).__doc__ or "").partition("\n")[0]
    return said[:1].upper() + said[1:].rstrip(".") + "."
