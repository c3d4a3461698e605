"""Whose name stands in the audit log (FF-56)."""

from __future__ import annotations

import pytest

from keyfob.errors import Invalid
from keyfob.management.actor import Actor


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[2Jb", "a\x00", "a\u2028b", "a\u2029b", "a\x85b", "\t"])
def test_ff_56_a_name_that_could_forge_a_line_is_refused(name: str) -> None:
    """Control characters and line separators have no place in the name of who acts."""
    with pytest.raises(Invalid, match="control characters"):
        Actor.command_line(name)


@pytest.mark.parametrize("name", ["root", "José", "José 山田", "\U0001f468\u200d\U0001f4bb"])
def test_ff_56_names_that_can_be_printed_are_taken(name: str) -> None:
    """Letters of any script, spaces and joined emoji are as good as ASCII."""
    assert name == Actor.command_line(name).name
