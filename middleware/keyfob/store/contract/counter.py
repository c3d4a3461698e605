"""What readers see of a change signal."""

from __future__ import annotations

from typing import Protocol


class Counter(Protocol):
    """The change signal for readers. Only whether its value differs from before has a meaning."""

    def read(self) -> object:
        """The current value. Raises OSError where it cannot be read, so that it may have changed."""
        ...


class OwnCounter:
    """A counter that nobody but this process changes."""

    __slots__ = ("value",)

    def __init__(self, value: int = 0) -> None:
        self.value = value

    def read(self) -> int:
        """The current value."""
        return self.value
