"""The OpenAPI 3.1 document, generated from the table that also routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keyfob_admin.api.route import by_path
from keyfob_admin.api.schemas import KEY_ID, PERSON_ID, TEAM, components, properties, ref
from keyfob_admin.problems import PROBLEM_JSON, STATUSES, TITLES, ProblemDetails
from keyfob_admin.wire.fields import DISPLAY, SLUG
from keyfob_admin.wire.fields import KEY_ID as KEY_ID_PATTERN
from keyfob_admin.wire.media_types import JSON, NDJSON

if TYPE_CHECKING:
    from collections.abc import Sequence

    import msgspec

    from keyfob_admin.api.route import C, Route
    from keyfob_admin.api.schemas import Json

_PARAMETER: Final = re.compile(r"{(\w+)}")
_BEARER: Final = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "kf_admin_<id>_<secret>",
    "description": "An admin key, as `Authorization: Bearer kf_admin_…`.",
}
_INFO: Final = {
    "title": "Keyfob admin API",
    "summary": "Create, change, disable and delete API keys.",
    "description": "Members of a body and query parameters that a call does not know are refused. "
    "PATCH also takes `application/merge-patch+json`. HEAD works where GET does.",
    "contact": {"name": "The Keyfob authors"},
    "license": {"name": "MIT", "identifier": "MIT"},
}
_TAGS: Final = (
    ("Keys", "API keys of a team, their use, and whether a presented key is valid."),
    ("Teams", "Teams and their plans."),
    ("People", "Who belongs to which team, with which role."),
    ("Audit", "Who changed what, when and from where."),
    ("About", "The calling key, what can be granted, and whether Keyfob can serve requests."),
)
_PATH_PARAMETERS: Final = {
    "team": {"description": "A team's id.", "schema": {"type": "string", "pattern": SLUG}, "example": TEAM},
    "person": {
        "description": "A person's id.",
        "schema": {"type": "string", "pattern": "^[0-9A-Za-z]{16}$"},
        "example": PERSON_ID,
    },
    "key": {
        "description": "A key's id: the 16 characters, or the display form (`kf_api_…`).",
        "schema": {"type": "string", "pattern": f"^({DISPLAY.strip('^$')}|{KEY_ID_PATTERN.strip('^$')})$"},
        "example": KEY_ID,
    },
}
_IDEMPOTENCY_KEY: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "1–255 visible ASCII characters. For 24 hours, a repeated call does nothing again, and answers 200 "
    "without a secret.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
_IF_MATCH: Final = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `etag` of the key as you read it, or `*`; 412 if the key has changed "
    "(RFC 9110, section 13.1.1).",
    "schema": {"type": "string"},
}
_IF_NONE_MATCH: Final = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `etag` of the key as you have it; 304 if it is still that (RFC 9110, section 13.1.2).",
    "schema": {"type": "string"},
}
_HEADERS: Final = {
    "ETag": {"description": "The key's entity tag, strong.", "schema": {"type": "string"}},
    "Location": {"description": "The path of what was created.", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true`: it was done before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}},
}


def describe(routes: Sequence[Route[C]], *, version: str) -> Json:
    """Make the document, but for its servers: only a request says where the API is mounted."""
    named = {shape for route in routes for shape in (route.body, route.answer, route.streamed) if shape}
    return {
        "openapi": "3.1.0",
        "info": {**_INFO, "version": version},
        "tags": [{"name": name, "description": description} for name, description in _TAGS],
        "paths": {
            path: {method.lower(): _operation(route) for method, route in methods.items()}
            for path, methods in by_path(routes).items()
        },
        "components": {"schemas": components({*named, ProblemDetails}), "securitySchemes": {"bearer": _BEARER}},
    }


def _operation(route: Route[C]) -> Json:
    described: Json = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": _parameters(route),
        "responses": {str(status): _problem(status) for status in sorted(_refusals(route))} | _answers(route),
        "security": [{"bearer": []}] if route.is_guarded else [],
        "description": _description(route),
    }
    if route.body:
        content = {JSON: {"schema": ref(route.body)}}
        described["requestBody"] = {"required": route.body_required, "content": content}
    return described


def _description(route: Route[C]) -> str:
    needed = f"Needs {_needs(route)}." if route.is_guarded else "Needs no key."
    if route.streamed is None:
        return needed
    return f"{needed} With `Accept: {NDJSON}` all that fits is streamed, one `{route.streamed.__name__}` per line."


def _needs(route: Route[C]) -> str:
    return " or ".join(f"`{one}`" for one in route.any_of) if route.any_of else "any admin key"


def _parameters(route: Route[C]) -> list[Json]:
    found: list[Json] = [
        {"name": name, "in": "path", "required": True, **_PATH_PARAMETERS[name]}
        for name in _PARAMETER.findall(route.path)
    ]
    found += _query_parameters(route.query)
    reads = route.conditional and route.method == "GET"
    return found + [_IDEMPOTENCY_KEY] * route.repeatable + [_IF_MATCH] * route.conditional + [_IF_NONE_MATCH] * reads


def _query_parameters(query: type[msgspec.Struct]) -> list[Json]:
    return [
        {"name": name, "in": "query", "required": False, "description": schema.pop("description", ""), "schema": schema}
        for name, schema in properties(query).items()
    ]


def _answers(route: Route[C]) -> Json:
    content: Json = {JSON: {"schema": ref(route.answer)}} if route.answer else {}
    answer: Json = {"description": "Done."} | ({"content": content} if content else {})
    headers = ["ETag"] * route.tagged + ["Location"] * (route.status == 201)  # noqa: PLR2004
    headers += ["Idempotency-Replayed"] * (route.repeatable and route.status == 200)  # noqa: PLR2004
    if headers:
        answer["headers"] = {name: _HEADERS[name] for name in headers}
    answers = {str(route.status): answer}
    if route.repeatable and route.status != 200:  # noqa: PLR2004
        replay = {"description": "This was done before, under the same `Idempotency-Key`.", "content": content}
        answers["200"] = replay | {"headers": {"Idempotency-Replayed": _HEADERS["Idempotency-Replayed"]}}
    if route.conditional and route.method == "GET":
        answers["304"] = {"description": "The key is what `If-None-Match` names.", "headers": answer["headers"]}
    if route.unready:
        unready = {"description": "Not now.", "content": {JSON: {"schema": ref(route.unready)}}}
        answers["503"] = unready | {"headers": {"Retry-After": _HEADERS["Retry-After"]}}
    return answers


def _refusals(route: Route[C]) -> set[int]:
    """Every status that the call may be refused with."""
    statuses = {STATUSES[kind] for kind in route.refusals} | {400, 422}
    if route.is_guarded:
        statuses |= {401, 403, 503}
    if "{" in route.path:
        statuses.add(404)
    if route.body:
        statuses |= {413, 415}
    if route.conditional:
        statuses.add(412)
    return statuses | ({409} if route.repeatable else set())


def _problem(status: int) -> Json:
    problem: Json = {
        "description": TITLES[status],
        "content": {PROBLEM_JSON: {"schema": ref(ProblemDetails)}},
    }
    if status == 503:  # noqa: PLR2004
        problem["headers"] = {"Retry-After": _HEADERS["Retry-After"]}
    return problem
