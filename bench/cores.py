"""Who runs on which processor core: what is measured on the first, what drives it on the last."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

if sys.platform == "linux":
    _MINE = sorted(os.sched_getaffinity(0))
else:  # elsewhere the system places them
    _MINE = []
PINNED = len(_MINE) > 1
SERVER = _MINE[:1]
DRIVER = _MINE[-1:]


@contextmanager
def started_on(cores: list[int]) -> Iterator[None]:
    """Processes that are started within stay on *cores*, where the system can do that and there are two."""
    if sys.platform != "linux" or not PINNED:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
