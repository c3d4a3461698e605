"""How a line of Keyfob's log looks: each with its time, its level and the name of its event.

The formatters are for any logging configuration; ``keyfob log-config`` prints one for uvicorn. Where an application
configures no logging at all, `FallbackHandler` writes what Keyfob logs to stderr, in the text form.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Form = Literal["text", "json"]


def event_of(record: logging.LogRecord) -> str:
    """Name what happened; a record of another library is named after its logger."""
    return str(getattr(record, "event", record.name))


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class TextFormatter(logging.Formatter):
    """``2026-11-29T09:00:00.125Z WARNING store_unavailable the store cannot be read: …``.

    Every line of a traceback begins in the same way, so that no line stands for itself.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write *record*, with its traceback if it has one."""
        start = f"{_time_of(record)} {record.levelname} {event_of(record)} "
        return "\n".join(start + line for line in super().format(record).splitlines() or [""])


class JSONFormatter(logging.Formatter):
    """One object on one line: ``time``, ``level``, ``event``, ``message``, ``logger``, and ``traceback`` if any."""

    def format(self, record: logging.LogRecord) -> str:
        """Write *record*."""
        shown = {
            "time": _time_of(record),
            "level": record.levelname,
            "event": event_of(record),
            "message": record.getMessage(),
            "logger": record.name,
        }
        if record.exc_info:
            shown["traceback"] = self.formatException(record.exc_info)
        return json.dumps(shown)


class FallbackHandler(logging.Handler):
    """Writes to stderr what no other handler would get: under plain uvicorn, whatever Keyfob logs."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, unless somebody has configured logging."""
        if not _is_alone(self, logging.getLogger(record.name)):
            return
        try:
            sys.stderr.write(f"{self.format(record)}\n")
        except Exception:  # noqa: BLE001 - as every handler of the library, so that logging never fails a request
            self.handleError(record)


def _is_alone(handler: logging.Handler, logger: logging.Logger | None) -> bool:
    while logger is not None:
        if any(other is not handler for other in logger.handlers):
            return False
        logger = logger.parent if logger.propagate else None
    return True


def install_fallback() -> None:
    """Give the logger ``keyfob`` a `FallbackHandler`, once."""
    log = logging.getLogger("keyfob")
    if not any(isinstance(handler, FallbackHandler) for handler in log.handlers):
        handler = FallbackHandler()
        handler.setFormatter(TextFormatter())
        log.addHandler(handler)


def logging_config(form: Form, *, level: str = "INFO", others: str = "INFO") -> Mapping[str, Any]:
    """Make a configuration for `logging.config.dictConfig`: Keyfob from *level* on, uvicorn from *others* on."""
    formatter = "keyfob.config.log_format.JSONFormatter" if form == "json" else "keyfob.config.log_format.TextFormatter"
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"keyfob": {"()": formatter}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "keyfob", "stream": "ext://sys.stderr"},
            "stdout": {"class": "logging.StreamHandler", "formatter": "keyfob", "stream": "ext://sys.stdout"},
        },
        "loggers": {
            "keyfob": {"handlers": ["stderr"], "level": level, "propagate": False},
            "uvicorn": {"handlers": ["stderr"], "level": others, "propagate": False},
            "uvicorn.access": {"handlers": ["stdout"], "level": others, "propagate": False},
        },
    }
