"""A small Teams API that Keyfob protects: the application of ``keyfob demo``, and one to copy from.

On its own: ``python examples/teams_api.py > keyfob.toml`` prints a configuration with this catalogue and these rules; then
``keyfob init`` and ``uvicorn examples.teams_api:app --no-proxy-headers``. Nothing here knows about keys but `RULES`. A
handler that wants to know who calls reads ``scope["keyfob"]``.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection, Request
    from starlette.websockets import WebSocket

    from keyfob.gate.verdict import Grant

Item = dict[str, Any]
TEAM = "/v1/teams/{team}"

PERMISSIONS = {
    "hello:read": "Say hello",
    "events:read": "Follow team events",
    "members:read": "View team members",
    "members:remove": "Remove team members",
    "invites:read": "View invites",
    "invites:create": "Invite people",
    "invites:manage": "Change invites",
    "invites:delete": "Withdraw invites",
    "groups:read": "View groups",
    "groups:create": "Create groups",
    "groups:delete": "Delete groups",
    "computers:read": "View team computers",
    "computers:manage": "Change team computers",
    "computers:delete": "Delete team computers",
    "computers:kick": "Disconnect team computers",
    "guest_access:read": "View guest access",
    "app_rules:read": "View app rules",
    "audit_log:read": "View the audit log",
}


def _team(permission: str, **more: object) -> dict[str, object]:
    """Demand *permission*, and that the path's team is the key's."""
    return {"permission": permission, "team": "{team}", **more}


RULES: dict[str, object] = {
    "/healthz": {"public": True},
    "GET /hello": "hello:read",
    f"WS {TEAM}/events": _team("events:read"),
    f"GET {TEAM}/members": _team("members:read"),
    f"GET {TEAM}/members/{{id}}": _team("members:read"),
    f"DELETE {TEAM}/members/{{id}}": _team("members:remove"),
    f"GET {TEAM}/invites": _team("invites:read"),
    f"POST {TEAM}/invites": _team("invites:create"),
    f"GET {TEAM}/invites/{{id}}": _team("invites:read"),
    f"PATCH {TEAM}/invites/{{id}}": _team("invites:manage"),
    f"DELETE {TEAM}/invites/{{id}}": _team("invites:delete"),
    f"GET {TEAM}/groups": _team("groups:read"),
    f"POST {TEAM}/groups": _team("groups:create"),
    f"GET {TEAM}/groups/{{id}}": _team("groups:read"),
    f"DELETE {TEAM}/groups/{{id}}": _team("groups:delete"),
    f"GET {TEAM}/computers": _team("computers:read"),
    f"POST {TEAM}/computers": _team("computers:enroll", key_types=["computer"]),
    f"GET {TEAM}/computers/{{id}}": _team("computers:read"),
    f"PATCH {TEAM}/computers/{{id}}": _team("computers:manage"),
    f"DELETE {TEAM}/computers/{{id}}": _team("computers:delete"),
    f"POST {TEAM}/computers/{{id}}/kick": _team("computers:kick"),
    f"GET {TEAM}/guest-access": _team("guest_access:read"),
    f"GET {TEAM}/app-rules": _team("app_rules:read"),
    f"GET {TEAM}/audit-log": _team("audit_log:read"),
    "/scim/v2/{path:path}": {"permission": "scim:provision", "key_types": ["scim"]},
}

SCIM_MESSAGE = "urn:ietf:params:scim:api:messages:2.0"
NOBODY: Item = {"schemas": [f"{SCIM_MESSAGE}:ListResponse"], "totalResults": 0, "Resources": []}
NOT_THERE: Item = {"schemas": [f"{SCIM_MESSAGE}:Error"], "status": "404"}
PROVIDER: Item = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
    "patch": {"supported": False},
}
SCIM = {"ServiceProviderConfig": PROVIDER, "Users": NOBODY, "Groups": NOBODY}
PEOPLE = (("ada", "Ada Lovelace"), ("grace", "Grace Hopper"), ("alan", "Alan Turing"), ("edsger", "Edsger Dijkstra"))


@dataclass(slots=True)
class TeamState:
    """All that one team has, by kind and id, and what was done in it, newest first."""

    items: dict[str, dict[str, Item]]
    log: deque[Item] = field(default_factory=lambda: deque(maxlen=200))
    told: int = 0


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _new_team() -> TeamState:
    """Make a team with a few people and things in it, so that there is something to look at and to delete."""
    seeds: dict[str, list[Item]] = {
        "members": [{"id": f"mem_{who}", "name": name, "email": f"{who}@example.com"} for who, name in PEOPLE],
        "invites": [{"id": "inv_barbara", "email": "barbara@example.com", "role": "member"}],
        "groups": [{"id": "grp_engineering", "name": "Engineering"}, {"id": "grp_support", "name": "Support"}],
        "computers": [{"id": f"cmp_{n}", "name": f"studio-{n}", "online": True} for n in range(1, 4)],
        "guest-access": [{"id": "gst_1", "email": "guest@example.com"}],
        "app-rules": [{"id": "rul_1", "app": "Terminal", "allow": True}],
    }
    return TeamState({kind: {item["id"]: item for item in items} for kind, items in seeds.items()})


@dataclass(frozen=True)
class Items:
    """The handlers of one kind of item: members, invites, groups and so on."""

    kind: str
    teams: dict[str, TeamState]

    def of_team(self, call: HTTPConnection) -> dict[str, Item]:
        """Give the items of the path's team. The rules have made sure that it is the key's own."""
        return _team_of(call, self.teams).items[self.kind]

    def one(self, call: HTTPConnection) -> Item:
        """Give the item of the path, or answer 404."""
        try:
            return self.of_team(call)[call.path_params["id"]]
        except KeyError:
            raise HTTPException(404, f"no such item in {self.kind}") from None

    def tell(self, call: HTTPConnection, action: str, item: Item) -> None:
        """Let the team know what was done, and by which key."""
        state = _team_of(call, self.teams)
        event = {"type": f"{self.kind}.{action}", "subject": item["id"], "by": _caller(call), "at": _now()}
        state.log.appendleft(event)
        state.told += 1

    async def show_all(self, request: Request) -> Response:
        """List a kind of item."""
        return _listed([*self.of_team(request).values()])

    async def show(self, request: Request) -> Response:
        """Show one item."""
        return JSONResponse(self.one(request))

    async def add(self, request: Request) -> Response:
        """Make a new item of what the body says."""
        item = {**await _body(request), "id": f"{self.kind[:3]}_{secrets.token_hex(6)}", "created_at": _now()}
        self.of_team(request)[item["id"]] = item
        self.tell(request, "created", item)
        return JSONResponse(item, 201, {"Location": f"{request.url.path.rstrip('/')}/{item['id']}"})

    async def change(self, request: Request) -> Response:
        """Change an item by what the body says; its id stays."""
        item = self.one(request)
        item.update({**await _body(request), "id": item["id"]})
        self.tell(request, "changed", item)
        return JSONResponse(item)

    async def remove(self, request: Request) -> Response:
        """Delete an item."""
        item = self.one(request)
        del self.of_team(request)[item["id"]]
        self.tell(request, "deleted", item)
        return Response(status_code=204)

    async def kick(self, request: Request) -> Response:
        """Disconnect a computer. What is made is the kick, hence 201."""
        computer = self.one(request)
        computer["online"] = False
        self.tell(request, "kicked", computer)
        return JSONResponse({"computer": computer["id"], "at": _now(), "by": _caller(request)}, 201)


@dataclass(frozen=True)
class Happenings:
    """What was done in a team: as a list, and as it happens."""

    teams: dict[str, TeamState]

    async def show_all(self, request: Request) -> Response:
        """List what was done, newest first."""
        return _listed([*_team_of(request, self.teams).log])

    async def follow(self, socket: WebSocket) -> None:
        """Send a greeting, then what is done in the team as it happens."""
        state = _team_of(socket, self.teams)
        seen = state.told
        await socket.accept()
        await socket.send_json({"type": "welcome", "team": socket.path_params["team"], "by": _caller(socket)})
        gone = asyncio.ensure_future(_until_gone(socket))
        try:
            while not (await asyncio.wait({gone}, timeout=0.25))[0]:  # seconds between two looks for news
                new, seen = list(islice(state.log, state.told - seen)), state.told
                for event in reversed(new):
                    await socket.send_json(event)
        finally:
            gone.cancel()


def _team_of(call: HTTPConnection, teams: dict[str, TeamState]) -> TeamState:
    """Give the path's team, made when first asked for."""
    return teams.setdefault(call.path_params["team"], _new_team())


async def _until_gone(socket: WebSocket) -> None:
    """Read and forget what the other side says, until it leaves."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


def _caller(call: HTTPConnection) -> str:
    """Name the key that calls; Keyfob has put it there, and nothing a client sends can."""
    return cast("Grant", call.scope["keyfob"]).name


def _listed(items: list[Item]) -> Response:
    return JSONResponse({"data": items, "count": len(items)})


async def _body(request: Request) -> Item:
    """Read the JSON object of the request; nothing at all counts as an empty one."""
    with suppress(ValueError, RecursionError):
        body = json.loads(await request.body() or b"{}")
        if isinstance(body, dict):
            return body
    raise HTTPException(422, "the body must be a JSON object")


async def hello(request: Request) -> Response:
    """Greet the key that calls."""
    grant = request.scope["keyfob"]
    return JSONResponse({"hello": grant.name, "team": grant.team})


async def healthz(_: Request) -> Response:
    """Say that the application is up. Public."""
    return JSONResponse({"status": "ok"})


async def scim(request: Request) -> Response:
    """Answer what an identity provider asks first (RFC 7644, sections 3.4.2 and 4)."""
    told = SCIM.get(request.path_params["path"].strip("/"))
    return JSONResponse(told or NOT_THERE, 200 if told else 404, media_type="application/scim+json")


def routes() -> list[BaseRoute]:
    """List the routes, over fresh state that ends with the process."""
    teams: dict[str, TeamState] = {}
    happenings = Happenings(teams)
    kinds = ("members", "invites", "groups", "computers")
    every = {kind: Items(kind, teams) for kind in _new_team().items}
    return [
        Route("/hello", hello),
        Route("/healthz", healthz),
        Route("/scim/v2/{path:path}", scim, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        WebSocketRoute(f"{TEAM}/events", happenings.follow),
        Route(f"{TEAM}/audit-log", happenings.show_all),
        *(Route(f"{TEAM}/{kind}", items.show_all) for kind, items in every.items()),
        *(Route(f"{TEAM}/{kind}", every[kind].add, methods=["POST"]) for kind in ("invites", "groups", "computers")),
        *(Route(f"{TEAM}/{kind}/{{id}}", every[kind].change, methods=["PATCH"]) for kind in ("invites", "computers")),
        *(Route(f"{TEAM}/{kind}/{{id}}", every[kind].show) for kind in kinds),
        *(Route(f"{TEAM}/{kind}/{{id}}", every[kind].remove, methods=["DELETE"]) for kind in kinds),
        Route(f"{TEAM}/computers/{{id}}/kick", every["computers"].kick, methods=["POST"]),
    ]


def build(**settings: Any) -> APIKeyMiddleware:  # noqa: ANN401 - handed on to the middleware as they are
    """Build the application under Keyfob's protection; *settings* are the middleware's."""
    known = {} if "runtime" in settings else {"permissions": PERMISSIONS}  # a runtime has its own
    return APIKeyMiddleware(Starlette(routes=routes()), **{"rules": RULES, **known, **settings})


def __getattr__(name: str) -> object:
    """Build ``app`` when a server asks for it, so that importing this module needs no configuration."""
    if name == "app":
        return build(config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml"))
    raise AttributeError(name)


if __name__ == "__main__":
    from keyfob_admin.setup.config_template import starting_file

    print(starting_file(permissions=PERMISSIONS, rules=RULES), end="")
