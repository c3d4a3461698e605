"""``[[notices]]`` and ``[smtp]``: what can be meant, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from keyfob.config.settings import load_settings
from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from keyfob.config.settings import Settings

HOOK = 'webhook = "https://hooks.example.com/T0/secret"\nsecret_file = "hook.secret"\n'
SMTP = '[smtp]\nhost = "smtp.example.com"\nsender = "keyfob@example.com"\n'


def read(folder: Path, text: str) -> Settings:
    path = folder / "keyfob.toml"
    path.write_text(text)
    return load_settings(path, environ={})


def test_receivers_are_read_in_their_order(tmp_path: Path) -> None:
    """Paths are relative to the file; what may be secret of a URL is neither in the name nor in the repr."""
    settings = read(
        tmp_path,
        f'[[notices]]\nevents = ["key.*"]\n{HOOK}\n'
        '[[notices]]\nevents = ["key.expiring"]\nemail = ["Ops@example.com"]\n'
        f'[[notices]]\nevents = ["*"]\nlog = true\n{SMTP}',
    )
    hook, mail, logs = settings.notices

    assert (tmp_path / "hook.secret", ("ops@example.com",), True) == (hook.secret_file, mail.email, logs.log)
    assert [True, False, True] == [hook.wants("key.unused"), hook.wants("team.created"), logs.wants("team.created")]
    assert ("keyfob@example.com", 587, True) == (settings.smtp.sender, settings.smtp.port, settings.smtp.starttls)
    assert hook.target.startswith("webhook hooks.example.com ")
    assert "T0" not in hook.target + repr(hook)


WRONG = [
    ("[notices]\n", "[[notices]]"),
    (f"[[notices]]\n{HOOK}", "events"),
    (f'[[notices]]\nevents = ["key.nope"]\n{HOOK}', "key.nope"),
    (f'[[notices]]\nevents = "*"\n{HOOK}', "list"),
    ('[[notices]]\nevents = ["*"]\n', "one of webhook, email and log"),
    (f'[[notices]]\nevents = ["*"]\nlog = true\n{HOOK}', "one of webhook, email and log"),
    ('[[notices]]\nevents = ["*"]\nwebhook = "https://hooks.example.com/"\n', "secret_file"),
    (f'[[notices]]\nevents = ["*"]\n{HOOK.replace("https", "http")}', "https"),
    (f'[[notices]]\nevents = ["*"]\n{HOOK.replace("hooks.", "user:password@hooks.")}', "URL"),
    ('[[notices]]\nevents = ["*"]\nemail = ["ops@example.com"]\n', "[smtp]"),
    (f'[[notices]]\nevents = ["*"]\nemail = ["ops@example.com\\nBcc: x@example.com"]\n{SMTP}', "email"),
    (f'[[notices]]\nevents = ["*"]\n{HOOK}[[notices]]\nevents = ["key.*"]\n{HOOK}', "twice"),
    (f'[[notices]]\nevents = ["*"]\nwebhok = "x"\n{HOOK}', "webhook"),
]


@pytest.mark.parametrize(("text", "said"), WRONG)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    """The message names the receiver by its number, and what to write."""
    with pytest.raises(ConfigError) as wrong:
        read(tmp_path, text)

    assert said in str(wrong.value)
    assert "password" not in str(wrong.value)
