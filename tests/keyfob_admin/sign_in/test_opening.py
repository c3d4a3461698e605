"""Making the provider that the settings name."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.config.people import OidcSettings, PeopleSettings
from keyfob.errors import ConfigError
from keyfob_admin.sign_in.opening import open_provider

if TYPE_CHECKING:
    from pathlib import Path

MISSING = """
import sys
from datetime import UTC, datetime
from importlib.machinery import PathFinder

class Hidden(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name == "joserfc" else super().find_spec(name, path, target)

sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
from keyfob.config.people import OidcSettings, PeopleSettings
from keyfob_admin.sign_in.opening import open_provider

oidc = OidcSettings(issuer="https://id.example.com", client_id="k", client_secret="s")
open_provider(PeopleSettings(sign_in=("oidc",), oidc=oidc), lambda: datetime.now(UTC))
"""


def settings(**secret: object) -> PeopleSettings:
    oidc = OidcSettings(issuer="https://id.example.com", client_id="k", **secret)  # type: ignore[arg-type]
    return PeopleSettings(sign_in=("oidc",), oidc=oidc)


def test_the_secret_comes_from_the_file_or_the_environment(tmp_path: Path) -> None:
    """A final line break in the file is not part of the secret, and nothing is asked yet."""
    (tmp_path / "oidc.secret").write_text("s3cret\n")

    assert open_provider(settings(client_secret_file=tmp_path / "oidc.secret"), lambda: datetime.now(UTC)) is not None
    assert open_provider(settings(client_secret="s3cret"), lambda: datetime.now(UTC)) is not None


def test_without_oidc_in_sign_in_there_is_no_provider() -> None:
    """A section that `sign_in` does not name is not used."""
    assert None is open_provider(PeopleSettings(), lambda: datetime.now(UTC))


@pytest.mark.parametrize(("text", "message"), [(None, "can't be read"), ("", "in one line"), ("a\nb", "in one line")])
def test_a_wrong_secret_file_is_named(tmp_path: Path, text: str | None, message: str) -> None:
    """A file that is missing, empty or holds more than the secret stops the start."""
    if text is not None:
        (tmp_path / "oidc.secret").write_text(text)

    with pytest.raises(ConfigError, match=message):
        open_provider(settings(client_secret_file=tmp_path / "oidc.secret"), lambda: datetime.now(UTC))


def test_a_missing_extra_is_named() -> None:
    """Without the extra the start fails with what to install."""
    done = subprocess.run([sys.executable, "-c", MISSING], capture_output=True, text=True, check=False, timeout=60)

    assert 'which needs an extra: pip install "keyfob[oidc]"' in done.stderr
