"""Keys that another product issued and that customers go on using: their written forms.

A form is a pattern of literals, character classes and counts, for example ``sk_live_[A-Za-z0-9]{32}``. It is matched as
a whole, and never to what begins as our own keys do. So nothing needs backtracking, and no pattern takes over our form.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from functools import cached_property
from itertools import takewhile
from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST: Final = 512  # bytes
SHORTEST: Final = 16  # characters; what is shorter could be guessed
SHORTEST_BEGINNING: Final = 4  # characters by which a row may be found
_MOST_VARIABLE: Final = 2  # counts that leave a choice, so that a text is matched in few steps
_PART = re.compile(
    r"(?:(?P<set>\[(?!\^)(?:[!#-+\--:<-Z^-~]|\\[!-~])+\])|(?P<escape>\\[!-~])|(?P<literal>[!#%&'\-/0-9:<=>@A-Z_`a-z~]))"
    r"(?:\{(?P<least>[0-9]{1,3})(?:,(?P<most>[0-9]{1,3}))?\})?"
)
_CLASSES = frozenset("dw")
_TAKEN = frozenset(" ,;\"'")  # what separates credentials


@dataclass(frozen=True, slots=True)
class ForeignText:
    """A text in the form of another product's keys. Nothing but that has been checked."""

    text: str = field(repr=False)

    @property
    def secret(self) -> str:
        """The part that only the key's holder knows: as far as Keyfob can tell, all of it."""
        return self.text

    @property
    def display(self) -> str:
        """How logs name it: not at all, because nobody can tell which part of it is public."""
        return "a key in a foreign form"

    def lookups(self) -> list[str]:
        """What the row of the key may be found by: a digest of the whole, or any beginning of it."""
        text = self.text
        beginnings = [lookup_by_beginning(text[:end]) for end in range(len(text) - 1, SHORTEST_BEGINNING - 1, -1)]
        return [lookup_by_digest("sha256", text), lookup_by_digest("sha512", text), *beginnings]


def lookup_by_digest(algorithm: str, text: str) -> str:
    """What the row of the key *text* is found by, where no salt is in its hash."""
    return f"{algorithm}:{hashlib.new(algorithm, text.encode()).hexdigest()}"


def lookup_by_beginning(beginning: str) -> str:
    """What the row of a key is found by that begins so, and whose hash has a salt."""
    return f"begins:{beginning}"


class ForeignForms:
    """The forms that ``[foreign.*]`` names."""

    def __init__(self, patterns: Mapping[str, str], prefix: str) -> None:
        """*patterns* by name; *prefix* is that of our own keys. Raises ConfigError, naming the pattern."""
        for name, pattern in patterns.items():
            _check(name, pattern, f"{prefix}_")
        self._patterns = tuple(patterns.values())
        self._ours = f"{prefix}_".encode()
        self._any = re.compile("|".join(f"(?:{pattern})" for pattern in patterns.values()).encode() or b"(?!)")

    @cached_property
    def runs(self) -> tuple[re.Pattern[str], ...]:
        """For each form, what a key of it can be written in: as many of the characters as the shortest key has."""
        found = dict.fromkeys(_characters(pattern) for pattern in self._patterns)
        return tuple(re.compile(f"[{re.escape(characters)}]{{{SHORTEST},}}") for characters in found)

    def fits(self, text: bytes) -> bool:
        """Whether *text* as a whole has one of the forms."""
        is_candidate = SHORTEST <= len(text) <= LONGEST and not text.startswith(self._ours)
        return is_candidate and self._any.fullmatch(text) is not None

    def match(self, text: bytes) -> ForeignText | None:
        """Take *text* for a foreign key, if it fits."""
        return ForeignText(text.decode("ascii")) if self.fits(text) else None


def _characters(pattern: str) -> str:
    """The printable characters that may stand in a text of this form."""
    parts = [
        re.compile(part.written.partition("{")[0] if part.literal is None else re.escape(part.literal), re.ASCII)
        for part in _parts("", pattern)
    ]
    return "".join(char for char in map(chr, range(0x21, 0x7F)) if any(part.fullmatch(char) for part in parts))


class _Part(NamedTuple):
    """A literal, an escape or a character class of a pattern, and how often it may stand there."""

    written: str
    literal: str | None
    least: int
    most: int


def _check(name: str, pattern: str, ours: str) -> None:
    where = f"[foreign.{name}] pattern"
    parts = list(_parts(where, pattern))
    least, most = sum(part.least for part in parts), sum(part.most for part in parts)
    if least < SHORTEST or most > LONGEST:
        raise ConfigError(f"{where}: a key must be {SHORTEST} to {LONGEST} characters, and this is {least} to {most}")
    if sum(part.most > part.least for part in parts) > _MOST_VARIABLE:
        raise ConfigError(f"{where}: at most {_MOST_VARIABLE} counts may leave a choice, as in {{20,24}}")
    fixed = takewhile(lambda part: part.literal is not None and part.least == part.most, parts)
    if "".join((part.literal or "") * part.least for part in fixed).startswith(ours):
        raise ConfigError(f"{where}: what begins with {ours} are Keyfob's own keys; choose another [keys] prefix")


def _parts(where: str, pattern: str) -> Iterator[_Part]:
    """Take *pattern* apart. Raises ConfigError for anything that is none of its parts."""
    at = 0
    while at < len(pattern):
        found = _PART.match(pattern, at)
        if found is None:
            raise ConfigError(f"{where}: {pattern[at:][:20]!r} is no literal, character class or count; {_HOW}")
        least = int(found["least"] or 1)
        most = int(found["most"] or least)
        if most < least:
            raise ConfigError(f"{where}: {found[0]!r} counts to less than it begins with")
        escaped = (found["escape"] or "")[1:]
        literal = found["literal"] or (escaped if escaped and not escaped.isalnum() else None)
        if escaped.isalnum() and escaped not in _CLASSES:
            raise ConfigError(f"{where}: {found[0]!r} is no literal, character class or count; {_HOW}")
        _check_set(where, found["set"] or found["escape"] or found["literal"])
        yield _Part(found[0], literal, least, most)
        at = found.end()


_HOW: Final = r'for example "sk_live_[A-Za-z0-9]{32}"; write a dot as \\.'


def _check_set(where: str, part: str) -> None:
    try:
        one = re.compile(part.encode())
    except re.error:
        raise ConfigError(f"{where}: {part!r} is no character class; {_HOW}") from None
    if any(one.fullmatch(taken.encode()) for taken in _TAKEN):
        raise ConfigError(
            f"{where}: {part!r} takes a space, a quote, a comma or a semicolon, which separate credentials"
        )
