"""How each failure ends: its exit code, and the one line that says what happened and what to do next."""

from __future__ import annotations

import re
import sqlite3
from enum import IntEnum

import click

from keyfob import errors
from keyfob_admin.problems import STATUSES


class Exit(IntEnum):
    """What the command line's exit codes mean."""

    OK = 0
    ERROR = 1
    USAGE = 2
    CHECK_FAILED = 3
    NOT_FOUND = 4
    CONFLICT = 5


class Fault(Exception):
    """A failure with its sentence and exit code already known."""

    def __init__(self, message: str, code: Exit = Exit.ERROR) -> None:
        super().__init__(message)
        self.code = code


_BY_STATUS = {404: Exit.NOT_FOUND, 409: Exit.CONFLICT, 412: Exit.CONFLICT, 422: Exit.USAGE}  # others: Exit.ERROR
_BODY = re.compile(r"(_[0-9A-Za-z]{16}_)[0-9A-Za-z]{20,}")  # a key's secret part, whole or cut


def exit_of(error: Exception) -> Exit | None:
    """Give the exit code of *error*; None if it is a mistake of ours, whose traceback should be seen."""
    match error:
        case Fault():
            return error.code
        case click.UsageError():
            return Exit.USAGE
        case errors.Refused():
            return _BY_STATUS.get(STATUSES[type(error)], Exit.ERROR)
        case errors.KeyfobError() | OSError() | sqlite3.Error() | click.ClickException() | click.Abort():
            return Exit.ERROR
        case _:
            return None


DOCTOR = "; `keyfob doctor` looks for the cause"


def sentence(error: Exception) -> str:
    """Say in one line what happened. What looks like a key's secret is never repeated."""
    return _BODY.sub(r"\1…", " ".join(_said(error).split()))


def finding_of(error: Exception) -> str:
    """Say what happened as `keyfob doctor` reports it, which does not send anybody to itself."""
    return sentence(error).removesuffix(DOCTOR)


def _said(error: Exception) -> str:
    match error:
        case click.ClickException():
            message = error.format_message().rstrip(".")
            said = f"{message}{'' if message.endswith('?') else '.'}{_where_to_look(error)}"
        case click.Abort():
            said = "stopped; nothing else was changed"
        case errors.Invalid():
            said = "; ".join(f"{_named(pointer)}{detail}" for pointer, detail in error.errors)
        case errors.NotMigrated():  # which says what to do
            said = str(error)
        case errors.StoreUnavailable() | sqlite3.Error():
            said = f"{error}{DOCTOR}"
        case OSError():
            said = f"{error.filename or 'the system'}: {error.strerror or error}"
        case _:
            said = str(error)
    return said


def _named(pointer: str) -> str:
    """Name the field that a JSON pointer leads to. Which value of a list is wrong, the sentence after it says."""
    return f"{pointer.split('/')[1]}: " if pointer else ""


def _where_to_look(error: click.ClickException) -> str:
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f" Try `{context.command_path} --help`." if context else ""
