"""Which rule applies to a request, and what of it is remembered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.gate.target import Targets
from keyfob.gate.verdict import Reason
from keyfob.rules.compiler import compile_rules
from keyfob.rules.table import Match
from tests.keyfob.conftest import ask

if TYPE_CHECKING:
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Echo, Guard

RULES = {
    "GET /items": "items:read",
    "/any/{name}": [],
    "POST /closed": "items:write",
    "/closed": {"public": True},
    "WS /ws": [],
}


def targets() -> Targets:
    return Targets(compile_rules(RULES, known=None, key_types=("api",)), encoded_slash=False)


def http(method: str, path: str, **more: Any) -> dict[str, Any]:
    return {"type": "http", "method": method, "path": path, **more}


BAD_METHODS = [
    "get",
    "Get",
    "GET ",
    "",
    "GÉT",
    "GET\n",
    "G" * 33,
    "G" * 50_000,
    "M.SEARCH",
    "GET/",
    "GE\x00T",
    "\uff27ET",
]
GOOD_METHODS = ["GET", "M-SEARCH", "VERSION_CONTROL", "X1", "G" * 32, "-", "WS"]


@pytest.mark.parametrize("method", BAD_METHODS)
@pytest.mark.parametrize("path", ["/items", "/any/1", "/closed", "/nowhere"])
def test_ff_16_a_method_is_written_in_upper_case_letters_digits_hyphens_and_underscores(method: str, path: str) -> None:
    """Any other method is refused before a rule is asked, whether the rule names methods or not, and public too."""
    assert Reason.BAD_METHOD is targets().of(http(method, path))


@pytest.mark.parametrize("method", GOOD_METHODS)
def test_ff_16_extension_methods_are_judged(method: str) -> None:
    """Methods of other registries go to the rules for every method."""
    assert isinstance(targets().of(http(method, "/any/1")), Match) is (method != "WS")


async def test_ff_16_a_lower_case_method_is_400_everywhere(here: Installation, guard: Guard, echo: Echo) -> None:
    """Neither a good key nor a public rule lets a method pass that another server may read differently."""
    issued = await here.issue("*")
    app = guard(rules=RULES)

    for path in ("/items", "/closed", "/nowhere"):
        for headers in ({}, issued.headers):
            answer = await ask(app, path, headers, method="post")
            assert (400, b'"invalid_method"') == (answer.status, answer.body[-17:-1])
    assert [] == echo.scopes


def test_ff_16_a_bad_method_comes_before_a_bad_path() -> None:
    """Of two things that are wrong, the method is named."""
    assert Reason.BAD_METHOD is targets().of(http("get", "/a/../b", raw_path=b"/a%2f"))
    assert Reason.BAD_PATH is targets().of(http("GET", "/items", raw_path=b"/items%2f"))


def test_ff_49_what_strangers_send_is_remembered_within_bounds() -> None:
    """Long methods, paths and root paths are judged and forgotten; short ones are bounded in number."""
    found = targets()
    for long in ({"path": "/any/" + "x" * 50_000}, {"path": f"/{'r' * 50_000}/any/1", "root_path": "/" + "r" * 50_000}):
        assert isinstance(found.of(http("GET", **long)), Match)
    found.of(http("G" * 50_000, "/any/1"))
    assert {} == found.matches

    for number in range(10_000):
        found.of(http("GET", f"/any/{number}"))

    assert len(found.matches) <= 4096
    assert max(sum(map(len, filter(None, request))) for request in found.matches) <= 256


def test_a_remembered_path_is_judged_by_its_raw_form_again() -> None:
    """An escape that hides a slash is refused although the same path was let through without one."""
    found = targets()
    assert isinstance(found.of(http("GET", "/items", raw_path=b"/items")), Match)

    assert Reason.BAD_PATH is found.of(http("GET", "/items", raw_path=b"/items%5c"))


def test_a_method_that_is_called_ws_is_no_handshake() -> None:
    """A WebSocket's rule is remembered apart from that of an HTTP method with the same name."""
    found = targets()
    assert isinstance(found.of({"type": "websocket", "path": "/ws"}), Match)

    assert Reason.NO_RULE is found.of(http("WS", "/ws"))
