"""Sends one notice by e-mail."""

from __future__ import annotations

import asyncio
import json
import smtplib
import ssl
from email.message import EmailMessage
from typing import TYPE_CHECKING, Final

from keyfob.notices.webhook import NotDelivered

if TYPE_CHECKING:
    from collections.abc import Sequence

    from keyfob.config.notices import SmtpSettings
    from keyfob.store.contract.notices import Notice

TIMEOUT: Final = 15.0  # seconds for each step


async def send(notice: Notice, to: Sequence[str], smtp: SmtpSettings) -> None:
    """Send *notice* to everybody in *to*. Raises NotDelivered."""
    try:
        await asyncio.to_thread(_send, message_of(notice, to, smtp), smtp)
    except smtplib.SMTPResponseException as error:
        raise NotDelivered(f"the SMTP server answered {error.smtp_code}") from None
    except (OSError, smtplib.SMTPException, ValueError) as error:  # such as a password that is not ASCII
        raise NotDelivered(f"the SMTP server could not be used: {type(error).__name__}") from None


def message_of(notice: Notice, to: Sequence[str], smtp: SmtpSettings) -> EmailMessage:
    """What people read. Names come from people, so nothing of them stands in a header."""
    message = EmailMessage()
    message["From"], message["To"] = smtp.sender or "", ", ".join(to)
    message["Subject"] = f"Keyfob: {notice.event}"
    message["Message-ID"] = f"<{notice.id}@keyfob>"
    message["Date"] = notice.at
    about = json.dumps(notice.data, indent=2, sort_keys=True, ensure_ascii=False)
    message.set_content(f"{notice.event} at {notice.at.isoformat(timespec='seconds')}\n\n{about}\n")
    return message


def _send(message: EmailMessage, smtp: SmtpSettings) -> None:
    with smtplib.SMTP(smtp.host, smtp.port, timeout=TIMEOUT) as server:
        if smtp.starttls:
            server.starttls(context=ssl.create_default_context())
        if smtp.username is not None and smtp.password_file is not None:
            server.login(smtp.username, smtp.password_file.read_text(encoding="utf-8").strip())
        server.send_message(message)
