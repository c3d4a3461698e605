"""Which ways to sign in the console takes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from keyfob.config.people import PeopleSettings
from keyfob.errors import ConfigError
from keyfob.runtime.runtime import Runtime
from keyfob_admin.console import console_pages

if TYPE_CHECKING:
    from tests.keyfob_admin.console.conftest import Installation


def test_a_way_that_is_not_there_yet_is_refused(installation: Installation) -> None:
    """A console that could not sign people in as configured does not start."""
    settings = replace(installation.settings, people=PeopleSettings(sign_in=("local", "header")))

    with pytest.raises(ConfigError, match='"header" is not available yet'):
        console_pages(Runtime(settings))
