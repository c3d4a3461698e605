"""The words of the console, each looked for where it is said."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from keyfob.store.sqlite.store import SQLiteStore
from tests.keyfob_admin.console.conftest import OTHER_TEAM, LiveConsole, Visitor, words

if TYPE_CHECKING:
    from collections.abc import Sequence

NAVIGATION = "Keys People Permissions History Settings"
FOOT = "Signed in as root Theme System Light Dark Your sessions Sign out"


@pytest.fixture
def keys(live: LiveConsole, visitor: Visitor) -> dict[str, str]:
    """Keys in the states that pages speak of, by name."""
    used, _ = live.make("billing-worker", permissions=("items:read", "users:read"))
    off, _ = live.make("nightly-export")
    visitor.send_form(f"/keys/{off.id}/disable")
    soon = datetime.now(UTC) + timedelta(days=6, hours=1)
    expiring, _ = live.make("short", expires_at=soon)
    copy = visitor.send_form(f"/keys/{used.id}/duplicate", name="Copy of billing-worker", permission="items:read")
    found = re.search(r"kf_api_([0-9A-Za-z]{16})_", copy.text)
    assert found is not None
    return {"billing-worker": used.id, "nightly-export": off.id, "short": expiring.id, "copy": found[1]}


def on(path: str, *said: str) -> tuple[str, Sequence[str]]:
    return path, said


PAGES = [
    on("/login", "Sign in to keyfob", "Admin key", "Sign in", "No admin key? Run keyfob console login on the server for a one-time link."),  # noqa: E501
    on("/keys", NAVIGATION, FOOT, "Create Key", "Keys 5", "1 expires in 30 days 3 never expire", "State Any state Active Disabled Pending Expired Suspended", "Type Any type", "Name Type State Owner Last used Expires Use in the last 30 days", "acme team", "Never", "Expires in 6 days", "Open Edit key Replace Key… Duplicate Key Copy key ID Disable Key… Delete Key Disable this key before you can delete it.", "Delete Key…", "Showing 1–5 of 5"),  # noqa: E501
    on("/keys?state=active", "Clear"),
    on(f"/keys?team={OTHER_TEAM}", "No keys yet. Create a key to let a script or service call your API. Create Key"),
    on("/keys?q=zzzz", "No keys match these filters. Clear filters"),
    on("/keys/new", "Create key", "What will use this key?", "Public API key For scripts, services and partners that call your HTTP API.", "Team computer key For machines that enrol themselves. One per team.", "SCIM key For your identity provider to provision users. One per team.", "Next Cancel"),  # noqa: E501
    on("/keys/new?type=api", "Create Public API Key", "Say what uses the key and where, for example 'billing-worker, production'.", "Description (optional)", "Never 30 days, ", "After a date From then on, requests get 401 Unauthorized.", "Limit to IP addresses (optional)", "Start with none. Grant only what the caller needs.", "None Read only All", "0 of 2 granted", "This key will be able to: nothing yet", "Create with no permissions", "Generate Key Cancel"),  # noqa: E501
    on("/keys/{billing-worker}", "Replace Key", "Duplicate Key Disable Key", "Delete Key", "Disable this key before you can delete it.", "Overview Permissions History", "Key ID kf_api_", "Type Public API key", "Created", "By ana@example.com (command line)", "Last used Never Updated up to 1 second late", "Expires Never", "Addresses Any", "View as table", "Disable 'billing-worker'? Requests that present this key get 401 Unauthorized from now on.", "You can enable it again at any time. Why? (optional) Cancel Disable Key"),  # noqa: E501
    on("/keys/{copy}", "Duplicated from billing-worker"),
    on("/keys/{billing-worker}/permissions", "Set when the key was generated on", "by ana@example.com (command line)", "Edit permissions", "Granted (2 of 5)", "Not granted (3)"),  # noqa: E501
    on("/keys/{billing-worker}/activity", "Created", "Export", "203.0.113.9"),
    on("/keys/{billing-worker}/duplicate", "Duplicate 'billing-worker'", "This is a draft. The original key won't change and keeps its own secret.", "Added Removed", "This key will be able to: read items, read users", "Generate Key"),  # noqa: E501
    on("/keys/{billing-worker}?again=1", "This key was already generated. Its secret can't be shown again."),
    on("/keys/{nightly-export}?done=disabled", "'nightly-export' is disabled. Enable Key", "Delete 'nightly-export'? This can't be undone. The key can never be used again and its secret is erased. Its activity stays in the audit log. Why? (optional) Cancel Delete Key"),  # noqa: E501
    on("/keys/{short}?done=enabled", "'short' is active again."),
    on("/keys/0000000000000000", "This key doesn't exist, or it was deleted."),
]  # fmt: skip


def test_every_page_says_what_it_should(live: LiveConsole, visitor: Visitor, keys: dict[str, str]) -> None:
    """The controls, columns, hints and messages of each page read as they were written."""
    missing = []
    for path, wanted in PAGES:
        place = re.sub(r"\{([a-z-]+)\}", lambda name: keys[name[1]], path)
        if path == "/login":
            with Visitor(live.url) as stranger:
                said = words(stranger.get(place).text)
        else:
            said = words(visitor.get(place).text)
        missing += [(path, part, said) for part in wanted if part not in said]
    assert [] == missing


def test_fields_say_what_they_are_for(visitor: Visitor) -> None:
    """Fields without a label beside them carry their words themselves."""
    text = visitor.get("/keys").text
    assert 'placeholder="Search, or paste a key, a log line or an ID"' in text
    assert 'aria-label="Main"' in text


def test_the_reveal_says_what_to_do(visitor: Visitor) -> None:
    """The reveal warns, shows name and id, and offers what there is to do; its script says the rest."""
    answer = visitor.send_form("/keys/new?type=api", name="billing-worker", permission="items:read")
    said = words(answer.text)
    for part in (
        "Save your key secret",
        (
            "This is the only time the secret is shown. If you leave this page without copying it, it can't be "
            "recovered. You would need to duplicate the key to get a new secret."
        ),
        "Name billing-worker Key ID kf_api_",
        "Key secret",
        "Hide Copy",
        "Try it The command takes the secret from a variable",
        "curl -H",
        "Copy as curl",
        "I have stored the secret somewhere safe Done",
    ):
        assert part in said
    (script,) = re.findall(r'src="(/static/[^"]+\.js)"', answer.text)
    source = visitor.get(script).text
    for part in ("Secret copied to clipboard", "Secret hidden", "Secret shown", "Press Ctrl+C to copy", "Show"):
        assert f'"{part}"' in source


def test_where_others_see_a_change_later_the_dialog_says_how_much(
    live: LiveConsole, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a disabled key can pass a while longer on other hosts, that time is named instead of "from now on"."""
    record, _ = live.make("far")
    monkeypatch.setattr(SQLiteStore, "is_immediate", property(lambda _: False))
    said = words(visitor.get(f"/keys/{record.id}").text)
    assert "Requests that present this key get 401 Unauthorized within 2 seconds. It was never used." in said
