"""``keyfob people``: who belongs to which team, with which role, and who left."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from keyfob.errors import NotFound
from keyfob.management.pagination import LARGEST_PAGE
from keyfob.management.people.offboarding import CHOICES
from keyfob.management.people.people import PeopleSearch
from keyfob.people.record import PersonState, Source
from keyfob.store.contract.key_store import TEAM_OWNER, KeyView
from keyfob_admin.cli.context import run_with_context
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Group, as_json_option, confirm, team_option, url_option, yes_option
from keyfob_admin.cli.output import moment, moment_cell, print_json, print_table, say
from keyfob_admin.wire import people_views as views
from keyfob_admin.wire.links import DEFAULT_URL, invitation_address
from keyfob_admin.wire.people_presenters import shown_person

if TYPE_CHECKING:
    from keyfob.management.people.offboarding import Offboarding
    from keyfob.management.people.person_links import Invitation
    from keyfob.people.record import Person
    from keyfob_admin.cli.context import CliContext

_ID = re.compile("[0-9A-Za-z]{16}")
_role_option = click.option("--role", required=True, metavar="ROLE", help="owner, team_admin, member, auditor …")


@click.group(cls=Group)
def people() -> None:
    """People, and what they may do in which team."""


@people.command("list")
@team_option
@click.option("--search", metavar="TEXT", help="Only people with this in their name or e-mail address.")
@click.option("--state", type=click.Choice([state.value for state in PersonState]), help="Only people in this state.")
@as_json_option
def list_people(*, team: str | None, search: str | None, state: str | None, as_json: bool) -> None:
    """List people by name; without --team those of all teams."""

    async def work(context: CliContext) -> None:
        sought = PeopleSearch(team=team, q=search, state=state, page_size=LARGEST_PAGE)
        found: list[Person] = []
        token: str | None = ""
        while token is not None:
            asked = PeopleSearch(sought.team, sought.q, sought.state, sought.page_size, token or None)
            page = await context.runtime.people.list(asked, actor=context.actor)
            found += page.items
            token = page.next_token
        if as_json:
            print_json({"people": [shown_person(person) for person in found]})
        else:
            print_table(("e-mail", "name", "state", "roles", "last sign-in", "id"), map(_row, found), whole=("id",))

    run_with_context(work)


def _row(person: Person) -> tuple[str, ...]:
    roles = ", ".join(f"{one.team}: {one.role}" for one in person.memberships)
    return person.email or "", person.name, person.state, roles, moment_cell(person.last_sign_in_at), person.id


@people.command()
@click.argument("email", metavar="EMAIL")
@team_option
@_role_option
@click.option("--name", metavar="NAME", help="As people read it. Without it: the address.")
@url_option
@as_json_option
def invite(email: str, *, team: str | None, role: str, name: str | None, url: str | None, as_json: bool) -> None:
    """Give EMAIL a role in a team, and print a link, once. It works for 72 hours and sets a passphrase.

    The id of somebody who has left, such as a user of an application, invites them again.
    """
    is_known = _ID.fullmatch(email) is not None
    if is_known and name is not None:
        raise Fault("--name goes with an e-mail address: somebody with an id has a name", Exit.USAGE)

    async def work(context: CliContext) -> None:
        people, where = context.runtime.people, {"team": await context.team_or_only(team), "role": role}
        if is_known:
            made = await people.invite_again(email, **where, actor=context.actor)
        else:
            made = await people.invite(email, **where, name=name, actor=context.actor)
        _tell_link(context, made, url, as_json=as_json)

    run_with_context(work)


@people.command("set-role")
@click.argument("email", metavar="EMAIL")
@team_option
@_role_option
@as_json_option
def set_role(email: str, *, team: str | None, role: str, as_json: bool) -> None:
    """Give the person EMAIL, or with this id, another role in a team."""

    async def work(context: CliContext) -> None:
        person, chosen = await _person(context, email), await context.team_or_only(team)
        after = await context.runtime.people.set_role(chosen, person.id, role, actor=context.actor)
        _tell(after, f"has the role {role} in the team {chosen} now", as_json=as_json)
        if after.state is PersonState.INVITED and person.role_in(chosen) != role:
            say(f"Their invitation no longer works; `keyfob people sign-in-link {email}` makes another link.")

    run_with_context(work)


@people.command()
@click.argument("email", metavar="EMAIL")
@team_option
@as_json_option
def remove(email: str, *, team: str | None, as_json: bool) -> None:
    """End the membership of the person EMAIL, or with this id, in a team. It is in force on the next page."""

    async def work(context: CliContext) -> None:
        person, chosen = await _person(context, email), await context.team_or_only(team)
        await context.runtime.people.remove(chosen, person.id, actor=context.actor)
        after = await context.runtime.people.get(person.id, actor=context.actor)
        _tell(after, f"is no member of the team {chosen} any more", as_json=as_json)

    run_with_context(work)


@people.command()
@click.argument("email", metavar="EMAIL")
@click.option("--keys", type=click.Choice(CHOICES), required=True, help="What becomes of the keys that they own.")
@click.option("--to", metavar="EMAIL", help="With --keys transfer: who owns the keys from now on, or team.")
@click.option("--reason", metavar="TEXT", help="Why; kept in the audit log.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@yes_option
@as_json_option
def offboard(
    email: str, *, keys: str, to: str | None, reason: str | None, dry_run: bool, yes: bool, as_json: bool
) -> None:
    """End all memberships, sessions and admin keys of the person EMAIL, or with this id."""

    async def work(context: CliContext) -> None:
        person = await _person(context, email)
        target = to if to in {None, TEAM_OWNER} else (await _person(context, to or "")).id

        async def run(*, dry: bool) -> Offboarding:
            return await context.runtime.offboarding.run(
                person.id, keys=keys, to=target, dry_run=dry, reason=reason, actor=context.actor
            )

        if not dry_run:
            confirm(f"{_summary(person, await run(dry=True), would=True)} Go on?", yes=yes)
        result = await run(dry=dry_run)
        if as_json:
            shown = [context.shown().key(KeyView(key, None)) for key in result.keys]
            print_json(views.Offboarding(shown, result.sessions_ended, result.admin_keys_ended))
        else:
            say(_summary(person, result, would=dry_run))

    run_with_context(work)


def _summary(person: Person, result: Offboarding, *, would: bool) -> str:
    """Say what ends, or would end."""
    ended = (
        f"{result.sessions_ended} sessions and {result.admin_keys_ended} admin keys {'would end' if would else 'ended'}"
    )
    disabled = sum(key.is_disabled for key in result.keys)
    verb = "would leave" if would else "has left"
    return f"{_called(person)} {verb}: {ended}; of {len(result.keys)} keys, {disabled} are disabled."


@people.command("sign-in-link")
@click.argument("email", metavar="EMAIL")
@url_option
@as_json_option
def sign_in_link(email: str, *, url: str | None, as_json: bool) -> None:
    """Print a link by which the person EMAIL, or with this id, sets a new passphrase, once, within a day."""

    async def work(context: CliContext) -> None:
        person = await _person(context, email)
        made = await context.runtime.person_links.way_back(person.id, actor=context.actor)
        _tell_link(context, made, url, as_json=as_json)

    run_with_context(work)


async def _person(context: CliContext, text: str) -> Person:
    """Find the one person with this e-mail address or id. Raises NotFound, and Fault if there are several."""
    table = context.store.people
    by_id = await table.one(text) if text.isascii() and text.isalnum() else None
    by_email = await table.of_email(text) if text.isprintable() else []
    found = [by_id] if by_id else [one for one in by_email if one.source is not Source.APP]
    if not found:
        raise NotFound(f"there is nobody with the e-mail address or id {text}; see `keyfob people list`")
    if len(found) > 1:
        raise Fault(
            f"several people have this address; name one by id: {', '.join(one.id for one in found)}", Exit.USAGE
        )
    return found[0]


def _called(person: Person) -> str:
    """Name the person with what tells them from others of that name."""
    return f"{person.name} ({person.email or person.id})"


def _tell(person: Person, what: str, *, as_json: bool) -> None:
    if as_json:
        print_json(shown_person(person))
    else:
        say(f"{_called(person)} {what}.")


def _tell_link(context: CliContext, made: Invitation, url: str | None, *, as_json: bool) -> None:
    """Give the link to stdout, and the words to stderr."""
    base = (url or context.settings.admin.url or DEFAULT_URL).rstrip("/")
    link = None if made.token is None else invitation_address(base, made.token)
    person = made.person
    if as_json:
        print_json(views.Invitation(shown_person(person), link, made.expires_at))
        return
    roles = ", ".join(f"{one.role} in the team {one.team}" for one in person.memberships)
    say(f"{_called(person)} is {roles or 'in no team'}.")
    if link is None:
        say("They sign in as before, so there is no link.")
        return
    say(f"Send this link to them alone. It sets a passphrase, once, until {moment(made.expires_at)}:")
    click.echo(link)
