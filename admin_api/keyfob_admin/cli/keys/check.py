"""``keyfob keys check -``: is this a key, and would it be admitted? The key comes from stdin, never from argv."""

from __future__ import annotations

import getpass
import re
import sys
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from keyfob.gate.verdict import Denied, Reason
from keyfob.keys.foreign import ForeignForms
from keyfob.keys.format import parse_key
from keyfob.keys.scan import Form, mentions
from keyfob_admin.cli.context import run_with_context, settings_if_any
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import print_json, say

if TYPE_CHECKING:
    from keyfob.gate.verdict import Granted
    from keyfob.keys.foreign import ForeignText
    from keyfob.keys.format import KeyText
    from keyfob_admin.cli.context import CliContext

LONGEST_INPUT = 64 * 1024  # characters; more is no key, and is not read
_UTF_16 = BOM_UTF16_LE, BOM_UTF16_BE

ON_ARGV = (
    "send the key to stdin, as in `keyfob keys check - < file`: a command line stays in the shell's history, and "
    "everybody who lists processes sees it. If that was a key in use, replace it"
)

WHY = {
    Reason.MALFORMED: "it is not a key of this installation",
    Reason.FORGED: "this installation's keyring did not make its tag: the key is from elsewhere, or forged",
    Reason.RETIRED: "it was made with a signing key that is retired",
    Reason.UNKNOWN: "there is no such key",
    Reason.MISMATCH: "its secret is wrong",
    Reason.DELETED: "it was deleted",
    Reason.DISABLED: "it is disabled",
    Reason.SUSPENDED: "its team's plan does not include keys of this type",
    Reason.EXPIRED: "it has expired",
    Reason.PERMISSION: "it lacks the permission",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """What is known of a text. *admitted* is None where nobody could be asked."""

    key: KeyText | ForeignText | None
    words: str
    admitted: bool | None = None
    reason: str | None = None

    @property
    def is_good(self) -> bool:
        """Whether nothing speaks against the key."""
        return self.key is not None and self.admitted is not False


@click.command(cls=Command)
@click.argument("source", nargs=-1, type=click.UNPROCESSED, metavar="-")
@click.option("--require", "required", multiple=True, metavar="P", help="A permission that it must hold; repeat it.")
@as_json_option
def check(source: tuple[str, ...], *, required: tuple[str, ...], as_json: bool) -> None:
    """Read a key from stdin, and tell whether it is one and whether it would be admitted.

    Without a configuration only its shape and checksum are looked at. Exit code 3 if something is wrong with it.
    """
    if source != ("-",):
        raise click.UsageError(ON_ARGV if source else "say `-`, and send the key to stdin")
    text = _read()
    settings = settings_if_any()
    found = _look_at(text, settings.prefix if settings else "kf")
    forms = ForeignForms(settings.foreign, settings.prefix) if settings else None
    if forms is not None and (foreign := forms.match(text.encode("utf-8", "surrogatepass"))):
        found = Finding(foreign, "it has a form that [foreign.*] names")
    if found.key is not None and settings is not None and settings.store is not None:
        found = _ask(found.key, required)
    elif required and found.key is not None:
        raise click.UsageError("--require needs a configuration to ask; name it with --config")
    _tell(found, as_json=as_json)
    click.get_current_context().exit(Exit.OK if found.is_good else Exit.CHECK_FAILED)


def _read() -> str:
    """Read one key; from a person, without showing it."""
    if sys.stdin.isatty():
        return getpass.getpass("Key: ").strip()
    sent = sys.stdin.buffer.read(LONGEST_INPUT)
    return sent.decode("utf-16" if sent.startswith(_UTF_16) else "utf-8-sig", "replace").strip()  # as Windows saves it


def _look_at(text: str, prefix: str) -> Finding:
    """Judge shape and checksum, which needs nobody else."""
    key = parse_key(text, prefix=prefix)
    if key is not None:
        return Finding(key, "its shape and checksum are right")
    if not text:
        return Finding(None, "nothing was sent to stdin", reason="empty")
    if re.fullmatch(rf"{prefix}_[a-z][a-z0-9]{{1,15}}_[0-9A-Za-z]{{16}}_[0-9A-Za-z]{{64}}", text):
        return Finding(None, "it looks mistyped: its checksum is wrong", reason="mistyped")
    if any(mention.form is Form.WHOLE and mention.is_ours for mention in mentions(text, prefix=prefix)):
        return Finding(None, "it holds a key and something around it: send the key alone", reason="surrounded")
    if re.match(rf"{prefix}_[a-z]", text):
        return Finding(
            None, f"it looks mistyped or cut off: {len(text)} characters, not as a key is", reason="mistyped"
        )
    return Finding(None, f"it is not a key: keys begin with {prefix}_", reason="not_a_key")


def _ask(key: KeyText | ForeignText, required: tuple[str, ...]) -> Finding:
    """Ask the installation whether it would admit *key*."""
    found: list[Finding] = []

    async def work(context: CliContext) -> None:
        found.append(_finding(key, await context.runtime.inspect(key.text), required))

    run_with_context(work)
    return found[0]


def _finding(key: KeyText | ForeignText, verdict: Granted | Denied, required: tuple[str, ...]) -> Finding:
    """Say what the installation's answer means."""
    if isinstance(verdict, Denied):
        return Finding(key, WHY.get(verdict.reason, verdict.reason), admitted=False, reason=verdict.reason)
    grant = verdict.grant
    lacking = [name for name in required if not grant.covers(name)]
    if lacking:
        words = f"{WHY[Reason.PERMISSION]} {', '.join(lacking)}"
        return Finding(key, words, admitted=False, reason=Reason.PERMISSION)
    held = ", ".join(sorted(grant.permissions)) or "nothing"
    return Finding(key, f'it is "{grant.name}" of team {grant.team}, and holds {held}', admitted=True)


def _tell(found: Finding, *, as_json: bool) -> None:
    if as_json:
        key = found.key
        told = {"valid": found.is_good, "key": key.display if key else None, "type": getattr(key, "key_type", None)}
        print_json({**told, "admitted": found.admitted, "reason": found.reason, "detail": found.words})
        return
    verdict = {True: "admitted", False: "refused", None: "well formed" if found.key else "not a key"}[found.admitted]
    say(f"{found.key.display + ': ' if found.key else ''}{verdict}; {found.words}")
