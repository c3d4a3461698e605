"""A session by the headers of a proxy lasts as long as every request has them, for the same person."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.config.people import HeaderSettings, PeopleSettings
from tests.keyfob_admin.console.conftest import TEAM, Installation, LiveConsole, Visitor, running
from tests.keyfob_admin.console.people import closing, joined
from tests.keyfob_admin.console.proxied import (
    CLEO,
    EMAIL,
    GROUPS,
    NAME,
    live,
    people_of,
    press,
    through_proxy,
)
from tests.keyfob_admin.console.sessions import SESSION, is_in

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["closing", "live"]  # fixtures of these tests
pytestmark = pytest.mark.both_engines


@pytest.fixture
def cleo(live: LiveConsole) -> Iterator[Visitor]:
    with through_proxy(live) as visitor:
        assert 303 == press(visitor).status_code
        yield visitor


def is_in_with(visitor: Visitor, live: LiveConsole, *lines: tuple[str, str]) -> bool:
    """Whether the session of *visitor* is good in a request with these header lines."""
    with Visitor(live.url, cookies=visitor.cookies) as same:
        return same.get("/keys", headers=list(lines)).status_code == 200


def test_without_the_header_the_session_ends(cleo: Visitor, live: LiveConsole) -> None:
    """A cookie that comes past the proxy, or after signing out there, opens nothing, and nothing from then on."""
    assert is_in(cleo)
    assert not is_in_with(cleo, live)
    assert not is_in(cleo)


def test_another_address_ends_the_older_session(cleo: Visitor, live: LiveConsole) -> None:
    """Whoever signs in at the proxy as somebody else is not the person before, who signs in anew as well."""
    dora = {**CLEO, EMAIL: "dora@example.com"}
    assert not is_in_with(cleo, live, *dora.items())
    assert not is_in(cleo)
    with through_proxy(live, dora) as other:
        assert 303 == press(other).status_code
    assert 2 == len({person.id for person in people_of(live)})


def test_the_address_counts_in_any_case(cleo: Visitor, live: LiveConsole) -> None:
    """A proxy that writes the same address in other letters names the same person."""
    assert is_in_with(cleo, live, (EMAIL, "CLEO@EXAMPLE.COM"))
    assert is_in(cleo)


@pytest.mark.parametrize("header", [EMAIL, NAME, GROUPS])
def test_two_lines_end_the_session(cleo: Visitor, live: LiveConsole, header: str) -> None:
    """What a client adds to the proxy's own is never read, in no request."""
    assert not is_in_with(cleo, live, *CLEO.items(), (header, "acme-leads"))


def test_groups_are_looked_at_in_every_request(cleo: Visitor, live: LiveConsole) -> None:
    """Another group is another role on the next page, and without any the session ends; History tells of both."""
    assert is_in_with(cleo, live, *{**CLEO, GROUPS: "acme-leads"}.items())
    assert ["team_admin"] == [one.role for person in people_of(live) for one in person.memberships]
    assert not is_in_with(cleo, live, *{**CLEO, GROUPS: "others"}.items())
    assert not is_in(cleo)


def test_a_missing_groups_header_changes_nothing(cleo: Visitor, live: LiveConsole) -> None:
    """A proxy that says nothing of groups takes none away; an empty header says that there are none."""
    assert is_in_with(cleo, live, (EMAIL, CLEO[EMAIL]), (NAME, CLEO[NAME]))
    assert ["member"] == [one.role for person in people_of(live) for one in person.memberships]
    assert not is_in_with(cleo, live, *{**CLEO, GROUPS: ""}.items())


def test_another_name_is_shown_from_the_next_page_on(cleo: Visitor) -> None:
    """What the proxy calls somebody is what the console calls them."""
    assert "Cleo Ruiz" in cleo.get("/keys", headers={NAME: "Cleo Ruiz"}).text


def test_other_sessions_need_no_header(live: LiveConsole) -> None:
    """Who signed in by a passphrase or an admin key is not who the proxy names, and nonsense ends nothing."""
    _, ben = joined(live, "ben@example.com")
    with Visitor(live.url) as root:
        assert 303 == root.sign_in(live.installation.admin_key).status_code
        for visitor in (ben, root):
            for lines in ([], list(CLEO.items()), [*CLEO.items(), *CLEO.items()]):
                assert is_in_with(visitor, live, *lines)
        assert [] == people_of(live)


@pytest.mark.parametrize("way", ["local", "header"])
def test_a_way_that_is_taken_out_ends_its_sessions(live: LiveConsole, cleo: Visitor, way: str) -> None:
    """Who came by a way that the configuration no longer names is out after the restart; the others stay."""
    _, ben = joined(live, "ben@example.com")
    proxy = HeaderSettings(trusted_proxies=("127.0.0.1/32",))
    people = PeopleSettings(sign_in=tuple({"local", "header"} - {way}), header=proxy)
    installation = live.installation
    less = Installation(replace(installation.settings, people=people), installation.admin_key, installation.admin)
    with running(less) as url:
        after = {}
        for name, visitor in {"local": ben, "header": cleo}.items():
            with Visitor(url, headers=CLEO, cookies={SESSION: visitor.cookies[SESSION]}) as same:
                after[name] = is_in(same)

    assert {"local": True, "header": True, way: False} == after
    assert TEAM == installation.admin.team
