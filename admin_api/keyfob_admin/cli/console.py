"""``keyfob console``: a way into the web console for whoever can run commands on the server."""

from __future__ import annotations

import html
import shutil
import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keyfob.errors import NotFound
from keyfob.keys.record import State
from keyfob.management.keys import KeySearch
from keyfob.policy.key_types import ADMIN
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Group, as_json_option, ended_by_ctrl_c, url_option
from keyfob_admin.cli.output import moment, print_json, say
from keyfob_admin.sign_in.links import LINK_LASTS, link_address, make_link
from keyfob_admin.wire.links import DEFAULT_URL

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob_admin.cli.context import CliContext

_PAGE = """\
<!doctype html>
<meta charset="utf-8">
<meta name="referrer" content="no-referrer">
<meta http-equiv="refresh" content="0; url={link}">
<title>Sign in to Keyfob</title>
<p><a href="{link}">Sign in to Keyfob</a></p>
"""


@click.group(cls=Group)
def console() -> None:
    """The web console."""


@console.command()
@click.option("--as", "key", metavar="KEY", help="The admin key to act as. Without it: the oldest active * key.")
@url_option
@click.option("--open", "in_browser", is_flag=True, help="Open the link in a browser here.")
@as_json_option
def login(*, key: str | None, url: str | None, in_browser: bool, as_json: bool) -> None:
    """Print a link that signs in to the console, once, within ten minutes."""

    async def work(context: CliContext) -> None:
        record = await (_named(context, key) if key else _oldest_root(context))
        now = context.runtime.now()
        base = (url or context.settings.admin.url or DEFAULT_URL).rstrip("/")
        link = link_address(
            base, await make_link(context.store, record, now, actor=context.actor, signing=context.keyring.signing())
        )
        if as_json:
            print_json({"url": link, "key_id": record.id, "expires_at": moment(now + LINK_LASTS)})
        else:
            click.echo(link)
        say(f"It signs in as {record.name}, once, until {moment(now + LINK_LASTS)}.")
        if in_browser:
            _open_in_browser(link)

    run_with_context(work)


def _open_in_browser(link: str) -> None:
    """Open *link* by way of a page that leads to it.

    Whoever lists processes sees what a browser was started with: the path of the page, which is readable to its owner
    alone, and not the link.
    """
    folder = Path(tempfile.mkdtemp(prefix="keyfob-"))
    page = folder / "sign-in.html"
    page.touch(0o600)
    page.write_text(_PAGE.format(link=html.escape(link)), encoding="utf-8")
    is_open = webbrowser.open(page.as_uri())
    if is_open and not sys.stdin.isatty():
        say(f"The link is also in {page}, which you may delete when the page is open.")
        return
    try:
        if is_open:
            with ended_by_ctrl_c():
                click.prompt("Press Enter when the page is open", default="", show_default=False, err=True)
        else:
            say("No browser could be opened here; use the link.")
    finally:
        shutil.rmtree(folder)


async def _named(context: CliContext, key: str) -> KeyRecord:
    """Find the admin key that was named. Raises NotFound, and Fault if it cannot sign in."""
    record = (await context.key(key)).record
    state = context.keys.state(record)
    if record.key_type != ADMIN or state is not State.ACTIVE:
        what = state if record.key_type == ADMIN else f"a key of type {record.key_type}"
        raise Fault(f"{context.display(record)} is {what}; only an active admin key can sign in", Exit.CONFLICT)
    return record


async def _oldest_root(context: CliContext) -> KeyRecord:
    """Find the oldest active key that may do everything. Raises NotFound."""
    search = KeySearch(key_type=ADMIN, state=State.ACTIVE, permission="*", page_size=1)
    found = (await context.keys.list_keys(search, actor=context.actor)).items
    if not found:
        raise NotFound("there is no active admin key that holds *; name another one with --as")
    return found[0].record
