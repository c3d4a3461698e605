"""Which rules match a path: the table that is asked once for every path that is not known yet.

Templates with the same kinds at the same places share a *shape*, and a path fits at most one template of a shape in
one spelling, so that a shape is one dictionary from the literals, in lower case, to the rules. Which of the matching
rules speak is decided by `keyfob.rules.precedence`, once for each set of templates that some path matches.

No regular expression is used, so nothing can match before a final newline, and no client can make it slow.
"""

from __future__ import annotations

from functools import lru_cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from keyfob.rules.precedence import Family, Matching, speakers
from keyfob.rules.rule import WEBSOCKET, Combinations, Match, Rule
from keyfob.rules.template import LITERAL, PARAMETER, REST, Segment, fold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

__all__ = ["LITERAL", "PARAMETER", "REST", "WEBSOCKET", "Match", "Rule", "RuleTable", "Segment"]

_SETS_KEPT = 4096  # of templates that match one path; far more than any rules make


class _Shape:
    """All templates with the same kinds at the same places."""

    __slots__ = ("by_literals", "depth", "ends_in_parameter", "pick", "rest")

    def __init__(self, kinds: tuple[int, ...]) -> None:
        self.rest = kinds[-1:] == (REST,)
        self.ends_in_parameter = kinds[-1:] == (PARAMETER,)
        self.depth = len(kinds) - self.rest
        places = [place for place, kind in enumerate(kinds) if kind == LITERAL]
        self.pick: Callable[[Sequence[Any]], object] = itemgetter(*places) if places else _nothing
        self.by_literals: dict[object, list[tuple[object, Family]]] = {}

    def add(self, family: Family) -> None:
        """Take in *family*, whose kinds are this shape's. Beside it stands how its literals are written."""
        folded = self.pick([segment.text for segment in family.folded])
        written = self.pick([segment.text for segment in family.template])
        self.by_literals.setdefault(folded, []).append((written, family))


def _nothing(_segments: Sequence[Any]) -> object:
    return ()


class RuleTable:
    """All rules, ready to be asked. Two of them may not have the same shape and a method in common."""

    __slots__ = ("_combinations", "_families", "_plans", "_plans_with_empty", "_speakers", "rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        self._combinations = Combinations(self.rules)
        families: dict[object, Family] = {}
        for rule in self.rules:
            families.setdefault(rule.shape, Family(len(families), rule.shape)).add(rule)
        self._families = list(families.values())
        shapes: dict[tuple[int, ...], _Shape] = {}
        for family in self._families:
            kinds = tuple(segment.kind for segment in family.template)
            shapes.setdefault(kinds, _Shape(kinds)).add(family)
        self._plans = _plans(shapes.values())
        self._plans_with_empty = _plans([shape for shape in shapes.values() if shape.ends_in_parameter])
        self._speakers = lru_cache(_SETS_KEPT)(self._find_speakers)

    def match(self, method: str, path: str) -> Match | None:
        """Return what *path* needs under *method* (`WEBSOCKET` for a handshake), or None where no rule applies.

        *path* is decoded, relative to where Keyfob stands, and safe (`keyfob.rules.safe_path`).
        """
        return self.combine(self.speaking(method, path) or ())

    def combine(self, matches: Sequence[Match]) -> Match | None:
        """Return what all of *matches* need together; None where there is none."""
        if len(matches) == 1:
            return matches[0]
        return self._combinations.of(matches) if matches else None

    def speaking(
        self, method: str, path: str, *, may_be_empty: bool = False, drops_slash: bool = False
    ) -> list[Match] | None:
        """Return every rule that counts for *path*, with its parameters; None where a public one must not apply.

        With *may_be_empty*, the nothing after a final slash may be a parameter, too; with *drops_slash*, the router
        takes the slash off before it compares.
        """
        segments = path.split("/")
        if segments[0]:
            return []  # not from the root, such as "*"
        del segments[0]
        has_slash = segments[-1:] in ([""], [])
        empty: tuple[int, ...] = ()
        if has_slash:
            if may_be_empty:
                empty = self._numbers(self._plans_with_empty, segments)
            del segments[-1:]
        if "" in segments:
            return []
        found = self._speakers(
            method,
            min(len(segments), len(self._plans)),
            has_slash,
            drops_slash,
            self._numbers(self._plans, segments),
            empty,
        )
        if found is None:
            return None
        return [Match(rule, _params(rule, segments, has_slash=has_slash)) for rule in found]

    @staticmethod
    def _numbers(plans: list[_Plan], segments: list[str]) -> tuple[int, ...]:
        """Name the families that match: by number, or by what is left of it below zero in another letter case."""
        folded = [fold(segment) for segment in segments]
        count, numbers = len(segments), []
        for pick, by_literals in plans[count] if count < len(plans) else plans[-1]:
            for written, family in by_literals.get(pick(folded), ()):
                numbers.append(family.number if written == pick(segments) else ~family.number)
        return tuple(numbers)

    def _find_speakers(  # noqa: PLR0917 - the key of a cache
        self,
        method: str,
        count: int,
        has_slash: bool,  # noqa: FBT001
        drops_slash: bool,  # noqa: FBT001
        numbers: tuple[int, ...],
        empty: tuple[int, ...],
    ) -> tuple[Rule, ...] | None:
        families = self._families
        return speakers(
            method,
            Matching(
                as_written=[families[number] for number in numbers if number >= 0],
                in_another_case=[families[~number] for number in numbers if number < 0],
                length=count,
                has_slash=has_slash,
                drops_slash=drops_slash,
                with_empty=[families[number] for number in empty if number >= 0],
            ),
        )


_Plan = list[tuple["Callable[[Sequence[Any]], object]", dict[object, list[tuple[object, Family]]]]]


def _plans(shapes: Iterable[_Shape]) -> list[_Plan]:
    """For each number of segments, the shapes that can fit; the last plan is for all greater numbers."""
    shapes = list(shapes)
    longest = max((shape.depth for shape in shapes), default=0)
    return [
        [
            (shape.pick, shape.by_literals)
            for shape in shapes
            if shape.depth == count or (shape.rest and shape.depth < count)
        ]
        for count in range(longest + 2)
    ]


def _params(rule: Rule, segments: list[str], *, has_slash: bool) -> dict[str, str]:
    """What the parameters of *rule* are in *segments*; one that is not there is empty."""
    params = {}
    for place, part in enumerate(rule.template):
        if part.kind == PARAMETER:
            params[part.text] = segments[place] if place < len(segments) else ""
        elif part.kind == REST:
            rest = segments[place:]
            params[part.text] = "/".join((*rest, "")) if has_slash and rest else "/".join(rest)
    return params
