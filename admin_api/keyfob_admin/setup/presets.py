"""What `keyfob init` writes into a new configuration: the first catalogue and rules, for a framework or for none."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_PUBLIC = MappingProxyType({"public": True})
_PERMISSIONS = MappingProxyType({"items:read": "Read items", "items:write": "Create and change items"})
_RULES = MappingProxyType({"GET /items": "items:read", "POST /items": "items:write", "GET /items/{id}": "items:read"})


@dataclass(frozen=True, slots=True)
class Preset:
    """A catalogue, what a request needs, and the *public* paths, which *because* explains."""

    public: tuple[str, ...]
    because: str
    permissions: Mapping[str, str] = field(default_factory=lambda: _PERMISSIONS)
    guarded: Mapping[str, object] = field(default_factory=lambda: _RULES)

    @property
    def rules(self) -> dict[str, object]:
        """Every rule, the public ones last."""
        return {**self.guarded, **dict.fromkeys(self.public, _PUBLIC)}


DEFAULT = Preset(("/docs", "/openapi.json"), "where FastAPI and others describe an API; remove what yours lacks")

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "fastapi": Preset(
            ("/docs", "/redoc", "/openapi.json", "/docs/oauth2-redirect"),
            "FastAPI's own pages about your API",
        ),
        "django": Preset(
            ("/static/{path:path}", "/admin/{path:path}"),
            "Django's static files, and its admin site, which has a login of its own",
        ),
        "litestar": Preset(("/schema", "/schema/{path:path}"), "Litestar's own pages about your API"),
        "mcp": Preset(
            ("/.well-known/oauth-protected-resource", "/.well-known/oauth-protected-resource/{path:path}"),
            "MCP clients look there for OAuth; your server's 404 tells them to send a key",
            permissions={"mcp:use": "Use the MCP server"},
            guarded={"/mcp": "mcp:use"},
        ),
    }
)
