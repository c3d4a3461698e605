from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from keyfob.errors import ConfigError
from keyfob.limits import valkey_counter
from tests.keyfob.conftest import ask
from tests.valkey_server import valkey_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyfob.limits.windows import Outcome
    from keyfob.testing import Installation
    from tests.keyfob.conftest import Guard

RULES: dict[str, object] = {
    "GET /items": "items:read",
    "GET /heavy": {"permission": "items:read", "limit": "heavy", "cost": 2},
}
OPTIONS: dict[str, Any] = {
    "rules": RULES,
    "limits": {"daily": {"rate": "3/day"}, "heavy": {"rate": "4/day"}},
    "plans": {"enterprise": {"limits": ["daily"]}},
}
NOBODY = "valkey://127.0.0.1:1/0"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with valkey_server() as address:
        yield address


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer depends on how quick the machine is."""
    monkeypatch.setattr(valkey_counter, "PATIENCE", 60)


@pytest.mark.usefixtures("patience")
async def test_hosts_count_together(here: Installation, guard: Guard, url: str) -> None:
    """Two processes that share nothing but the server let pass as much as one, and each request is counted once."""
    apps = [guard(**OPTIONS, limits_store=url, limits_file=here.folder / str(number)) for number in range(2)]
    issued = await here.issue("items:read")
    answers = [await ask(app, "/items", issued.headers) for _ in range(3) for app in apps]

    assert [200, 200, 200, 429, 429, 429] == [answer.status for answer in answers]
    assert ["2", "1", "0", "0"] == [answer.headers["ratelimit"].split(";")[1][2:] for answer in answers[:4]]
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers[3:])


@pytest.mark.usefixtures("patience")
async def test_a_rule_is_counted_in_the_same_call(here: Installation, guard: Guard, url: str) -> None:
    """Key and rule are counted at once, by what the rule costs."""
    app = guard(**OPTIONS, limits_store=url)
    issued = await here.issue("items:read")
    first = await ask(app, "/heavy", issued.headers)
    second = await ask(app, "/heavy", issued.headers)

    assert (200, 429) == (first.status, second.status)
    assert ["r=1", "r=2"] == [part.split(";")[1] for part in first.headers["ratelimit"].split(", ")]
    assert 200 == (await ask(app, "/items", issued.headers)).status


@pytest.mark.usefixtures("patience")
@pytest.mark.parametrize("cache_size", [0, 100])
async def test_a_key_that_is_disabled_while_it_is_counted_is_refused(
    here: Installation, guard: Guard, url: str, cache_size: int
) -> None:
    """What was true of the key before the server answered is looked at again."""
    app = guard(**OPTIONS, limits_store=url, cache_size=cache_size)
    issued = await here.issue("items:read")
    assert 200 == (await ask(app, "/items", issued.headers)).status
    counter: Any = app.runtime.counter
    counting = counter.take_remotely

    async def disabled_meanwhile(*asked: Any) -> Outcome:
        outcome: Outcome = await counting(*asked)
        await here.disable(issued)
        return outcome

    counter.take_remotely = disabled_meanwhile

    assert 401 == (await ask(app, "/items", issued.headers)).status


@pytest.mark.parametrize(
    ("then", "expected"), [("local", [200, 200, 200, 429]), ("open", [200] * 4), ("closed", [503] * 4)]
)
async def test_an_outage_is_answered_as_configured(
    here: Installation, guard: Guard, caplog: pytest.LogCaptureFixture, then: str, expected: list[int]
) -> None:
    """While the server is away, the host counts alone, all passes, or nothing does; logged once, never 500."""
    app = guard(**OPTIONS, limits_store=NOBODY, limits_on_outage=then)
    issued = await here.issue("items:read")

    assert expected == [(await ask(app, "/items", issued.headers)).status for _ in range(4)]
    assert 1 == sum("limits cannot be counted" in line for line in caplog.messages)
    assert (then == "local") == (here.folder / "keyfob.db-limits").exists()


async def test_a_request_without_limits_asks_nobody(here: Installation, guard: Guard) -> None:
    """What is not limited does not depend on the server."""
    options = {**OPTIONS, "plans": {}}
    app = guard(**options, limits_store=NOBODY, limits_on_outage="closed")
    issued = await here.issue("items:read")

    assert [200, 503] == [(await ask(app, path, issued.headers)).status for path in ("/items", "/heavy")]


@pytest.mark.parametrize("url", ["valkey://", "http://host", "Local", "valkey", 5])
def test_a_wrong_address_is_refused_without_being_repeated(guard: Guard, url: object) -> None:
    """An address may hold a password, so that no message shows it."""
    with pytest.raises(ConfigError, match='limits_store must be "local", or a URL such as'):
        guard(**OPTIONS, limits_store=url)
