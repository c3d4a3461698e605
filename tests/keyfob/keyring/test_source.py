"""Where a keyring may come from, and with which mode (FF-27, FF-32)."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from keyfob.config.keyring_source import keyring_of
from keyfob.config.settings import Settings, load_settings
from keyfob.errors import ConfigError
from keyfob.keyring.file import is_private, load_keyring
from keyfob.keyring.keyring import Keyring

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = Keyring.new(datetime(2026, 1, 1, tzinfo=UTC)).added(datetime(2026, 2, 1, tzinfo=UTC))
TEXT = KEYRING.dump()
ME, MY_GROUP = os.geteuid(), os.getegid()
STRANGER = 54321


def status(mode: int, uid: int = 0, gid: int = MY_GROUP) -> os.stat_result:
    return os.stat_result((0o100000 | mode, 1, 1, 1, uid, gid, 0, 0, 0, 0))


@pytest.mark.parametrize(
    ("mode", "uid"),
    [(0o600, ME), (0o400, ME), (0o600, STRANGER), (0o440, 0), (0o440, ME)],
    ids=["mine", "mine-read-only", "owned-by-another", "root-and-my-group", "mine-and-my-group"],
)
def test_ff_27_a_private_file_is_read(mode: int, uid: int) -> None:
    """0600, and 0440 for this process's group where root or this process owns the file, as Kubernetes mounts it."""
    assert is_private(status(mode, uid))


@pytest.mark.parametrize(
    ("mode", "uid", "gid"),
    [
        (0o440, 0, STRANGER),
        (0o440, STRANGER, MY_GROUP),
        (0o444, 0, MY_GROUP),
        (0o460, 0, MY_GROUP),
        (0o640, 0, MY_GROUP),
        (0o660, ME, MY_GROUP),
        (0o604, ME, MY_GROUP),
        (0o450, ME, MY_GROUP),
        (0o4440, ME, MY_GROUP),
    ],
)
def test_ff_27_what_others_can_read_is_refused(mode: int, uid: int, gid: int) -> None:
    """Another group, another owner, or more than reading for the group."""
    assert not is_private(status(mode, uid, gid))


def test_ff_27_a_mounted_secret_is_read_from_the_disk(tmp_path: Path) -> None:
    """The mode is that of the file that a link leads to; the advice names both ways."""
    (tmp_path / "data").write_text(TEXT)
    (tmp_path / "data").chmod(0o440)
    os.chown(tmp_path / "data", ME, MY_GROUP)
    (tmp_path / "keyfob.keyring").symlink_to("data")
    assert KEYRING == load_keyring(tmp_path / "keyfob.keyring")

    (tmp_path / "data").chmod(0o444)
    with pytest.raises(ConfigError, match=r"chmod 600.*0440.*fsGroup"):
        load_keyring(tmp_path / "keyfob.keyring")


def test_ff_32_a_byte_order_mark_is_no_part_of_the_keyring(tmp_path: Path) -> None:
    """Editors put one at the start of a file, and so at the start of a variable."""
    path = tmp_path / "keyfob.keyring"
    path.write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())
    path.chmod(0o600)

    assert KEYRING == load_keyring(path)
    assert KEYRING == keyring_of(Settings(keyring_data="\ufeff" + TEXT))


def test_ff_32_a_byte_order_mark_is_no_part_of_the_configuration(tmp_path: Path) -> None:
    """The configuration is read with one, too."""
    path = tmp_path / "keyfob.toml"
    path.write_bytes(b'\xef\xbb\xbf[keys]\r\nprefix = "acme"\r\n')

    assert "acme" == load_settings(path, environ={}).prefix


@pytest.mark.parametrize("end", [r"\n", r"\r\n"])
def test_line_ends_that_are_written_out_count(end: str) -> None:
    """A variable that cannot hold line breaks may hold a backslash and an n instead."""
    data = TEXT.replace("\n", end)

    assert KEYRING == keyring_of(load_settings(environ={"KEYFOB_KEYRING_DATA": data}))


def test_a_missing_file_is_an_empty_keyring_where_that_is_asked_for(tmp_path: Path) -> None:
    """`keyfob keyring` must work without the file, and everything else must not."""
    settings = Settings(keyring=tmp_path / "missing")

    assert {} == dict(keyring_of(settings, may_be_missing=True).entries)
    for broken in (settings, Settings()):
        with pytest.raises(ConfigError, match="keyring"):
            keyring_of(broken)
