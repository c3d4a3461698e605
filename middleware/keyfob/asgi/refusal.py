"""What an application's own answer to a refused request is made from."""

from __future__ import annotations

from typing import NamedTuple


class Refusal(NamedTuple):
    """Why a request is refused, as far as its sender may know. It never holds the credential."""

    status: int
    code: str
    detail: str
    challenge: str | None  # the value of WWW-Authenticate; None where the answer has none
    needed: tuple[str, ...] = ()  # the permissions that would help
