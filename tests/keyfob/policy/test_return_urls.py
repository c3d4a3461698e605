"""Where a page may lead back to: what lies below a configured address, and nothing that could be read as another."""

from __future__ import annotations

import pytest

from keyfob.policy.return_urls import LONGEST, leads_below

APP = "https://app.example.com/settings"

LEADS_BELOW = [
    (APP, APP),
    (APP, APP + "/"),
    (APP, APP + "/keys"),
    (APP, APP + "/keys/?tab=1&next=//x#top"),
    (APP, APP + "?tab=keys"),
    (APP, APP + "#keys"),
    (APP, "HTTPS://App.Example.com:443/settings"),
    (APP, APP + "/%C3%A9t%C3%A9/a@b:c"),
    ("https://app.example.com", "https://app.example.com"),
    ("https://app.example.com", "https://app.example.com/"),
    ("https://app.example.com", "https://app.example.com/anywhere"),
    ("https://app.example.com:8443/x", "https://app.example.com:8443/x/y"),
    ("http://127.0.0.1:3000", "http://127.0.0.1:3000/account"),
    ("http://[::1]:3000", "http://[::1]:3000/account"),
]

DOES_NOT_LEAD_BELOW = [
    "https://app.example.com/settingsx",
    "https://app.example.com/Settings",
    "https://app.example.com/",
    "https://app.example.com",
    "http://app.example.com/settings",
    "https://app.example.com:444/settings",
    "https://app.example.com:0/settings",
    "https://app.example.com:/settings",
    "https://app.example.com:65979/settings",  # 443, if somebody counts in sixteen bits
    "https://app.example.com:99999/settings",
    "https://app.example.com./settings",
    "https://evil.example/settings",
    "https://app.example.com.evil.example/settings",
    "https://evilapp.example.com/settings",
    "https://app.example.com@evil.example/settings",
    "https://user@app.example.com/settings",
    "https://user:secret@app.example.com/settings",
    "https://evil.example\\@app.example.com/settings",
    "https:\\\\app.example.com\\settings",
    "https://app.example.com\\.evil.example/settings",
    "https://app.example.com%2eevil.example/settings",
    "https://app.example.com%00.evil.example/settings",
    "https://app\u3002example.com/settings",
    "https://\uff41pp.example.com/settings",
    "https:///app.example.com/settings",
    "https:/app.example.com/settings",
    "https:app.example.com/settings",
    "//app.example.com/settings",
    "/settings",
    "settings",
    "",
    "javascript:alert(1)//https://app.example.com/settings",
    "data:text/html,https://app.example.com/settings",
    "https://app.example.com//settings",
    "https://app.example.com/settings//x",
    "https://app.example.com//evil.example/settings",
    "https://app.example.com/settings/..",
    "https://app.example.com/settings/../admin",
    "https://app.example.com/settings/./x",
    "https://app.example.com/settings/%2e%2e/admin",
    "https://app.example.com/settings/.%2E/admin",
    "https://app.example.com/settings%2fx",
    "https://app.example.com/settings/%2Fx",
    "https://app.example.com/settings/%5cx",
    "https://app.example.com/settings/%0d%0aSet-Cookie:x",
    "https://app.example.com/settings/%00",
    "https://app.example.com/settings/%7f",
    "https://app.example.com/settings/%",
    "https://app.example.com/settings/%zz",
    "https://app.example.com/settings/\\x",
    "https://app.example.com/settings/ x",
    " https://app.example.com/settings",
    "https://app.example.com/settings\n",
    "https://app.example.com/settings\r\nSet-Cookie: x",
    "https://app.example.com/set\ttings",
    "https://app.example.com/settings\x00",
    "https://app.example.com/settings?a=\\",
    "https://app.example.com/settings?a=<b>",
    'https://app.example.com/settings?a="b"',
    "https://app.example.com/settings#a#b",
    f"https://app.example.com/settings/{'a' * LONGEST}",
]


@pytest.mark.parametrize(("allowed", "text"), LEADS_BELOW)
def test_what_lies_below_a_configured_address(allowed: str, text: str) -> None:
    """Scheme, host and port are the same, however they are written, and the path begins with whole segments."""
    assert leads_below(text, ["https://other.example", allowed])


@pytest.mark.parametrize("text", DOES_NOT_LEAD_BELOW)
def test_what_could_lead_elsewhere(text: str) -> None:
    """Another site, another path, and whatever two programs could read as different addresses is refused."""
    assert not leads_below(text, [APP])


def test_nothing_lies_below_nothing() -> None:
    """Without a configured address a page leads nowhere, and an unreadable one allows nothing."""
    assert not leads_below(APP, [])
    assert not leads_below(APP, ["https://app.example.com/../settings"])


def test_a_long_hostile_text_is_read_at_once() -> None:
    """The time to read a text grows with its length alone."""
    for text in ("https://" + "a." * 990, "https://a/" + "%2e/" * 480, "https://a" + "/a" * 990 + "\\"):
        assert not leads_below(text, [APP])
