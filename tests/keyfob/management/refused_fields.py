"""What a refusal says of which field."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

    from keyfob.errors import Invalid


def refused(caught: pytest.ExceptionInfo[Invalid]) -> list[tuple[str, str]]:
    return list(caught.value.errors)
