"""The OpenAPI 3.1 document, generated from the table that also routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from keyfob_admin.api.route import by_path
from keyfob_admin.problems import PROBLEM_JSON, STATUSES, TITLES, ProblemDetails
from keyfob_admin.wire.media_types import JSON, NDJSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob_admin.api.route import C, Route

_REF: Final = "#/components/schemas/{name}"
_PARAMETER: Final = re.compile(r"{(\w+)}")
_SCHEMES: Final = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "`Authorization: Bearer kf_admin_…`"},
    "apiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_PATH_PARAMETERS: Final = {
    "team": {"description": "A team's id.", "schema": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"}},
    "key": {
        "description": "A key's id: the 16 characters, or as displayed (`kf_api_…`).",
        "schema": {"type": "string", "pattern": "^([a-z][a-z0-9]{1,15}_[a-z][a-z0-9]{1,15}_)?[0-9A-Za-z]{16}$"},
    },
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1–255 visible ASCII characters. For 24 hours, a repeated call answers 200 without a secret.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `etag` of the key as you read it, or `*` (RFC 9110, section 13.1.1).",
    "schema": {"type": "string"},
}
_HEADERS: Final = {
    "ETag": {"description": "The key's entity tag, strong.", "schema": {"type": "string"}},
    "Location": {"description": "Where the new thing is.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {"description": "`true`", "schema": {"type": "string", "enum": ["true"]}},
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
    "Allow": {"description": "The methods that this path has.", "schema": {"type": "string"}},
}

Json = dict[str, Any]


def describe(routes: Sequence[Route[C]], *, version: str) -> Json:
    """Make the document, but for its servers: only a request tells where the API is mounted."""
    named = {shape for route in routes for shape in (route.body, route.answer, route.streamed) if shape}
    shapes: list[type[msgspec.Struct]] = sorted({*named, ProblemDetails}, key=repr)
    _, schemas = msgspec.json.schema_components(shapes, ref_template=_REF)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Keyfob admin API",
            "version": version,
            "description": "Create, change, disable and delete API keys. Query parameters that a call does not know "
            "are ignored; members of a body that it does not know are refused.",
        },
        "paths": {
            path: {method.lower(): _operation(route) for method, route in methods.items()}
            for path, methods in by_path(routes).items()
        },
        "components": {"schemas": schemas, "securitySchemes": _SCHEMES},
    }


def _operation(route: Route[C]) -> Json:
    described: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": {str(status): _problem(status) for status in sorted(_refusals(route))} | _answers(route),
        "security": [{scheme: []} for scheme in _SCHEMES] if route.is_guarded else [],
    }
    if route.is_guarded:
        described["description"] = f"Needs {_needs(route)}."
    if route.body:
        content = {media: {"schema": _ref(route.body)} for media in route.media_types}
        described["requestBody"] = {"required": route.body_required, "content": content}
    return described


def _needs(route: Route[C]) -> str:
    return " or ".join(f"`{one}`" for one in route.any_of) if route.any_of else "any admin key"


def _parameters(route: Route[C]) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, **_PATH_PARAMETERS[name]}
        for name in _PARAMETER.findall(route.path)
    ]
    if route.query:
        found += _query_parameters(route.query)
    return found + [_IDEMPOTENCY_KEY] * route.repeatable + [_IF_MATCH] * route.conditional


def _query_parameters(query: type[msgspec.Struct]) -> list[Json]:
    return [
        {"name": name, "in": "query", "required": False, "description": schema.pop("description", ""), "schema": schema}
        for name, schema in _properties_of(query).items()
    ]


def _properties_of(shape: type[msgspec.Struct]) -> dict[str, Json]:
    schema = msgspec.json.schema(shape)
    properties: dict[str, Json] = schema["$defs"][shape.__name__]["properties"]
    return properties


def _answers(route: Route[C]) -> Json:
    content: Json = {JSON: {"schema": _ref(route.answer)}} if route.answer else {}
    if route.streamed:
        content[NDJSON] = {"schema": {"type": "string", "description": f"One `{route.streamed.__name__}` a line."}}
    answer: Json = {"description": "Done."} | ({"content": content} if content else {})
    headers = ["ETag"] * route.tagged + ["Location"] * (route.status == 201)  # noqa: PLR2004
    if headers:
        answer["headers"] = {name: _HEADERS[name] for name in headers}
    answers = {str(route.status): answer}
    if route.repeatable:
        replay = {"description": "Done before, under the same Idempotency-Key.", "content": content}
        answers["200"] = replay | {"headers": {"Idempotency-Replayed": _HEADERS["Idempotency-Replayed"]}}
    if route.unready:
        unready = {"description": "Not now.", "content": {JSON: {"schema": _ref(route.unready)}}}
        answers["503"] = unready | {"headers": {"Retry-After": _HEADERS["Retry-After"]}}
    return answers


def _refusals(route: Route[C]) -> set[int]:
    """Every status that the call may be refused with."""
    statuses = {STATUSES[kind] for kind in route.refusals} | {400}
    if route.is_guarded:
        statuses |= {401, 403, 503}
    if "{" in route.path:
        statuses.add(404)
    if route.body:
        statuses |= {413, 415, 422}
    if route.query:
        statuses.add(422)
    if route.conditional:
        statuses.add(412)
    return statuses | ({409, 422} if route.repeatable else set())


def _problem(status: int) -> Json:
    problem: Json = {
        "description": TITLES[status],
        "content": {PROBLEM_JSON: {"schema": _ref(ProblemDetails)}},
    }
    if status == 503:  # noqa: PLR2004
        problem["headers"] = {"Retry-After": _HEADERS["Retry-After"]}
    return problem


def _ref(shape: type[msgspec.Struct]) -> Json:
    return {"$ref": _REF.format(name=shape.__name__)}
