from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from msgspec import convert
from openapi_spec_validator import OpenAPIV31SpecValidator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from keyfob_admin.api import TABLE
from keyfob_admin.api.openapi import describe
from keyfob_admin.problems import ProblemDetails
from keyfob_admin.wire.requests import NoQuery
from tests.keyfob_admin.api.conftest import TEAM

if TYPE_CHECKING:
    from schemathesis import Case

    from keyfob_admin.api import Call
    from keyfob_admin.api.route import Route
    from tests.keyfob_admin.api.conftest import LiveAdmin

DOCUMENT = describe(TABLE, version="0")
OPERATIONS = [
    (path, method, operation) for path, methods in DOCUMENT["paths"].items() for method, operation in methods.items()
]


def test_the_document_is_valid_openapi() -> None:
    """The generated document follows the OpenAPI 3.1 specification."""
    assert "3.1.0" == DOCUMENT["openapi"]
    assert [] == list(OpenAPIV31SpecValidator(DOCUMENT).iter_errors())


def test_every_call_is_described_once() -> None:
    """The document has the table's calls and no others, each under a name of its own."""
    assert {(row.path, row.method.lower(), row.name) for row in TABLE} == {
        (path, method, operation["operationId"]) for path, method, operation in OPERATIONS
    }
    assert len(TABLE) == len({row.name for row in TABLE})


@pytest.mark.parametrize(("path", "method", "operation"), OPERATIONS, ids=lambda part: str(part)[:40])
def test_every_guarded_call_says_so(path: str, method: str, operation: dict[str, Any]) -> None:
    """What is under /v1 takes a bearer, the one scheme, and can be refused; the rest needs none."""
    schemes = [name for entry in operation["security"] for name in entry]

    guarded = path.startswith("/v1/")
    assert (["bearer"] if guarded else []) == schemes
    assert guarded is {"401", "403"}.issubset(operation["responses"])
    assert method == "get" or guarded


def test_bodies_refuse_unknown_members_and_answers_name_theirs() -> None:
    """The schemas say what the code does."""
    schemas = DOCUMENT["components"]["schemas"]

    assert schemas["CreateKey"]["additionalProperties"] is False
    assert ["name"] == schemas["CreateKey"]["required"]
    assert 100 == schemas["CreateKey"]["properties"]["name"]["maxLength"]
    assert {"key"} == set(schemas["NewKey"]["required"])  # a handover has a link in place of the secret
    assert schemas["Verification"]["properties"].keys() == set(schemas["Verification"]["required"])


def parts_of(node: Any) -> list[dict[str, Any]]:
    """Every object in the document."""
    below = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [part for child in below for part in parts_of(child)] + ([node] if isinstance(node, dict) else [])


def test_ff_36_the_document_is_one_that_generators_understand() -> None:
    """One scheme, one content type for each body, a type for each enumeration, and no defaults in bodies."""
    assert ["bearer"] == list(DOCUMENT["components"]["securitySchemes"])
    bodies = [part["content"] for part in parts_of(DOCUMENT["paths"]) if "content" in part]
    assert {1} == {len(content) for content in bodies}
    assert [] == [part for part in parts_of(DOCUMENT["components"]) if "default" in part]
    assert [] == [part for part in parts_of(DOCUMENT) if "default" in part and part["default"] is None]
    assert [] == [part for part in parts_of(DOCUMENT) if isinstance(part.get("enum"), list) and "type" not in part]


def test_ff_36_every_time_has_its_format() -> None:
    """What is called a moment is a date-time, in bodies, answers and queries."""
    moments = {"at", "since", "unused_since", "confirmed_at", "effective_by", "effective_at", "expires_at"}
    moments |= {"created_at", "disabled_at"}
    schemas = [part["properties"] for part in DOCUMENT["components"]["schemas"].values()]
    found = [(name, schema) for properties in schemas for name, schema in properties.items() if name in moments]
    found += [(part["name"], part["schema"]) for part in parts_of(DOCUMENT["paths"]) if part.get("name") in moments]

    assert 21 <= len(found)
    assert [] == [name for name, schema in found if "'format': 'date-time'" not in str(schema)]


def test_ff_36_the_limits_are_in_the_schemas() -> None:
    """A client can know them before it asks."""
    key = DOCUMENT["components"]["schemas"]["CreateKey"]["properties"]

    assert (1, 100) == (key["name"]["minLength"], key["name"]["maxLength"])
    assert (200, 64) == (key["permissions"]["maxItems"], key["ip_allow"]["maxItems"])
    assert 1000 == key["description"]["anyOf"][0]["maxLength"]


def test_ff_36_the_document_says_whose_it_is() -> None:
    """Contact, licence, and a description for every tag and call."""
    assert {"contact", "license", "description", "summary"} <= DOCUMENT["info"].keys()
    tags = {tag["name"] for tag in DOCUMENT["tags"] if tag["description"]}
    assert tags == {tag for _, _, operation in OPERATIONS for tag in operation["tags"]}
    assert all(operation["description"] for _, _, operation in OPERATIONS)


SHAPES = {shape.__name__: shape for row in TABLE for shape in (row.body, row.answer, row.streamed) if shape}


@pytest.mark.parametrize("name", sorted({*SHAPES, "ProblemDetails"}))
def test_ff_36_every_body_has_an_example_that_is_one(name: str) -> None:
    """The examples are what the code reads and writes: no member more, none less than are required."""
    schema = DOCUMENT["components"]["schemas"][name]
    (example,) = schema["examples"]
    shape = SHAPES.get(name, ProblemDetails)

    assert isinstance(convert(example, shape), shape)
    assert example.keys() <= schema["properties"].keys()


def test_the_live_document_is_the_generated_one(live_admin: LiveAdmin) -> None:
    """What is served is made from the table that routes."""
    served = live_admin.client.get(live_admin.url + "/openapi.json")

    assert 200 == served.status_code
    assert DOCUMENT["paths"] == served.json()["paths"]


CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@pytest.mark.parametrize(
    ("row", "mode"),
    [(row, GenerationMode.POSITIVE) for row in TABLE]
    + [(row, GenerationMode.NEGATIVE) for row in TABLE if row.body or row.query is not NoQuery],
    ids=lambda part: getattr(part, "name", str(part)),
)
def test_the_api_answers_as_its_document_says(
    standing_admin: LiveAdmin, row: Route[Call], mode: GenerationMode
) -> None:
    """Whatever is sent, right or wrong, the status, headers and body are those that the document names."""
    made = standing_admin.make()
    known = {"team": TEAM, "key": made.id}
    operation = schemathesis.openapi.from_dict(DOCUMENT)[row.path][row.method]
    path = {name: value for name, value in known.items() if f"{{{name}}}" in row.path}

    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode, path_parameters=path))
    def conforms(case: Case[Any]) -> None:
        authorization = {"Authorization": f"Bearer {standing_admin.root}"}
        case.call_and_validate(base_url=standing_admin.url, headers=authorization, checks=CHECKS)

    conforms()
