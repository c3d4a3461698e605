"""``keyfob import``: keys that another product issued go on working."""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyfob.errors import ConfigError
from keyfob.management.key_import import ForeignKey
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Command, as_json_option, team_option
from keyfob_admin.cli.output import plain, print_json, say
from keyfob_admin.setup.import_formats import FORMATS
from keyfob_admin.setup.import_lines import ImportOptions, Unreadable, read_lines

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.management.key_import import Imported
    from keyfob_admin.cli.context import CliContext

_NO_FORM = (
    "name the form of these keys first, for example:\n\n"
    '[foreign.legacy]\npattern = "sk_live_[A-Za-z0-9]{32}"\n\nKeyfob reads no other text as a key'
)


@click.command("import", cls=Command)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--format", "kind", type=click.Choice(list(FORMATS)), help="Without it: csv or ndjson, by the file's name."
)
@team_option
@click.option("--permission", "permissions", multiple=True, metavar="P", help="What keys may do that say nothing.")
@click.option("--rename", multiple=True, metavar="OLD=NEW", help="A permission's name here; repeat it.")
@click.option(
    "--secret-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Holds the pepper or HMAC key of the other product.",
)
@click.option(
    "--key-prefix", default="", metavar="TEXT", help='What keys of keyshield begin with; without it "ak_v1-".'
)
@click.option("--dry-run", is_flag=True, help="Change nothing; say what would be imported.")
@as_json_option
def import_(
    file: Path,
    *,
    kind: str | None,
    team: str | None,
    permissions: tuple[str, ...],
    rename: tuple[str, ...],
    secret_file: Path | None,
    key_prefix: str,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Import the keys of FILE, an export of another product. Their holders go on using them as they are."""
    pairs = [one.partition("=") for one in rename]
    if any(not separator for _, separator, _ in pairs):
        raise click.UsageError("--rename takes OLD=NEW")
    told = {
        "format": kind or ("csv" if file.suffix.lower() == ".csv" else "ndjson"),
        "permissions": permissions,
        "renamed": {old: new for old, _, new in pairs},
        "secret": _secret(secret_file) if secret_file else "",
        "prefix": key_prefix,
    }
    written = file.read_bytes()
    is_utf_16 = written.startswith((BOM_UTF16_BE, BOM_UTF16_LE))  # as PowerShell saves it
    text = written.decode("utf-16", "replace") if is_utf_16 else written.decode("utf-8-sig", "surrogateescape")
    run_with_context(partial(_import, text, team, told, dry_run=dry_run, as_json=as_json))


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError:
        raise Fault(f"{file} is no text in UTF-8") from None


async def _import(
    text: str, team: str | None, told: Mapping[str, object], context: CliContext, *, dry_run: bool, as_json: bool
) -> None:
    forms = context.runtime.foreign_forms
    if forms is None:
        raise ConfigError(_NO_FORM)
    options = ImportOptions(team=await context.team_or_only(team), forms=forms, **told)  # type: ignore[arg-type]
    try:
        found = list(read_lines(text, options))
    except ValueError as error:
        raise Fault(f"the file cannot be read: {error}") from None
    keys = [one for one in found if isinstance(one, ForeignKey)]
    outcomes = await context.runtime.importer.run(keys, actor=context.actor, dry_run=dry_run)
    unreadable = [one for one in found if isinstance(one, Unreadable)]
    _tell(outcomes, unreadable, dry_run=dry_run, as_json=as_json)


def _tell(outcomes: list[Imported], unreadable: list[Unreadable], *, dry_run: bool, as_json: bool) -> None:
    """Say what became of every key, and exit with 1 if one failed that the other product would accept."""
    failed = [(one.key.where, one.key.name, one.error) for one in outcomes if one.error is not None]
    failed += [(one.where, one.name, one.why) for one in unreadable if not one.is_inactive]
    skipped = [(one.where, one.name, one.why) for one in unreadable if one.is_inactive]
    imported = [one for one in outcomes if one.record is not None]
    known = sum(one.is_known for one in outcomes)
    if as_json:
        counts = {"imported": len(imported), "known": known, "dry_run": dry_run}
        shown = {"failed": failed, "skipped": skipped}
        members = ("where", "name", "why")
        lists = {name: [dict(zip(members, row, strict=True)) for row in rows] for name, rows in shown.items()}
        print_json({**counts, **lists})
    else:
        for where, name, why in failed:
            say(plain(f"{where} ({name}): {why}"))
        for where, name, why in skipped:
            say(plain(f"{where} ({name}) is left out: {why}"))
        for one in imported:
            for why in one.breaks:
                say(f"{one.key.where} ({one.key.name}) is imported, but breaks a policy: {why}")
        verb = "would be imported" if dry_run else "were imported"
        rest = f"{known:,} were there already, {len(failed):,} failed, {len(skipped):,} left out"
        say(f"{len(imported):,} keys {verb}, {rest}.")
    if failed:
        click.get_current_context().exit(Exit.ERROR)
