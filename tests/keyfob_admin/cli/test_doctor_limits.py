from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keyfob.limits import valkey_counter
from tests.keyfob_admin.cli.conftest import typed
from tests.valkey_server import valkey_server

if TYPE_CHECKING:
    import pytest

    from tests.keyfob_admin.cli.conftest import Home

LIMITS = """
[limits.standard]
rate = "100/min"
[limits.large]
rate = "1000/min"
"""


def about_limits() -> list[tuple[str, str]]:
    """Level and detail of what doctor finds about limits."""
    found: list[dict[str, Any]] = typed("doctor", "--json").data["findings"]
    return [(finding["level"], finding["detail"]) for finding in found if finding["what"] == "limits"]


def where(home: Home, address: str) -> None:
    """Count at *address* from now on."""
    home.configure(lambda text: text.replace("[middleware]\n", f'[middleware]\nlimits = "{address}"\n') + LIMITS)


def test_without_limits_nothing_is_said(home: Home) -> None:
    """What is not used is not looked at."""
    assert [] == about_limits()


def test_the_file_is_looked_at_and_not_made(home: Home) -> None:
    """Whether the workers of this host can count is said before and after the first request."""
    home.configure(lambda text: text + LIMITS)
    file = home.folder / "keyfob.db-limits"
    assert [("ok", f"counted in {file}, which the first request makes")] == about_limits()
    assert not file.exists()
    key_id, _ = home.make("CI", "--permission", "items:read")
    typed("keys", "limits", key_id)
    assert [("ok", f"counted in {file}")] == about_limits()

    file.write_bytes(b"something else")

    ((status, detail),) = about_limits()
    assert status == "fail"
    assert detail.startswith("limits cannot be counted, and each worker counts alone")
    assert detail.endswith(f"{file} cannot be used: something else is in it")


def test_limits_that_are_gone_are_named(home: Home) -> None:
    """A key whose limits the configuration has lost has those of its plan, and somebody should know."""
    home.configure(lambda text: text + LIMITS)
    key_id, _ = home.make("CI", "--permission", "items:read")
    typed("keys", "limits", key_id, "--set", "large")
    home.configure(lambda text: text.replace("[limits.large]", "[limits.huge]"))

    level, detail = about_limits()[-1]

    assert ("warn", True) == (level, detail.endswith("has limits that are not there: large"))


def test_valkey_is_asked(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that answers is fine, and one that does not is named without its password."""
    monkeypatch.setattr(valkey_counter, "PATIENCE", 60)
    with valkey_server() as url:
        where(home, url)
        assert [("ok", "counted in Valkey on 127.0.0.1")] == about_limits()

    ((level, detail),) = about_limits()

    assert ("fail", True) == (level, detail.startswith("limits cannot be counted"))


def test_no_password_is_shown(home: Home) -> None:
    """What doctor prints can be shown to others."""
    where(home, "valkey://:hunter2@127.0.0.1:1/0")

    assert "hunter2" not in typed("doctor").out
