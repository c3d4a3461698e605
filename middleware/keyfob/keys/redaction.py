"""Keeps whole keys out of logs: a client may put one into a path or a query, which most software logs."""

from __future__ import annotations

import logging
import re
from typing import Final

_UNDERSCORE: Final = r"(?:\\*_|%(?:25)*5[fF])"  # as it is, escaped for Markdown, or percent-encoded any number of times
_WORD: Final = r"[a-z][a-z0-9]{1,15}"
_WHOLE_KEY = re.compile(
    rf"({_WORD}{_UNDERSCORE}{_WORD}{_UNDERSCORE}[0-9A-Za-z]{{16}})"
    rf"(?:{_UNDERSCORE}[0-9A-Za-z]+)+"  # all of it: what stands before a key can make its prefix look like an id
)
_formatter = logging.Formatter()


def redact(text: str) -> str:
    """Cut every key in *text*, whole or truncated, to the form that may be shown: ``kf_api_7Qx2mB9tKd03LpWz_…``."""
    return _WHOLE_KEY.sub(r"\1_…", text)


class RedactKeys(logging.Filter):
    """Redacts the message and the traceback of each record that passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact the record; never drop it."""
        said = record.getMessage()
        shown = redact(said)
        if shown != said:
            record.msg, record.args = shown, None
        if record.exc_info and record.exc_info[0] is not None:
            trace = _formatter.formatException(record.exc_info)
            shown = redact(trace)
            if shown != trace:
                record.exc_text, record.exc_info = shown, None
        return True


def redact_logs(*names: str) -> None:
    """Redact records of the loggers *names*. Loggers apply only their own filters, not those of their parents."""
    for name in names:
        logger = logging.getLogger(name)
        if not any(isinstance(each, RedactKeys) for each in logger.filters):
            logger.addFilter(RedactKeys())
