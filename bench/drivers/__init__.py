"""What sends requests: wrk where it is installed, locust, and two small drivers that need nothing installed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

CONNECTIONS = 16


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest figure that *share* of all are not above."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def request(headers: Sequence[tuple[str, str]], path: str = "/items") -> str:
    """A request as it goes over the wire, with the headers of an ordinary client."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n{lines}\r\n"
