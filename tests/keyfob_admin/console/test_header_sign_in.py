"""People sign in by the headers of a proxy, with the button of the sign-in page or of an invitation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.keyfob_admin.console.conftest import TEAM, LiveConsole, Visitor, words
from tests.keyfob_admin.console.people import CLI, beside, closing, invited, joined
from tests.keyfob_admin.console.proxied import (
    CLEO,
    EMAIL,
    GROUPS,
    SIGN_IN,
    console_behind,
    live,
    people_of,
    press,
    through_proxy,
)
from tests.keyfob_admin.console.sessions import is_in

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["closing", "live"]  # fixtures of these tests
pytestmark = pytest.mark.both_engines


def test_the_button_signs_in_whom_the_proxy_names(live: LiveConsole) -> None:
    """The page names them; their groups give the role, and the page that they wanted comes next."""
    with through_proxy(live) as cleo:
        page = cleo.get("/login?next=/keys/new")
        assert "Continue as Cleo@example.com" in words(page.text)
        assert "/keys/new" == press(cleo, "/login?next=/keys/new").headers["location"]
        assert "Cleo" in words(cleo.get("/keys").text)
    (person,) = people_of(live)
    assert ("cleo@example.com", [(TEAM, "member", "group")]) == (
        person.subject,
        [(one.team, one.role, one.by.value) for one in person.memberships],
    )
    assert person.last_sign_in_at is not None


def test_the_button_leads_to_no_other_site(live: LiveConsole) -> None:
    """A page wanted that is none of the console's counts for nothing."""
    with through_proxy(live) as cleo:
        assert "/keys" == press(cleo, "/login?next=//evil.example/").headers["location"]


@pytest.mark.parametrize("proxy", ["10.0.0.5/32", "unix"])
def test_from_any_other_peer_the_headers_count_for_nothing(tmp_path: Path, proxy: str) -> None:
    """Whoever reaches the console past the proxy sees no button and is refused, whatever the headers say."""
    forged = {**CLEO, "X-Forwarded-For": "10.0.0.5", "Forwarded": "for=10.0.0.5", "X-Real-IP": "10.0.0.5"}
    with console_behind(proxy, tmp_path) as live, through_proxy(live, forged) as eve:
        page = eve.get("/login")
        assert (False, True) == ("Continue as" in page.text, "has signed nobody in" in words(page.text))
        assert 403 == press(eve).status_code
        assert not is_in(eve)
        assert [] == people_of(live)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {EMAIL: ""},
        {EMAIL: "nobody", GROUPS: "acme-dev"},
        {EMAIL.replace("-", "_"): "cleo@example.com", GROUPS: "acme-dev"},
        {EMAIL + "-2": "cleo@example.com", GROUPS: "acme-dev"},
        {"X-Auth-Request-Email": "cleo@example.com", GROUPS: "acme-dev"},
    ],
    ids=["none", "empty", "no address", "underscores", "longer name", "other header"],
)
def test_without_a_good_header_nobody_is_there(live: LiveConsole, headers: dict[str, str]) -> None:
    """A header that is missing, empty, nonsense or spelt in another way signs nobody in."""
    with through_proxy(live, headers) as nobody:
        assert 403 == press(nobody).status_code
        assert not is_in(nobody)
    assert [] == people_of(live)


@pytest.mark.parametrize("header", [EMAIL, GROUPS])
def test_two_lines_of_one_header_are_refused(live: LiveConsole, header: str, caplog: pytest.LogCaptureFixture) -> None:
    """A second line may be the client's own; the log names the header, and the page does not."""
    with Visitor(live.url) as eve:
        lines = [*CLEO.items(), (header, "acme-leads@example.com")]
        answer = press(eve, headers=lines)
        assert (403, False) == (answer.status_code, "twice" in answer.text)
        assert not is_in(eve)
    assert "header_twice" in caplog.text
    assert [] == people_of(live)


def test_a_form_of_another_site_signs_nobody_in(live: LiveConsole) -> None:
    """The proxy adds its headers to whatever a browser sends, so the form's token decides as everywhere."""
    with through_proxy(live) as cleo:
        cleo.get("/login")
        assert 403 == cleo.post(SIGN_IN).status_code
        assert 403 == press(cleo, headers={"Sec-Fetch-Site": "cross-site"}).status_code
        assert not is_in(cleo)


def test_over_plain_http_beyond_this_machine_nobody_signs_in(live: LiveConsole) -> None:
    """The session's cookie would travel in the open, whoever stands in front."""
    with through_proxy(live) as cleo:
        form = press(cleo, headers={"Host": "keys.example.com"})
        assert (403, False) == (form.status_code, "keyfob_session" in form.headers.get("set-cookie", ""))


def test_somebody_without_a_role_is_refused(live: LiveConsole) -> None:
    """The proxy says who somebody is, and not what they may do."""
    with through_proxy(live, {**CLEO, GROUPS: "others"}) as eve:
        answer = press(eve)
        assert (403, True) == (answer.status_code, "You couldn't be signed in." in words(answer.text))
    assert [] == people_of(live)


def test_an_address_joins_no_local_person(live: LiveConsole) -> None:
    """The proxy's person is another than the one with a passphrase, and gets none of their roles."""
    joined(live, "cleo@example.com", "team_admin")
    with through_proxy(live, {**CLEO, GROUPS: ""}) as cleo:
        assert 403 == press(cleo).status_code


def test_somebody_who_has_left_is_refused(live: LiveConsole) -> None:
    """A group brings nobody back, and what was open ends."""
    with through_proxy(live) as cleo:
        assert 303 == press(cleo).status_code
        (person,) = people_of(live)
        beside(live, lambda runtime: runtime.offboarding.run(person.id, keys="keep", actor=CLI))
        assert not is_in(cleo)
        assert 403 == press(cleo).status_code


def test_an_invitation_is_redeemed_by_the_proxy(live: LiveConsole) -> None:
    """The invited address becomes the proxy's person with the role given; the link counts once."""
    _, path = invited(live, "cleo@example.com", "team_admin")
    with through_proxy(live, {EMAIL: "cleo@example.com"}) as cleo:
        assert "Continue as cleo@example.com" in words(cleo.get(path).text)
        assert 303 == press(cleo, path, f"{path}/header").status_code
        assert is_in(cleo)
        assert 410 == press(cleo, "/keys", f"{path}/header").status_code
    assert ["team_admin"] == [one.role for person in people_of(live) for one in person.memberships]


@pytest.mark.parametrize("headers", [{EMAIL: "eve@example.com"}, {}])
def test_nobody_else_redeems_an_invitation(live: LiveConsole, headers: dict[str, str]) -> None:
    """Another address, or none, leaves the link as good as it was."""
    _, path = invited(live, "cleo@example.com")
    with through_proxy(live, headers) as eve:
        assert 403 == press(eve, path, f"{path}/header").status_code
        assert not is_in(eve)
        assert 200 == eve.get(path).status_code


@pytest.mark.parametrize("ways", [("local",), ("header",)], ids=["header off", "header alone"])
def test_the_ways_are_those_configured(tmp_path: Path, ways: tuple[str, ...]) -> None:
    """Where header is not named its pages are not found; where it is alone nobody is asked for a passphrase."""
    with console_behind("127.0.0.1/32", tmp_path, *ways) as live, through_proxy(live) as cleo:
        shown: Any = ["Continue as" in cleo.get("/login").text, "Passphrase" in words(cleo.get("/login").text)]
        assert [ways == ("header",), ways == ("local",)] == shown
        assert (303 if ways == ("header",) else 404) == press(cleo).status_code
