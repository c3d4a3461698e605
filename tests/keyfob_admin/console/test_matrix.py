"""Many permissions on one form: a table of resources and actions, and what is summed up beside it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

import pytest

from keyfob.policy.catalogue import build_catalogue
from keyfob_admin.console.permission_choices import groups
from keyfob_admin.console.permission_matrix import Line, lines, matrix, summary
from tests.keyfob_admin.console.conftest import LiveConsole, Visitor, installed, running, words
from tests.keyfob_admin.console.key_forms import NEW, checked

if TYPE_CHECKING:
    from pathlib import Path

ACTIONS = ("read", "create", "update", "delete", "export")
MANY = {f"{chr(97 + n // 26)}{chr(97 + n % 26)}s:{action}": f"May {action}" for n in range(40) for action in ACTIONS}
CATALOGUE = build_catalogue(permissions={**MANY, "aas:recount": "Count again"})


def test_few_permissions_are_a_list() -> None:
    """Up to twenty stand in groups with their labels."""
    few = build_catalogue(permissions={f"items:n{n}": "x" for n in range(20)})
    assert matrix(groups(few, "api", ())) is None


def test_many_are_a_table_of_resources_and_actions() -> None:
    """Actions of several resources are columns; what only one resource has stands beside them."""
    table = matrix(groups(CATALOGUE, "api", ("aas:read", "aas:recount")))
    assert table is not None
    assert ACTIONS == table.actions
    assert 40 == len(table.rows)
    first = table.rows[0]
    assert ("Aas", 2, 6) == (first.resource, first.ticked, first.total)
    assert ["aas:recount"] == [choice.name for choice in first.others]
    assert [f"aas:{action}" for action in ACTIONS] == [cell.name for cell in first.cells if cell]


def test_an_action_never_stands_without_its_resource() -> None:
    """Keyfob's own permissions have a row for each resource, and what may do everything stands apart in words."""
    shown = groups(CATALOGUE, "admin", ("people:read", "teams:write"))
    table = matrix(shown)
    assert table is not None
    own = {row.resource: row for row in table.rows if row.resource.startswith("Keyfob")}
    assert {"Keyfob: keys", "Keyfob: people", "Keyfob: teams"} <= own.keys()
    for row in own.values():
        names = [choice.name for choice in (*row.cells, *row.others) if choice]
        assert 1 == len({name.partition(":")[0] for name in names})
    assert ["*"] == [choice.name for choice in table.rows[-1].others]
    said = summary(shown)
    assert "2 resources" in said.counted
    assert {("Keyfob: teams", ("write",)), ("Keyfob: people", ("read",))} == {
        (x.resource, x.actions) for x in said.lines
    }


def test_what_cannot_be_granted_is_off_with_the_reason() -> None:
    """Who lacks a permission finds it named in its row; what the key has already can still be taken away."""
    held = [name for name in MANY if name != "abs:delete"]
    table = matrix(groups(CATALOGUE, "api", (), ("aas:recount",), held))
    assert table is not None
    assert ["", "abs:delete"] == [row.lacking for row in table.rows[:2]]
    assert [choice.name for choice in table.rows[1].cells if choice and choice.lacking] == ["abs:delete"]
    assert not table.rows[0].others[0].lacking


@pytest.mark.parametrize(
    ("ticked", "counted", "deleting"),
    [
        ((), "0 of 201 · 0 resources", ""),
        (("aas:read",), "1 of 201 · 1 resource", ""),
        (("aas:read", "aas:delete", "abs:delete"), "3 of 201 · 2 resources", "2 can delete"),
    ],
)
def test_the_summary_counts(ticked: tuple[str, ...], counted: str, deleting: str) -> None:
    """It says how many of how many, of how many resources, and how many can delete."""
    said = summary(groups(CATALOGUE, "api", ticked))
    assert (counted, deleting) == (said.counted, said.deleting)


def test_every_name_is_in_the_summary() -> None:
    """Each resource has a line with its actions, and one with those that are not granted; few make a sentence."""
    chosen = groups(CATALOGUE, "api", ("aas:read", "aas:recount", "abs:delete"))
    assert (Line("Aas", "aas:", ("read", "recount")), Line("Abs", "abs:", ("delete",))) == summary(chosen).lines
    assert "" == summary(chosen).names
    assert Line("Aas", "aas:", ("create", "update", "delete", "export")) == lines(chosen, ticked=False)[0]
    few = groups(build_catalogue(permissions={"items:read": "Read items"}), "api", ("items:read",))
    assert ("read items", ()) == (summary(few).names, summary(few).lines)


def test_the_form_of_two_hundred_permissions(tmp_path: Path) -> None:
    """The page has the table, keeps what was ticked, and weighs little."""
    installation = asyncio.run(installed(tmp_path, permissions=dict(MANY)))
    with running(installation) as url, Visitor(url) as visitor:
        visitor.sign_in(installation.admin_key)
        live = LiveConsole(url, installation)
        live.make("warm", permissions=("aas:read",))
        answer = visitor.send_form(NEW, name="", permission=["aas:read", "abs:delete"])
        assert 422 == answer.status_code
        assert ["aas:read", "abs:delete"] == checked(answer.text)
        said = words(answer.text)
        assert "Resource read create update delete export" in said
        assert "able to: 2 of 200 · 2 resources · 1 can delete Aas read Abs delete Update summary" in said
        assert '<span class="danger">delete</span>' in answer.text
        assert len(re.findall(r'name="permission"', answer.text)) == 200
