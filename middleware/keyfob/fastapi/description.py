"""Writes what the middleware's rules require into the OpenAPI document of routes that declare nothing themselves."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

from fastapi import FastAPI

from keyfob.asgi.middleware import APIKeyMiddleware
from keyfob.asgi.rule_report import router_behind
from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError
from keyfob.fastapi.requirement import SCHEME
from keyfob.rules.rule import Match
from keyfob.runtime.configured import catalogue_of, rules_of, targets_of

if TYPE_CHECKING:
    from keyfob.config.settings import Settings
    from keyfob.gate.target import Targets
    from keyfob.rules.rule import Rule

_METHODS: Final = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})
_PROBLEM: Final = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/KeyfobProblem"}}}
_REFUSALS: Final = {
    "401": "There is no API key, or it is not valid.",
    "403": "The API key may not do this.",
    "429": "The API key has used up a limit. `Retry-After` says when to try again.",
}
_PROBLEM_SCHEMA: Final = {
    "title": "KeyfobProblem",
    "description": "Why a request was refused (RFC 9457).",
    "type": "object",
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "code", "request_id")},
        "status": {"type": "integer"},
    },
    "required": ["type", "title", "status", "detail", "code"],
}


def describe(app: FastAPI | APIKeyMiddleware) -> None:
    """Let the document of *app* say for each route which key its rule requires, and how it is refused.

    *app* is the application to which `keyfob.APIKeyMiddleware` was added, or the middleware around it. Routes that
    declare a security requirement of their own keep it, and public ones are left as they are. The document is made anew
    when it is next asked for.

    Raises:
        ConfigError: no `keyfob.APIKeyMiddleware` is around the application, or its settings cannot work.

    """
    inner, settings = _protected(app)
    rules = rules_of(settings.rules, catalogue_of(settings))
    targets, scheme = targets_of(settings, rules, router_behind(inner, settings.app_prefix)), _scheme(settings)
    original = inner.openapi

    def openapi() -> dict[str, Any]:
        if not inner.openapi_schema:
            _complete(original(), targets, scheme)
        return original()

    inner.openapi_schema = None
    inner.openapi = openapi  # type: ignore[method-assign] # the way that FastAPI's documentation names


def _protected(app: FastAPI | APIKeyMiddleware) -> tuple[FastAPI, Settings]:
    """The application, and the settings of the middleware around it."""
    if isinstance(app, APIKeyMiddleware):
        if not isinstance(app.app, FastAPI):
            raise ConfigError("describe() writes into the document of a FastAPI application; this wraps another one")
        return app.app, app.runtime.settings
    for entry in app.user_middleware:
        if isinstance(entry.cls, type) and issubclass(entry.cls, APIKeyMiddleware):
            options: dict[str, Any] = dict(entry.kwargs)
            return app, load_settings(options.pop("config", None), environ=os.environ, overrides=options)
    raise ConfigError(
        "describe() found no APIKeyMiddleware: call it after app.add_middleware(APIKeyMiddleware, …), or hand it the "
        "middleware that is around the application"
    )


def _scheme(settings: Settings) -> dict[str, Any]:
    """How a client sends a key, by the first of the headers that may carry one."""
    header, *_ = settings.credential_headers
    if header != "authorization":
        name = header.title()
        return {"type": "apiKey", "in": "header", "name": name, "description": f"An API key, sent as `{name}: <key>`."}
    scheme, *_ = settings.authorization_schemes
    example = "Basic …` with the key as the user name" if scheme == "basic" else f"{scheme.title()} <key>`"
    return {"type": "http", "scheme": scheme, "description": f"An API key, sent as `Authorization: {example}."}


def _complete(document: dict[str, Any], targets: Targets, scheme: dict[str, Any]) -> None:
    """Add to *document*, in place."""
    found = False
    for path, operations in document.get("paths", {}).items():
        for method, operation in operations.items():
            if method not in _METHODS:
                continue
            scope = {"type": "http", "method": method.upper(), "path": path, "root_path": "", "headers": []}
            target = targets.of(scope)
            if isinstance(target, Match) and not target.rule.public:
                found = _require(operation, target.rule) or found
    components = document.setdefault("components", {}) if found else document.get("components", {})
    if found or SCHEME in components.get("securitySchemes", {}):
        components.setdefault("securitySchemes", {})[SCHEME] = scheme
    if found:
        components.setdefault("schemas", {}).setdefault("KeyfobProblem", _PROBLEM_SCHEMA)


def _require(operation: dict[str, Any], rule: Rule) -> bool:
    """Write into *operation* what *rule* requires, unless it says so already. Answers whether it was written."""
    own: list[dict[str, Any]] = operation.get("security", [])
    if any(SCHEME in alternative for alternative in own) or (own and not rule.otherwise_app):
        return False
    alternatives = [[*rule.all_of, one] for one in rule.any_of] or [list(rule.all_of)]
    keys: list[dict[str, Any]] = [{SCHEME: permissions} for permissions in alternatives]
    others = own or ([{}] if rule.otherwise_app else [])  # an empty requirement: without a key, too
    operation["security"] = [*keys, *others]
    for status, description in _REFUSALS.items():
        operation.setdefault("responses", {}).setdefault(status, {"description": description, "content": _PROBLEM})
    return True
