"""What the team's settings and the visitor's theme change."""

from __future__ import annotations

from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, hidden, words
from tests.keyfob_admin.console.people import joined


def test_settings_change_the_team(visitor: Visitor) -> None:
    """Who holds teams:write renames the team and changes its plan; a mistake is said and kept."""
    answer = visitor.send_form("/settings", name="Acme Ltd", plan="teams")
    assert "The team was changed." in words(visitor.get(answer.headers["location"]).text)
    wrong = visitor.send_form("/settings", name="", plan="gold")
    assert 422 == wrong.status_code
    assert "Enter a name" in words(wrong.text)
    assert "There is no plan gold" in visitor.send_form("/settings", name="x", plan="gold").text


def test_settings_can_only_be_read_without_the_permission(live: LiveConsole) -> None:
    """Who lacks teams:write sees the team, and a crafted request is 403."""
    _, secret = live.make("reader", key_type="admin", permissions=("keys:read",))
    with Visitor(live.url) as visitor:
        visitor.sign_in(secret)
        page = visitor.get("/settings").text
        assert "To change these, sign in with an admin key that holds teams:write." in words(page)
        assert 403 == visitor.post("/settings", data={**hidden(page), "name": "x", "plan": "teams"}).status_code


def test_a_person_is_told_what_the_role_lacks(live: LiveConsole) -> None:
    """Somebody who signed in by name is not sent for an admin key."""
    _, admin = joined(live, "tea@example.com", "team_admin")
    said = words(admin.get("/settings").text)
    assert "Your role doesn't hold teams:write, which this needs." in said
    assert "admin key" not in said


def test_the_theme_is_remembered(visitor: Visitor) -> None:
    """Light or dark is written into every page until the system is chosen again; the page one was on comes back."""
    form = hidden(visitor.get("/permissions").text)
    for theme in ("dark", "light"):
        answer = visitor.post("/theme", data={**form, "theme": theme})
        assert "/permissions" == answer.headers["location"]
        assert f'data-theme="{theme}"' in visitor.get("/keys").text
    visitor.post("/theme", data={**form, "theme": "system"})
    assert "data-theme" not in visitor.get("/keys").text
