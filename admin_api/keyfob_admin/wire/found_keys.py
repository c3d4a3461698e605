"""The body of the response to `POST /v1/keys/find`."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType

from keyfob_admin.wire.fields import Count, Moment
from keyfob_admin.wire.views import CreatedBy, Key


class Position(Struct, frozen=True):
    """Where in a text something begins. Both count from 1, the column in characters."""

    line: Count
    column: Count


class Deletion(Struct, frozen=True):
    """A key that was deleted, when and by whom."""

    at: Moment
    by: CreatedBy | None
    name: str
    team: str


class FoundKey(Struct, frozen=True, kw_only=True):
    """One key of a text.

    `foreign` is well formed and not of this installation, or of a team that the caller cannot see; `damaged` has a
    wrong checksum. `secret_checked` says whether the secret in the text was verified.
    """

    kind: Literal["key", "deleted", "foreign", "damaged"]
    key: Key | UnsetType = UNSET
    deleted: Deletion | UnsetType = UNSET
    where: Position
    secret_checked: bool


class FoundKeys(Struct, frozen=True):
    """Every key of a text, each once, in the order of their first places."""

    matches: list[FoundKey]
