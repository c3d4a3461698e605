"""What Starlette calls the user of a request and its credentials: here, the key and what it may do."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, overload

from starlette.authentication import AuthCredentials, BaseUser

from keyfob.policy.permissions import Held

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from starlette.types import Scope

    from keyfob.gate.verdict import Grant, Granted


class Scopes(Sequence[str]):
    """Grants as Starlette's ``auth.scopes``: they list themselves as they are, and ``in`` asks what they cover.

    So ``@requires("items:read")`` lets a key pass that holds ``items:*``.
    """

    __slots__ = ("_grants", "_held")

    def __init__(self, grants: Collection[str]) -> None:
        """Show *grants*, sorted."""
        self._held = Held(grants)
        self._grants = tuple(sorted(grants))

    def __contains__(self, needed: object) -> bool:
        """Whether the grants cover *needed*."""
        return isinstance(needed, str) and self._held.covers(needed)

    def __iter__(self) -> Iterator[str]:
        """Go through the grants as they were given."""
        return iter(self._grants)

    def __len__(self) -> int:
        """How many grants there are."""
        return len(self._grants)

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """Read one grant, or some."""
        return self._grants[index]

    def __repr__(self) -> str:
        """Show the grants."""
        return f"Scopes({list(self._grants)!r})"


_scopes = lru_cache(maxsize=1024)(Scopes)


class KeyUser(BaseUser):
    """What Starlette calls the user of a request: here, the key."""

    __slots__ = ("_grant",)

    def __init__(self, grant: Grant) -> None:
        """*grant* is what the key may do."""
        self._grant = grant

    @property
    def is_authenticated(self) -> bool:
        """Always: others do not get this far."""
        return True

    @property
    def display_name(self) -> str:
        """The key's name and id. Libraries take it for who somebody is, and two keys may have the same name."""
        return f"{self._grant.name} ({self._grant.key_id})"

    @property
    def identity(self) -> str:
        """The key's id."""
        return self._grant.key_id


class KeyCredentials(AuthCredentials):
    """Starlette's ``request.auth``. Its scopes answer ``in`` by covering, so that ``items:*`` passes ``items:read``."""

    def __init__(self, grant: Grant) -> None:
        """*grant* holds the permissions; the scopes are made when somebody asks for them."""
        self._grant = grant

    @property
    def scopes(self) -> Scopes:  # type: ignore[override]  # Starlette says list, and uses it as a collection
        """The permissions of the key."""
        return _scopes(self._grant.permissions)


def put_user(scope: Scope, granted: Granted) -> None:
    """Put what Starlette finds as ``request.user`` and ``request.auth`` into *scope*. It is made once for a key."""
    if granted.user is None:
        granted.user, granted.auth = KeyUser(granted.grant), KeyCredentials(granted.grant)
    scope["user"], scope["auth"] = granted.user, granted.auth
