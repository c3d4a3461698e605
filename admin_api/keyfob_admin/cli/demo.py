"""``keyfob demo``: everything to try, in a temporary folder, until Ctrl-C."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keyfob_admin.cli.exit_codes import Fault
from keyfob_admin.cli.options import Command, as_json_option, host_option
from keyfob_admin.cli.output import print_json, say
from keyfob_admin.cli.serve import take_port
from keyfob_admin.sign_in.links import link_address

if TYPE_CHECKING:
    from keyfob_admin.setup.demo import Demo

_TRY = """\
Keyfob guards a Teams API at {app_url}. Everything is in {folder} and gone when you press Ctrl-C.

1. Look around in the console. This link signs you in once, within ten minutes:
  {link}

2. Ask without a key: 401. With this one, which may read everything: 200.
  READER={reader}
  curl -i {app_url}/hello
  curl -i -H "Authorization: Bearer $READER" {app_url}/hello

3. Disable it, in the console or like this. Its next request is 401.
  ADMIN={admin_key}
  curl -s -X POST -H "Authorization: Bearer $ADMIN" {admin_url}/v1/teams/{team}/keys/{reader_id}/disable
  curl -i -H "Authorization: Bearer $READER" {app_url}/hello
"""

_HINT = """
`--more` prints more to try: permissions, other types of key, the admin API, the command line.
"""

_MORE = """
4. Enable it again. It may read, so the second answer is 200, and not write, so the third is 403.
  curl -s -X POST -H "Authorization: Bearer $ADMIN" {admin_url}/v1/teams/{team}/keys/{reader_id}/enable
  curl -i -H "Authorization: Bearer $READER" {app_url}/v1/teams/{team}/members
  curl -i -X POST -H "Authorization: Bearer $READER" {app_url}/v1/teams/{team}/invites

5. This key may write, and this one can only enroll computers:
  WRITER={writer}
  COMPUTER={computer}
  curl -i -X POST -H "Authorization: Bearer $WRITER" {app_url}/v1/teams/{team}/invites
  curl -i -X POST -H "Authorization: Bearer $COMPUTER" {app_url}/v1/teams/{team}/computers

6. Create a key over HTTP:
  curl -s -H "Authorization: Bearer $ADMIN" -H "Content-Type: application/json" \\
    -d '{{"name": "ci", "permissions": ["members:read"]}}' {admin_url}/v1/teams/{team}/keys

7. An identity provider would use this key:
  SCIM={scim}
  curl -i -H "Authorization: Bearer $SCIM" {app_url}/scim/v2/ServiceProviderConfig

8. The admin API is described at {admin_url}/openapi.json, and the command line works here, too:
  keyfob keys list --config {config}
  keyfob console login --config {config} --url {console_url}
"""


@click.command(cls=Command)
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free one.")
@host_option
@click.option("--more", is_flag=True, help="Print more to try.")
@as_json_option
def demo(*, port: int, host: str, more: bool, as_json: bool) -> None:
    """Serve a protected Teams API and the admin API from a temporary folder, until Ctrl-C."""
    from keyfob_admin import server  # noqa: PLC0415 - other commands need no uvicorn
    from keyfob_admin.setup.demo import prepare  # noqa: PLC0415 - likewise

    with take_port(host, port) as taken, tempfile.TemporaryDirectory(prefix="keyfob-demo-") as folder:
        made = asyncio.run(prepare(Path(folder)))
        told = made.told(server.url_of(taken))

        def ready() -> None:
            if as_json:
                print_json(told)
            else:
                click.echo(_walk(made, told, _TRY + (_MORE if more else _HINT)))

        if not server.run(made.app, taken, ready=ready, websockets=True):
            raise Fault("the demo did not start")
    say("The demo is over; its folder is removed.")


def _walk(made: Demo, told: dict[str, Any], text: str) -> str:
    """Fill in *text*, which says what to try, with keys and addresses that work."""
    reader_id = made.keys["reader"].split("_")[2]
    link = link_address(told["console_url"], made.sign_in)
    shown = {"reader_id": reader_id, "link": link, "config": made.config, "folder": made.config.parent}
    return text.format(**told, **made.keys, **shown)
