"""An MCP server under Keyfob: the official SDK's streamable HTTP transport, and a permission for each tool.

``keyfob init --for mcp``, add ``"tickets:read"`` and ``"tickets:write"`` to ``[permissions]``,
``keyfob keys create agent --permission mcp:use --permission tickets:read``, then
``uvicorn server:app --app-dir examples/mcp --no-proxy-headers``.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from starlette.responses import JSONResponse

from keyfob import APIKeyMiddleware

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

TICKETS = {1: "The kettle leaks", 2: "The lamp flickers"}
NEEDED = {"list_tickets": "tickets:read", "close_ticket": "tickets:write"}

mcp = MCPServer("tickets")


@mcp.tool()
async def list_tickets(ctx: Context) -> list[str]:
    """List the open tickets."""
    check(ctx, "list_tickets")
    return list(TICKETS.values())


@mcp.tool()
async def close_ticket(number: int, ctx: Context) -> str:
    """Close a ticket."""
    check(ctx, "close_ticket")
    return f"closed: {TICKETS.pop(number, 'nothing')}"


def check(ctx: Context, tool: str) -> None:
    """Refuse a key that lacks what *tool* needs: here the body has been read, whatever the client's headers say."""
    request = ctx.request_context.request
    if request is None or not request.scope["keyfob"].covers(NEEDED[tool]):
        raise ToolError(f"this key lacks {NEEDED[tool]}")


class ToolPermissions:
    """Answers 403 before the server reads the body, where the client names the tool in ``Mcp-Name``.

    The server refuses a header that differs from the body, so that nobody gets further with a wrong one. Clients of
    older protocol versions send none: `check` judges them.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judge one request, and tell the SDK whose it is: a session then belongs to the key that opened it."""
        grant = scope.get("keyfob")
        if scope["type"] != "http" or grant is None:
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        needed = NEEDED.get(headers.get(b"mcp-name", b"").decode("latin-1"))
        if headers.get(b"mcp-method") == b"tools/call" and needed and not grant.covers(needed):
            challenge = {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{needed}"'}
            await JSONResponse({"error": "insufficient_scope", "scope": needed}, 403, challenge)(scope, receive, send)
            return
        whose = AccessToken(token=grant.key_id, client_id=grant.key_id, scopes=sorted(grant.permissions))
        await self.app({**scope, "user": AuthenticatedUser(whose)}, receive, send)


app = APIKeyMiddleware(
    ToolPermissions(mcp.streamable_http_app()), config=os.environ.get("KEYFOB_CONFIG", "keyfob.toml")
)
