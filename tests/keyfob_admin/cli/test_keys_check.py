from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.keys.format import compose, new_key_id, new_secret
from tests.keyfob_admin.cli.conftest import run, typed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.keyfob_admin.cli.conftest import Home


def made_up(prefix: str = "kf") -> str:
    """A key of the right shape and checksum that nobody issued."""
    return compose(
        key_type="api", key_id=new_key_id(), secret=new_secret(), key_char="a", tag=lambda _: "0" * 14, prefix=prefix
    ).text


def check(text: str | bytes, *arguments: str) -> tuple[int, dict[str, object]]:
    said = typed("keys", "check", "-", "--json", *arguments, stdin=text)
    return said.code, said.data


def test_kf_02_a_typo_is_called_a_typo(folder: Path) -> None:
    """Without a server the command line tells a good key from a mistyped one, and says so in that word."""
    key = made_up()
    wrong = key[:40] + ("x" if key[40] != "x" else "y") + key[41:]

    assert (0, None) == (check(key)[0], check(key)[1]["admitted"])
    assert (3, "mistyped") == (check(wrong)[0], check(wrong)[1]["reason"])
    assert "mistyped" in typed("keys", "check", "-", stdin=wrong).err


@pytest.mark.parametrize("cut", [slice(0, -1), slice(1, None), slice(0, 30), slice(0, 0)])
def test_kf_02_a_key_that_was_cut_is_none(folder: Path, cut: slice) -> None:
    """Part of a key is no key."""
    assert 3 == check(made_up()[cut])[0]


@pytest.mark.parametrize("text", ["hello", "sk_live_123", "\x00\x1b[31m", "kf", "é" * 100, "kf_api_" * 20_000])
def test_anything_else_is_no_key(folder: Path, text: str) -> None:
    """Whatever is piped in gets an answer in one line, and is not repeated to the terminal."""
    said = typed("keys", "check", "-", stdin=text)

    assert (3, 1) == (said.code, len(said.err.splitlines()))
    assert "\x1b" not in said.err


def test_white_space_around_a_key_is_the_shells(home: Home) -> None:
    """A line break after the key, as `echo` sends one, is not part of it."""
    assert 0 == check(f" {home.admin_key}\r\n\n")[0]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_ff_32_a_key_in_a_file_of_windows_is_read(folder: Path, encoding: str) -> None:
    """A byte order mark is seen by nobody, so it makes no key wrong."""
    assert 0 == check(made_up().encode(encoding))[0]


@pytest.mark.parametrize("around", ["Bearer %s", '"%s"', "Authorization: Bearer %s", "%s # for CI", "KEY=%s", "%s\n%s"])
def test_what_stands_around_a_key_is_said(folder: Path, around: str) -> None:
    """Whoever pastes more than the key is told so, and not that it does not begin as it does."""
    code, told = check(around.replace("%s", made_up()))

    assert (3, "surrounded") == (code, told["reason"])
    assert "send the key alone" in str(told["detail"])


def test_with_a_configuration_it_is_asked(home: Home) -> None:
    """A key of the installation would be admitted; one that is only well formed would not, and is not called a typo."""
    code, told = check(made_up())

    assert (3, False, "forged") == (code, told["admitted"], told["reason"])
    assert (0, True) == (check(home.admin_key)[0], check(home.admin_key)[1]["admitted"])


def test_require_asks_for_a_permission(home: Home) -> None:
    """What the key lacks is named, and a wildcard covers what it covers."""
    _, secret = home.make("ci", "--permission", "items:*")

    assert 0 == check(secret, "--require", "items:read")[0]
    code, told = check(secret, "--require", "items:read", "--require", "reports:read")
    assert (3, "permission") == (code, told["reason"])
    assert "reports:read" in str(told["detail"])
    assert "items:read" not in str(told["detail"])


def test_a_check_is_no_use(home: Home) -> None:
    """Looking at a key does not make it look used."""
    key_id, secret = home.make("ci")
    check(secret)

    assert None is typed("keys", "show", key_id, "--json").data["last_used"]


def test_the_key_never_comes_from_the_command_line(home: Home) -> None:
    """A key among the arguments is refused with the reason, and is not repeated."""
    for arguments in ([home.admin_key], ["-", home.admin_key], [home.admin_key, "-"], []):
        refused = run("keys", "check", *arguments)
        assert (2, "") == (refused.code, refused.out)
        assert home.admin_key[-40:] not in refused.err
        assert "stdin" in refused.err


def test_the_answer_does_not_hold_the_secret(home: Home) -> None:
    """Neither in words nor as JSON is the key repeated."""
    for arguments in ([], ["--json"]):
        said = typed("keys", "check", "-", *arguments, stdin=home.admin_key)
        assert home.admin_key[-64:] not in said.out + said.err


def test_another_prefix_is_no_key_here(home: Home) -> None:
    """The prefix is the configuration's."""
    assert "not_a_key" == check(made_up("acme"))[1]["reason"]
    home.configure(lambda text: f'{text}\n[keys]\nprefix = "acme"\n')
    assert "forged" == check(made_up("acme"))[1]["reason"]
    assert 3 == check(home.admin_key)[0]


def test_require_without_a_configuration_is_a_usage_error(folder: Path) -> None:
    """Nobody can be asked, so the check is not pretended."""
    assert 2 == typed("keys", "check", "-", "--require", "items:read", stdin=made_up()).code
