"""Loads the keyring, from its file or from its contents in the settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.keyring.file import load_keyring
from keyfob.keyring.keyring import Keyring

if TYPE_CHECKING:
    from keyfob.config.settings import Settings

UNNAMED = (
    'no keyring is named; set keyring="keyfob.keyring" (under [store] in the file) or KEYFOB_KEYRING; '
    "`keyfob init` makes one"
)


_WRITTEN_OUT = (r"\r\n", r"\n")  # a keyring has no backslash of its own


def _with_line_ends(text: str) -> str:
    """Turn a literal backslash and n into a line break, because some environments cannot hold real ones."""
    for written in _WRITTEN_OUT:
        text = text.replace(written, "\n")
    return text


def keyring_of(settings: Settings, *, may_be_missing: bool = False) -> Keyring:
    """Read the keyring that *settings* name. With *may_be_missing*, a missing file is a keyring without entries.

    Raises:
        ConfigError: no keyring is named, or it is missing, malformed or readable by others.
    """
    if settings.keyring_data is not None:
        return Keyring.parse(_with_line_ends(settings.keyring_data))
    if settings.keyring is None:
        raise ConfigError(UNNAMED)
    if may_be_missing and not settings.keyring.exists():
        return Keyring.of(())
    return load_keyring(settings.keyring)
