"""One call of the admin API, as its handler sees it: the seam between requests and the running installation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar, cast

import msgspec
from starlette.responses import Response

from keyfob.errors import NotFound
from keyfob.keys.format import key_id_of
from keyfob.management.actor import Actor
from keyfob.management.idempotency import IdempotencyKey
from keyfob_admin.wire.links import handover_address, link_base
from keyfob_admin.wire.media_types import JSON
from keyfob_admin.wire.preconditions import idempotency_key
from keyfob_admin.wire.presenters import KeyPresenter

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from keyfob.gate.verdict import Grant
    from keyfob.runtime.runtime import Runtime

S = TypeVar("S", bound=msgspec.Struct)

REPLAYED: Final = {"Idempotency-Replayed": "true"}


@dataclass(frozen=True, slots=True)
class Call:
    """A request by an admitted admin key, its body and query already checked."""

    request: Request
    runtime: Runtime
    body: msgspec.Struct | None = None
    query: msgspec.Struct | None = None

    def sent(self, shape: type[S]) -> S:
        """The body; *shape* is the one that the route names."""
        return _as(shape, self.body)

    def asked(self, shape: type[S]) -> S:
        """The query; *shape* is the one that the route names."""
        return _as(shape, self.query)

    @property
    def grant(self) -> Grant:
        """What the calling key may do."""
        return cast("Grant", self.request.scope["keyfob"])

    @property
    def actor(self) -> Actor:
        """The caller, as the management layer and the audit log know it."""
        grant = self.grant
        return Actor(
            kind="key",
            id=grant.key_id,
            name=grant.name,
            team=grant.team,
            permissions=grant.permissions,
            ip=self.runtime.client_ip(self.request.scope),
            expires_at=grant.expires_at,
        )

    @property
    def team(self) -> str:
        """The team that the path names."""
        return cast("str", self.request.path_params["team"])

    @property
    def key_id(self) -> str:
        """The key that the path names, by its id or display form. Raises NotFound for anything else."""
        written = cast("str", self.request.path_params["key"])
        key_id = key_id_of(written, self.runtime.prefix)
        if key_id is None or not written.endswith(key_id):  # a whole key does not belong in a path
            raise NotFound
        return key_id

    def idempotency(self, path: str) -> IdempotencyKey | None:
        """What the Idempotency-Key of a POST to *path* stands for. Bodies are compared by their content alone."""
        key = idempotency_key(self.request.headers)
        if key is None or self.body is None:
            return None
        said = msgspec.json.encode(self.body)
        return IdempotencyKey.of(key, caller=self.grant.key_id, method="POST", path=path, body=said)

    async def demand_visible(self) -> None:
        """Raise NotFound unless the caller can see the team and the key that the path names, if it names any."""
        named = self.request.path_params
        if "team" not in named:
            return
        may_see = self.actor.may_see(self.team)
        if "key" in named:
            view = await self.runtime.store.view(self.key_id) if may_see else None
            found = view is not None and view.record.team == self.team
        else:
            found = may_see and await self.runtime.store.team(self.team) is not None
        if not found:
            raise NotFound

    @property
    def shown(self) -> KeyPresenter:
        """Present keys as they are now, as far as the caller may know."""
        is_reader = self.grant.covers("keys:read")
        return KeyPresenter(self.runtime.catalogue, self.runtime.prefix, self.runtime.now(), is_reader)

    def handover_address(self, token: str) -> str:
        """Give the link that hands a key over, for a person to open."""
        return handover_address(link_base(self.runtime.settings.admin.url, self.request.scope), token)

    def address_of(self, path: str) -> str:
        """Give *path* as the caller addresses it, below the mount."""
        root: str = self.request.scope.get("root_path", "")
        return root.rstrip("/") + path


def _as(shape: type[S], checked: msgspec.Struct | None) -> S:
    if not isinstance(checked, shape):
        raise TypeError(f"the route does not name {shape.__name__}")
    return checked


def answer(what: msgspec.Struct, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Make a JSON response that no cache stores."""
    return Response(msgspec.json.encode(what), status, {"Cache-Control": "no-store", **(headers or {})}, JSON)
