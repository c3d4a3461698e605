"""``keyfob rules``: what the rules do to an application's routes, and to the keys in use when they change."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keyfob.config.settings import Settings, load_settings
from keyfob.errors import ConfigError
from keyfob.runtime.configured import catalogue_of
from keyfob_admin.cli.context import run_with_context, settings_if_any
from keyfob_admin.cli.exit_codes import Exit, Fault
from keyfob_admin.cli.options import Command, Group, as_json_option
from keyfob_admin.cli.output import print_json, print_table, say

if TYPE_CHECKING:
    from keyfob.asgi.route_check import CheckedRoute, RouteCheck
    from keyfob_admin.cli.context import CliContext
    from keyfob_admin.cli.rules_diff import Affected


@click.group(cls=Group)
def rules() -> None:
    """Compare rules with an application, or with each other."""


@rules.command(cls=Command)
@click.argument("application", metavar="MODULE:APP")
@click.option("--factory", is_flag=True, help="APP is a function that makes the application.")
@as_json_option
def check(application: str, *, factory: bool, as_json: bool) -> None:
    """List every route of the application MODULE:APP with what it needs, as `uvicorn MODULE:APP` would serve it.

    Exit code 3 where a route has no rule, a rule no route, or a wider route takes the requests of a narrower one.
    """
    from keyfob.asgi.route_check import check_routes  # noqa: PLC0415 - other commands need no Starlette

    app = _loaded(application, factory=factory)
    settings = settings_if_any() or Settings()
    found = check_routes(app, settings, catalogue_of(settings))
    if found.routes is None:
        raise Fault(
            f"the routes of {application} cannot be read: Starlette's, FastAPI's, Litestar's, Django's and Quart's can"
        )
    if as_json:
        print_json(_as_json(found))
    else:
        _print(found)
    if not found.is_fine:
        click.get_current_context().exit(Exit.CHECK_FAILED)


@rules.command(cls=Command)
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--days", type=click.IntRange(1, 365), default=30, show_default=True, metavar="N", help="Keys in use: since."
)
@as_json_option
def diff(old: Path, new: Path, *, days: int, as_json: bool) -> None:
    """Name the keys in use that gain or lose a route between the rules of OLD and NEW, two configuration files.

    Exit code 3 if there are any.
    """
    from keyfob_admin.cli.rules_diff import affected_keys  # noqa: PLC0415 - as above

    before, after = (load_settings(path, environ={}) for path in (old, new))
    found: list[Affected] = []

    async def work(context: CliContext) -> None:
        found.extend(await affected_keys(context, before, after, days=days))

    run_with_context(work)
    if as_json:
        print_json({"keys": found})
    else:
        rows = [(one.display, one.name, one.team, one.change, one.route, str(one.requests)) for one in found]
        print_table(("key", "name", "team", "change", "route", "requests"), rows, whole=("change",), drop=("team",))
    if found:
        click.get_current_context().exit(Exit.CHECK_FAILED)


def _loaded(application: str, *, factory: bool) -> object:
    """Import the application as a server would, from the current folder first."""
    module_name, _, names = application.partition(":")
    if not module_name or not names or module_name.startswith("."):
        raise click.UsageError('name the application as servers do, for example "main:app"')
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Any = importlib.import_module(module_name)
        for name in names.split("."):
            found = getattr(found, name)
        return found() if factory else found
    except (ImportError, AttributeError) as error:
        raise Fault(f"{application} cannot be imported: {error}") from error
    except ConfigError:
        raise
    except (Exception, SystemExit) as error:  # whatever somebody's application may do
        where = traceback.extract_tb(error.__traceback__)[-1]
        raise Fault(
            f"{application} cannot be imported: {type(error).__name__}: {error} ({where.filename}, line {where.lineno})"
        ) from error
    finally:
        sys.path.remove(str(Path.cwd()))


def _print(found: RouteCheck) -> None:
    routes = found.routes or ()
    print_table(
        ("method", "route", "needs", "rule"),
        [(route.method, route.path, needs(route), route.rule or "") for route in routes],
        whole=("method",),
    )
    without = sum(route.rule is None for route in routes)
    if without:
        say(f"{without} without a rule: nobody can reach them. Write a rule for each, or leave the route out.")
    for rule in found.unused:
        say(f'No route answers to the rule "{rule.text}".')
    for one in found.misplaced:
        say(f"{str(one)[:1].upper()}{str(one)[1:]}.")


def needs(route: CheckedRoute) -> str:
    """Say what a request to *route* needs."""
    demands = route.demands
    if demands is None:
        return "no rule"
    if route.public:
        return "public"
    parts = [name for all_of, _ in demands.parts for name in all_of]
    parts += [f"one of {', '.join(any_of)}" for _, any_of in demands.parts if any_of]
    types = demands.key_types or ()
    if not parts:
        parts = [f"any {' or '.join(types)} key"]
    elif types != ("api",):
        parts.append(f"key type {' or '.join(types)}")
    if demands.team is not None:
        parts.append("the key's own team")
    return ", ".join(dict.fromkeys(parts))


def _as_json(found: RouteCheck) -> dict[str, object]:
    routes = [
        {
            "method": route.method,
            "route": route.path,
            "rule": route.rule,
            "public": route.public,
            "needed": [] if route.demands is None else list(route.demands.needed),
            "key_types": list((route.demands.key_types if route.demands else None) or ()),
        }
        for route in found.routes or ()
    ]
    return {
        "routes": routes,
        "unused_rules": [rule.text for rule in found.unused],
        "misplaced_routes": [str(one) for one in found.misplaced],
    }
