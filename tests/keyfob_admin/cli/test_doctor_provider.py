"""What doctor says of the identity provider."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.keyfob_admin.cli.conftest import typed
from tests.keyfob_admin.sign_in.hostile import Answer, hostile_provider

if TYPE_CHECKING:
    from tests.keyfob_admin.cli.conftest import Home

PEOPLE = """
[people]
sign_in = ["local", "oidc"]
[people.oidc]
issuer = "{issuer}"
client_id = "keyfob"
client_secret_file = "oidc.secret"
"""


def about_the_provider() -> list[tuple[str, str]]:
    """Level and detail of what doctor finds about the provider."""
    answered = typed("doctor", "--json")
    found: list[dict[str, Any]] = answered.data["findings"]
    assert "not-told-to-anybody" not in answered.out + answered.err
    return [(finding["level"], finding["detail"]) for finding in found if finding["what"] == "provider"]


def test_without_a_provider_nothing_is_said(home: Home) -> None:
    """What is not used is not looked at."""
    assert [] == about_the_provider()


def test_a_provider_is_asked_as_at_a_sign_in(home: Home) -> None:
    """It answers, or it describes another issuer, or it is gone; doctor says so, and what goes on working."""
    (home.folder / "oidc.secret").write_text("not-told-to-anybody")
    with hostile_provider() as provider:
        home.configure(lambda text: text + PEOPLE.format(issuer=provider.issuer))
        assert [("ok", f"people can sign in at {provider.issuer}")] == about_the_provider()
        provider.paths["/.well-known/openid-configuration"] = Answer(
            {**provider.described, "issuer": "https://x.example"}
        )
        ((level, detail),) = about_the_provider()
        assert "fail" == level
        assert "issuer" in detail
    ((level, _),) = about_the_provider()

    assert "fail" == level
    assert 3 == typed("doctor").code
