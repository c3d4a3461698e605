"""What `keyfob doctor` finds on the disk and in the policy of each key type, with what to do about it."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.keyfob_admin.cli.conftest import typed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.keyfob_admin.cli.conftest import Home

DATABASE = "keyfob.db"
NOBODY = 65_534  # the account of that name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files to other accounts")


def findings(level: str, what: str) -> list[dict[str, str]]:
    """What doctor finds of that kind; each says what to do."""
    found: list[dict[str, str]] = [
        finding
        for finding in typed("doctor", "--json").data["findings"]
        if (level, what) == (finding["level"], finding["what"])
    ]
    assert all(finding["fix"] for finding in found)
    return found


def test_a_second_name_of_the_database_fails(home: Home) -> None:
    """A hard link would have a change signal of its own."""
    os.link(home.folder / DATABASE, home.folder / "other.db")

    (finding,) = findings("fail", "database")
    assert "has 2 names" in finding["detail"]


def test_a_folder_in_the_database_s_place_is_called_that(home: Home) -> None:
    """A container runtime makes a folder where a file that it shall mount is missing; that has no hard links."""
    (home.folder / DATABASE).unlink()
    (home.folder / DATABASE).mkdir()

    assert "is a folder" in findings("fail", "database")[0]["detail"]
    failed = typed("keys", "list")
    assert (1, True) == (failed.code, "is a folder" in failed.err)


@pytest.mark.parametrize(
    ("mounts", "kind"),
    [
        ("{0} ext4", "ok"),
        ("{0} nfs4", "fail"),
        ("{0} autofs\nserver:/keys {0} nfs4", "fail"),
        ("server:/keys {0} nfs4\n/dev/sdb {0} ext4", "ok"),
        ("{0} fuse.glusterfs", "fail"),
        ("{0} fuse.s3fs", "fail"),
        ("{0} fuse.ceph-fuse", "fail"),
        ("{0} fuseblk", "ok"),
    ],
)
def test_what_is_mounted_last_counts_and_is_known_behind_fuse(
    home: Home, monkeypatch: pytest.MonkeyPatch, mounts: str, kind: str
) -> None:
    """A network's file system is found below an automounter, and where a program serves it."""
    lines = [line if line.count(" ") > 1 else f"x {line}" for line in mounts.format(home.folder).splitlines()]
    read_text = Path.read_text

    def told(path: Path, *arguments: str, **more: str) -> str:
        if path == Path("/proc/self/mounts"):
            return "".join(f"{line} rw 0 0\n" for line in ["x / ext4", *lines])
        return read_text(path, *arguments, **more)

    monkeypatch.setattr(Path, "read_text", told)
    remote = [one for one in typed("doctor", "--json").data["findings"] if "which is not local" in one["detail"]]

    assert (kind == "fail") is bool(remote)


@as_root
def test_a_file_of_another_account_fails(home: Home) -> None:
    """A file that belongs to somebody else than the database is named, with the command that gives it back."""
    signal = home.folder / f"{DATABASE}-signal"
    assert signal.exists()
    os.chown(signal, NOBODY, NOBODY)
    (finding,) = findings("fail", "database")

    assert str(signal.name) in finding["detail"]
    assert finding["fix"].startswith("chown --reference=")


def test_a_signal_that_others_can_read_fails(home: Home) -> None:
    """The change signal is no more open than the database is."""
    (home.folder / f"{DATABASE}-signal").chmod(0o644)
    (finding,) = findings("fail", "change signal")

    assert finding["fix"].startswith("chmod 600 ")


def policy(text: str) -> Callable[[str], str]:
    """Give keys of type api what *text* demands of them."""
    return lambda config: f"{config}\n[key_types.api]\n{text}\n"


@pytest.mark.parametrize(
    ("demanded", "said"),
    [
        ('expiry = "required"', "expire"),
        ('max_lifetime = "30d"\ndefault_lifetime = "30d"', "30"),
        ('ip_allow = "required"', "address"),
    ],
    ids=["expiry", "lifetime", "addresses"],
)
def test_keys_older_than_their_policy_are_named(home: Home, demanded: str, said: str) -> None:
    """A key that was made before its type demanded more goes on working, and is a warning."""
    key_id, _ = home.make("old", "--permission", "items:read", "--expires", "90d")
    home.make("endless", "--permission", "items:read")
    home.configure(policy(demanded))
    found = findings("warn", "policy")

    assert found
    assert all(said in finding["detail"] for finding in found)
    assert ("expiry" in demanded) != any(key_id in finding["fix"] for finding in found)
    assert "active" == typed("keys", "show", key_id, "--json").data["state"]


def test_a_team_with_too_many_keys_is_named(home: Home) -> None:
    """A team that has more keys of a type than it may is a warning that says how many."""
    for name in ("one", "two", "three"):
        home.make(name, "--permission", "items:read")
    home.configure(policy("per_team = 2"))
    (finding,) = findings("warn", "policy")

    assert "team default has 3 keys of the type api; 2 are allowed" == finding["detail"]


@pytest.mark.parametrize(
    ("reason", "fix"), [(errno.ENOSPC, "make room"), (errno.EACCES, "the right to"), (errno.EROFS, "read-only mount")]
)
def test_a_test_write_that_fails_says_why(home: Home, monkeypatch: pytest.MonkeyPatch, reason: int, fix: str) -> None:
    """Room is made where there is none; where this account may not write, that is what is missing."""

    def fails(**_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(tempfile, "TemporaryFile", fails)
    (finding,) = findings("fail", "disk")

    assert fix in finding["fix"]


def test_a_keyring_that_cannot_be_read_is_not_called_fine(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is not reported as this account's own."""
    monkeypatch.setattr(os, "access", lambda path, _: path != home.folder / "keyfob.keyring")
    (finding,) = findings("fail", "keyring")

    assert "cannot be read by this account" in finding["detail"]
