"""The schemas of the OpenAPI document: msgspec's, in a form that generators of clients understand, with examples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Json = dict[str, Any]

REF: Final = "#/components/schemas/{name}"
TEAM: Final = "acme"
KEY_ID: Final = "7Qx2mB9tKd03LpWz"
PERSON_ID: Final = "4hTqW8nXc2LvB6sJ"
_ADMIN_ID: Final = "0aN4sRk8WvJt61Ee"
_AT: Final = "2026-11-29T09:00:00.125000Z"
_LATER: Final = "2027-01-31T12:00:00Z"
_SECRET: Final = f"kf_api_{KEY_ID}_<64 characters>"  # not in the form of a key, so that no scanner takes it for one
_REQUEST_ID: Final = "f6a3683459350f77"

_KEY: Final[Json] = {
    "id": KEY_ID,
    "display": f"kf_api_{KEY_ID}",
    "name": "reporting",
    "description": "Nightly report",
    "type": "api",
    "team": TEAM,
    "state": "active",
    "permissions": ["items:read"],
    "ip_allow": ["203.0.113.0/24"],
    "created_at": _AT,
    "created_by": {"kind": "key", "id": _ADMIN_ID, "name": "admin"},
    "owner": {"kind": "person", "id": PERSON_ID, "name": "Ana Ruiz"},
    "duplicated_from": None,
    "expires_at": _LATER,
    "last_used": {"at": _AT, "ip": "203.0.113.7"},
    "disabled_at": None,
    "etag": '"2"',
    "metadata": {"customer": "acme", "seats": 5},
    "external_id": "org_42",
    "replaces": None,
    "replaced_by": None,
    "replaced_at": None,
    "limits": [],
    "limits_raised": None,
    "quota": None,
}
_QUOTA: Final[Json] = {"amount": 10_000, "used": 412, "period_ends_at": _LATER}
_DISABLED: Final[Json] = {**_KEY, "state": "disabled", "disabled_at": _AT, "etag": '"3"', "effective_by": _AT}
_DISABLED_KEY: Final[Json] = {name: value for name, value in _DISABLED.items() if name != "effective_by"}
_TEAM: Final[Json] = {
    "id": TEAM,
    "name": "Acme Ltd",
    "plan": "enterprise",
    "metadata": {"region": "eu"},
    "external_id": None,
}
_EVENT: Final[Json] = {
    "seq": 12,
    "at": _AT,
    "actor": {"kind": "key", "id": _ADMIN_ID, "name": "admin"},
    "ip": "203.0.113.9",
    "action": "key.disabled",
    "team": TEAM,
    "key_id": KEY_ID,
    "person_id": None,
    "detail": {"key": "reporting"},
}
_PERSON: Final[Json] = {
    "id": PERSON_ID,
    "email": "ana@example.com",
    "name": "Ana Ruiz",
    "source": "local",
    "state": "active",
    "memberships": [{"team": TEAM, "role": "team_admin", "by": "person"}],
    "last_sign_in_at": _AT,
}

EXAMPLES: Final[Mapping[str, Json]] = {
    "CreateKey": {"name": "reporting", "permissions": ["items:read"], "expires_at": _LATER},
    "PatchKey": {"description": "Nightly report", "ip_allow": None},
    "AdjustQuota": {"add": 500},
    "DuplicateKey": {"name": "reporting, staging"},
    "Nothing": {},
    "Handover": {"expires_in": "72h"},
    "RotateKey": {"overlap": "24h"},
    "Why": {"reason": "It was posted in a chat."},
    "DisableKeys": {"filter": {"never_used": True}, "reason": "Clearing up", "dry_run": True},
    "CreateTeam": {"id": TEAM, "name": "Acme Ltd"},
    "PatchTeam": {"name": "Acme Limited"},
    "VerifyKey": {"key": _SECRET, "permissions": ["items:read"], "ip": "203.0.113.7"},
    "FindKeys": {"text": f'203.0.113.7 "GET /items?key={_SECRET} HTTP/1.1" 401'},
    "FoundKeys": {
        "matches": [{"kind": "key", "key": _KEY, "where": {"line": 1, "column": 29}, "secret_checked": True}]
    },
    "Key": _KEY,
    "NewKey": {"key": {**_KEY, "last_used": None}, "secret": _SECRET},
    "ChangedKey": {**_KEY, "etag": '"4"', "effective_by": _AT},
    "DisabledKey": _DISABLED,
    "RotatedKey": {
        "key": {**_KEY, "last_used": None, "replaces": "Zt5bYc1XnR8vQd4M"},
        "secret": _SECRET,
        "replaced": {"id": "Zt5bYc1XnR8vQd4M", "ends_at": _AT},
    },
    "KeyPage": {"keys": [_KEY], "next_page_token": None, "total": 1},
    "DisabledKeys": {"keys": [_DISABLED_KEY]},
    "Usage": {"days": [{"date": "2026-11-29", "admitted": 412, "denied": 3, "limited": 0}]},
    "KeyLimits": {
        "limits": [{"name": "standard-min", "q": 100, "w": 60, "remaining": 42, "reset_at": _AT}],
        "quota": _QUOTA,
        "team_quota": None,
    },
    "QuotaUse": _QUOTA,
    "Team": _TEAM,
    "TeamPage": {"teams": [_TEAM], "next_page_token": None},
    "Verification": {
        "valid": True,
        "code": "valid",
        "key_id": KEY_ID,
        "name": "reporting",
        "key_type": "api",
        "team": TEAM,
        "permissions": ["items:read"],
        "expires_at": _LATER,
        "ip_allow": ["203.0.113.0/24"],
        "state": "active",
    },
    "PreviewKey": {"patch": {"permissions": []}},
    "Preview": {"refused": 412, "unknown": 0, "last": {"at": _AT, "address": "203.0.113.7"}},
    "Explain": {"key": KEY_ID, "method": "POST", "path": "/items"},
    "Explanation": {
        "outcome": "refused",
        "reason": "permission",
        "rule": "POST /items",
        "needed": ["items:write"],
        "held": ["items:read"],
        "missing": ["items:write"],
        "changes": ["Give the key items:write."],
        "key_id": KEY_ID,
        "display": f"kf_api_{KEY_ID}",
        "name": "reporting",
        "team": TEAM,
        "state": "active",
        "method": "POST",
        "path": "/items",
        "ip": None,
        "refused_at": None,
    },
    "Caller": {
        "key_id": _ADMIN_ID,
        "display": f"kf_admin_{_ADMIN_ID}",
        "name": "admin",
        "key_type": "admin",
        "team": TEAM,
        "permissions": ["*"],
        "expires_at": None,
    },
    "PermissionList": {"permissions": [{"name": "items:read", "label": "Read items"}]},
    "KeyTypeList": {
        "team": TEAM,
        "key_types": [
            {
                "name": "computer",
                "label": "Team computer key",
                "per_team": 1,
                "permissions": ["computers:enroll"],
                "can_create": False,
                "code": "key_type_taken",
            }
        ],
    },
    "Invite": {"email": "ana@example.com", "team": TEAM, "role": "team_admin", "name": "Ana Ruiz"},
    "Invitation": {
        "person": {**_PERSON, "state": "invited", "last_sign_in_at": None},
        "invitation_url": "https://keys.example.com/invitation/<token>",
        "expires_at": "2026-12-02T09:00:00Z",
    },
    "PatchPerson": {"name": "Ana R."},
    "SetRole": {"role": "auditor"},
    "Person": _PERSON,
    "PersonPage": {"people": [_PERSON], "next_page_token": None},
    "OpenPage": {
        "person": {"id": "42", "name": "Ana Ruiz", "email": "ana@example.com"},
        "team": TEAM,
        "role": "member",
        "return_url": "https://app.example.com/settings",
    },
    "PagePerson": {"id": "42", "name": "Ana Ruiz", "email": "ana@example.com"},
    "PageSession": {"url": "https://keys.example.com/page/open/<token>", "expires_at": "2026-11-29T09:10:00Z"},
    "OffboardPerson": {"keys": "transfer", "to": "team", "dry_run": True},
    "Offboarding": {"keys": [_KEY], "sessions_ended": 1, "admin_keys_ended": 0},
    "RoleList": {
        "roles": [
            {
                "name": "auditor",
                "label": "Auditor",
                "permissions": ["keys:read", "people:read", "teams:read", "audit:read"],
                "grant_all": False,
                "own_keys_only": False,
            }
        ]
    },
    "AuditPage": {"events": [_EVENT], "next_page_token": None},
    "AuditEvent": _EVENT,
    "Health": {"status": "ok"},
    "Readiness": {
        "status": "ok",
        "detail": {
            "version": "1.0.0",
            "database": "sqlite",
            "revision": 17,
            "staleness": 0.213,
            "max_staleness": 2.0,
            "change_signal": "read",
            "workers": 4,
            "workers_unreached": 0,
            "failed_reads": 0,
            "failed_usage_writes": 0,
            "argon2_pending": 0,
            "cached_keys": 120,
            "limits": {"counted_in": "file", "reachable": True, "problem": None},
            "notices": {"waiting": 0, "given_up": 0},
        },
    },
    "ProblemDetails": {
        "type": "about:blank",
        "title": "Unprocessable content",
        "status": 422,
        "detail": "Some values are not acceptable.",
        "code": "validation_failed",
        "request_id": _REQUEST_ID,
        "errors": [{"pointer": "/name", "detail": "Enter a name"}],
    },
}
"""One for each body, by the name of its schema."""


def components(shapes: Iterable[type[msgspec.Struct]]) -> Json:
    """Describe *shapes* and all that they are made of."""
    _, found = msgspec.json.schema_components(sorted(set(shapes), key=repr), ref_template=REF)
    schemas = {name: _without_defaults(tidy(schema)) for name, schema in found.items()}
    for name, example in EXAMPLES.items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    return schemas


def properties(shape: type[msgspec.Struct]) -> Json:
    """Describe each member of *shape* by its name."""
    schema = msgspec.json.schema(shape)["$defs"][shape.__name__]
    return cast("Json", tidy(schema["properties"]))


def ref(shape: type[msgspec.Struct]) -> Json:
    """Refer to the schema of *shape*."""
    return {"$ref": REF.format(name=shape.__name__)}


def _without_defaults(schema: Json) -> Json:
    """Say in words what a request's member is when it is left out, and that a response has all of its members.

    Generators take a member with a default for one that is always there, or send the default themselves.
    """
    is_request = schema.get("additionalProperties") is False
    for name, member in schema.get("properties", {}).items():
        if "default" not in member:
            continue
        default = member.pop("default")
        if not is_request:
            schema["required"].append(name)
        elif default not in ([], None):
            described = member.get("description", "")
            member["description"] = f"{described} Without it: `{json.dumps(default)}`.".strip()
    return schema


def tidy(schema: Any) -> Any:  # noqa: ANN401 - any JSON
    """Leave out what generators read as something else.

    An enumeration without a type becomes an object.
    """
    if isinstance(schema, list):
        return [tidy(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: tidy(part) for name, part in schema.items()}
    if isinstance(plain.get("enum"), list) and "type" not in plain:
        plain["type"] = "string"
    if plain.get("required") == []:
        del plain["required"]
    return plain
