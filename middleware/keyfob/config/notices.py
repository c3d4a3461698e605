"""Who is told of what: ``[[notices]]`` and ``[smtp]``."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import keyfob.config.kinds as a
from keyfob.audit import ACTIONS
from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from keyfob.config.kinds import Kind

OBSERVED: Final = (
    "key.expiring",
    "key.unused",
    "key.replaced_in_use",
    "key.new_address",
    "key.tried_after_disable",
    "limit.near",
)
"""Events that nobody's change causes."""

_EVENT: Final = r"\*|[a-z]+\.(?:\*|[a-z_]+)"
_URL: Final = re.compile(r"https?://[!-~]+")
_ADDRESS: Final = r"[^\s@,;:<>()\[\]\\\"]+@[A-Za-z0-9.-]+"


def _checked_url(value: object) -> str:
    """Accept a URL that can be sent to. The message does not repeat it: it may hold a secret."""
    wanted = 'must be a URL such as "https://hooks.example.com/keyfob", without a user name'
    try:
        parts = urlsplit(value) if isinstance(value, str) and _URL.fullmatch(value) else None
        good = parts is not None and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        raise a.InvalidValue(wanted) from None
    if not good or not isinstance(value, str):
        raise a.InvalidValue(wanted)
    return value


NOTICE: Final[Mapping[str, Kind]] = {
    "events": a.lower_names(_EVENT, '["key.disabled", "key.expiring"] or ["*"]'),
    "webhook": a.Kind(_checked_url),
    "secret_file": a.file_path(),
    "allow_private": a.switch(),
    "email": a.lower_names(_ADDRESS, '["security@example.com"]'),
    "log": a.switch(),
}
SMTP: Final[Mapping[str, Kind]] = {
    "host": a.text_like(r"[A-Za-z0-9.:-]{1,253}", 'a host, for example "smtp.example.com"'),
    "port": a.whole(1, 65_535),
    "starttls": a.switch(),
    "username": a.text_like(r"[^\x00-\x1f\x7f]{1,256}", "a user name"),
    "password_file": a.file_path(),
    "sender": a.text_like(_ADDRESS, 'an address such as "keyfob@example.com"'),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeSettings:
    """One receiver and the events that it is told of. Exactly one of *webhook*, *email* and *log* is set."""

    events: tuple[str, ...]
    webhook: str | None = field(default=None, repr=False)  # its path may be a secret
    secret_file: Path | None = None
    allow_private: bool = False  # True: also addresses that are not public, and plain http
    email: tuple[str, ...] = ()
    log: bool = False

    @property
    def target(self) -> str:
        """Names the receiver in the database, without what may be secret of it."""
        if self.webhook is not None:
            return f"webhook {urlsplit(self.webhook).hostname} {_digest(self.webhook)}"
        return f"email {' '.join(self.email)}" if self.email else "log"

    def wants(self, event: str) -> bool:
        """Whether it is told of *event*."""
        return not {"*", event, f"{event.partition('.')[0]}.*"}.isdisjoint(self.events)


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpSettings:
    """The server that sends e-mail."""

    host: str = "127.0.0.1"
    port: int = 587
    starttls: bool = True
    username: str | None = None
    password_file: Path | None = field(default=None, repr=False)
    sender: str | None = None


def checked_notice(values: Mapping[str, Any], where: str, smtp: Mapping[str, object]) -> NoticeSettings:
    """Make one receiver of *values*, whose kinds are right. Raises ConfigError."""
    if "events" not in values:
        raise ConfigError(f'{where} needs events; ["*"] are all')
    for event in values["events"]:
        known = {*ACTIONS, *OBSERVED, "key.rotated"}
        if not event.endswith("*") and event not in known:
            raise ConfigError(f"{where} there is no event {event}")
    notice = NoticeSettings(**values)
    if (notice.webhook is not None) + bool(notice.email) + notice.log != 1:
        raise ConfigError(f"{where} needs one of webhook, email and log = true")
    if notice.webhook is not None:
        if notice.secret_file is None:
            raise ConfigError(f"{where} needs secret_file, with which the receiver checks the signature")
        if notice.webhook.startswith("http:") and not notice.allow_private:
            raise ConfigError(f"{where} webhook must be https, or the notice can be read on its way")
    if notice.email and not smtp.get("sender"):
        raise ConfigError(f"{where} email needs [smtp] with host and sender")
    return notice


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
