"""What exports of other products hold, in the members that every import has: one function for each product."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Row = Mapping[str, Any]
    Reader = Callable[[Row, str], dict[str, Any]]

INACTIVE: Final = "inactive"  # a member: why the key is not to be imported


def as_written(row: Row, _: str) -> dict[str, Any]:
    """CSV and NDJSON of one's own: the members are the documented ones."""
    return dict(row)


def unkey(row: Row, _: str) -> dict[str, Any]:
    """Unkey: a key of its API, or a row of its table ``keys``."""
    plain, is_off = row.get("plaintext"), row.get("enabled") in {False, "0", "false"}
    return {
        "name": row.get("name") or row.get("start") or row.get("id"),
        "permissions": _texts(row.get("permissions")),
        "created_at": _first(row, "createdAt", "created_at_m", "createdAtM"),
        "expires_at": _first(row, "expires", "expiresAt"),
        "external_id": _first(row, "externalId", "ownerId", "owner_id", "external_id"),
        **({"key": plain} if plain else {"hash": row.get("hash"), "algorithm": "sha256"}),
        INACTIVE: "it was disabled or deleted" if is_off or _first(row, "deleted_at_m", "deletedAt") else None,
    }


def django(row: Row, _: str) -> dict[str, Any]:
    """djangorestframework-api-key: an object of ``manage.py dumpdata``, or a row of its table."""
    fields = row.get("fields", row)
    encoded = fields.get("hashed_key") or str(row.get("pk") or row.get("id") or "").partition(".")[2]
    algorithm, _, digest = str(encoded).partition("$$")
    return {
        "name": fields.get("name"),
        "created_at": fields.get("created"),
        "expires_at": fields.get("expiry_date"),
        "hash": digest or encoded,
        "algorithm": algorithm if digest else algorithm.partition("$")[0],
        INACTIVE: "it was revoked" if fields.get("revoked") in {True, "1", "true", "True"} else None,
    }


def keyshield(row: Row, prefix: str) -> dict[str, Any]:
    """keyshield: a row of its table. Argon2 of the last part of a key, and the pepper behind it."""
    beginning = f"{prefix or 'ak_v1-'}{row.get('key_id')}-"
    encoded = str(row.get("key_hash") or "")
    return {
        "name": row.get("name") or row.get("key_id"),
        "description": row.get("description"),
        "permissions": _texts(row.get("scopes")),
        "created_at": row.get("created_at"),
        "expires_at": row.get("expires_at"),
        "hash": encoded,
        "algorithm": "bcrypt" if encoded.startswith("$2") else "argon2",
        "lookup": beginning,
        "skip": len(beginning),
        "secret_is": "suffix",
        INACTIVE: "it is inactive" if row.get("is_active") in {False, "0", "false", "False"} else None,
    }


def safe_api_keys(row: Row, _: str) -> dict[str, Any]:
    """safe-api-keys: a row of its table. The six characters of the checksum are not hashed."""
    scheme = str(row.get("hash_alg") or "").partition("$")[0]
    peppered = scheme == "hmac-sha256"
    return {
        "name": row.get("name") or row.get("key_id"),
        "permissions": _texts(row.get("scopes")),
        "created_at": row.get("created_at"),
        "expires_at": row.get("expires_at"),
        "external_id": row.get("owner"),
        "hash": row.get("hash"),
        "algorithm": {"hmac-sha256": "sha256", "argon2id": "argon2"}.get(scheme, scheme),
        "lookup": f"{row.get('prefix')}_{row.get('key_id')}_",
        "cut": 6,
        **({"secret_is": "hmac_key"} if peppered else {}),
        INACTIVE: "it was revoked" if row.get("revoked_at") else None,
    }


def fastapi_keygate(row: Row, _: str) -> dict[str, Any]:
    """fastapi-keygate: a row of its table ``keygate_keys``."""
    return {
        "name": row.get("name") or row.get("prefix"),
        "permissions": _texts(row.get("scopes")),
        "created_at": row.get("created_at"),
        "expires_at": row.get("expires_at"),
        "external_id": row.get("owner_id"),
        "hash": row.get("key_hash"),
        "algorithm": "sha256",
        INACTIVE: "it was revoked" if row.get("revoked_at") else None,
    }


def better_auth(row: Row, _: str) -> dict[str, Any]:
    """better-auth: a row of its table ``apikey``. Its permissions are actions by resource."""
    granted = row.get("permissions")
    granted = json.loads(granted) if isinstance(granted, str) and granted else granted
    pairs = granted.items() if isinstance(granted, dict) else ()
    return {
        "name": row.get("name") or row.get("start") or row.get("id"),
        "permissions": [f"{resource}:{action}" for resource, actions in pairs for action in actions],
        "created_at": _first(row, "createdAt", "created_at"),
        "expires_at": _first(row, "expiresAt", "expires_at"),
        "external_id": _first(row, "referenceId", "userId", "user_id"),
        "hash": row.get("key"),
        "algorithm": "sha256",
        INACTIVE: "it is disabled" if row.get("enabled") in {False, "0", "false"} else None,
    }


FORMATS: Final[Mapping[str, Reader]] = {
    "unkey": unkey,
    "drf-api-key": django,
    "keyshield": keyshield,
    "safe-api-keys": safe_api_keys,
    "fastapi-keygate": fastapi_keygate,
    "better-auth": better_auth,
    "csv": as_written,
    "ndjson": as_written,
}


def _first(row: Row, *names: str) -> Any:  # noqa: ANN401 - whatever stands there
    """The first of the members that is there and not empty."""
    return next((row[name] for name in names if row.get(name) not in {None, ""}), None)


def _texts(value: object) -> list[str]:
    """A list, a JSON list in a text, or words in a text."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = json.loads(value)
    if isinstance(value, str):
        return value.replace(",", " ").split()
    return [str(one) for one in value] if isinstance(value, list | tuple) else []
