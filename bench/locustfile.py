"""Load for your own deployment: ``KEYFOB_KEYS=keys.txt locust -f bench/locustfile.py --host https://api.example.com``.

``KEYFOB_KEYS`` names a file with one key a line, its kind before it; empty lines and lines with ``#`` are skipped::

    valid    kf_api_7Qx2mB9tKd03LpWz_…   used again and again; must be answered 2xx
    cold     kf_api_…                    used once each, so that no cache knows it; must be answered 2xx
    disabled kf_api_…                    a key that was switched off; must be answered 401
    forged   kf_api_…                    never issued; must be answered 401

Kinds that the file does not hold are not asked for; when every cold key was used, they begin again.
``KEYFOB_PATH`` is what is asked for (``/items``), ``KEYFOB_MIX`` how often each kind is presented
(``valid=90,cold=4,disabled=3,forged=3``). Point it only at what is yours.
An answer with another status than the kind deserves counts as a failure.
"""

from __future__ import annotations

import os
import random
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from locust import FastHttpUser, constant, task

if TYPE_CHECKING:
    from collections.abc import Iterator

DESERVES = {"valid": "2xx", "cold": "2xx", "disabled": "401", "forged": "401"}
MIX = "valid=90,cold=4,disabled=3,forged=3"
PATH = os.environ.get("KEYFOB_PATH", "/items")


def read(file: Path) -> dict[str, list[str]]:
    """The keys of each kind; raises ValueError on a line that is not a kind and a key."""
    keys: dict[str, list[str]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2 or words[0] not in DESERVES:
            raise ValueError(f"{file.name}, line {number}: not one of {', '.join(DESERVES)} and a key")
        keys.setdefault(words[0], []).append(words[1])
    if not keys:
        raise ValueError(f"{file.name} holds no key")
    return keys


def weights(mix: str) -> dict[str, float]:
    """How often each kind is asked for, of ``valid=90,cold=4``."""
    return {kind.strip(): float(weight) for kind, _, weight in (part.partition("=") for part in mix.split(","))}


def is_deserved(kind: str, status: int) -> bool:
    """Whether a key of this kind may be answered so."""
    return status // 100 == 2 if DESERVES[kind] == "2xx" else str(status) == DESERVES[kind]


class KeyHolder(FastHttpUser):
    """A client that presents one key after the other, without a pause."""

    wait_time = constant(0)
    kinds: tuple[str, ...] = ()
    odds: tuple[float, ...] = ()
    keys: dict[str, Iterator[str]]  # shared by all of one process, so that a cold key is cold

    def on_start(self) -> None:
        """Read the file, once in each process."""
        if not KeyHolder.kinds:
            found = read(Path(os.environ["KEYFOB_KEYS"]))
            mix = weights(os.environ.get("KEYFOB_MIX", MIX))
            KeyHolder.keys = {kind: cycle(keys) for kind, keys in found.items()}
            KeyHolder.odds = tuple(mix.get(kind, 0) for kind in found)
            KeyHolder.kinds = tuple(found)

    @task
    def ask(self) -> None:
        """Present a key, and say whether the answer was the one it deserves."""
        (kind,) = random.choices(self.kinds, self.odds)
        headers = {"Authorization": f"Bearer {next(self.keys[kind])}"}
        with self.client.get(PATH, headers=headers, name=f"{PATH}, {kind}", catch_response=True) as answer:
            if is_deserved(kind, answer.status_code):
                answer.success()
            else:
                answer.failure(f"a {kind} key was answered {answer.status_code}")
