"""``keyfob doctor``: looks at the whole installation, and says what to change."""

from __future__ import annotations

import click

from keyfob_admin.cli.doctor import checks
from keyfob_admin.cli.doctor.findings import FAIL
from keyfob_admin.cli.exit_codes import Exit
from keyfob_admin.cli.options import Command, as_json_option
from keyfob_admin.cli.output import plain, print_json


@click.command(cls=Command)
@as_json_option
def doctor(*, as_json: bool) -> None:
    """Check configuration, keyring, database, clock, rules, admin keys and change signal. Exits with 3 on failure."""
    findings = checks.examine()
    failed = any(finding.level == FAIL for finding in findings)
    if as_json:
        told = [{"level": one.level, "what": one.what, "detail": one.detail, "fix": one.fix} for one in findings]
        print_json({"ok": not failed, "findings": told})
    else:
        for finding in findings:
            fix = f" → {finding.fix}" if finding.fix else ""
            click.echo(plain(f"{finding.level:<5} {finding.what:<14} {finding.detail}{fix}"))
    click.get_current_context().exit(Exit.CHECK_FAILED if failed else Exit.OK)
