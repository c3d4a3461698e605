"""What readers see of a change signal."""

from __future__ import annotations

from typing import Protocol


class Counter(Protocol):
    """The change signal for readers. Only whether its value differs from before has a meaning."""

    def __getitem__(self, index: int, /) -> object:
        """The current value."""
        ...
