"""Which rule speaks for a request: the table that is asked once for every request.

Every template is a row of segments, each one a literal, a ``{name}`` or, at the end, a ``{name:path}``. Templates
with the same kinds at the same places share a *shape*, and a path fits at most one template of a shape, so that a
shape is one dictionary from the literals to the rules. Sorted by their kinds (literal, ``{name}``, nothing more,
``{name:path}``), the shapes are in order of precedence, and the first that knows the path is the most specific.

No regular expression is used, so nothing can match before a final newline, and no client can make it slow.
"""

from __future__ import annotations

from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from keyfob.policy.permissions import Held

WEBSOCKET: Final = "WS"
"""Stands for the method of a WebSocket handshake."""

LITERAL, PARAMETER, REST = range(3)
"""The kinds of a segment, the most specific first."""

_ANY: Final = ""
_NONE: Mapping[str, str] = MappingProxyType({})


class Segment(NamedTuple):
    """One part of a template: a literal's *text*, or a parameter's name."""

    kind: int
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """What one line of the rules demands. Compared by identity."""

    text: str  # as written
    methods: frozenset[str]  # empty: every method, and WebSocket
    template: tuple[Segment, ...]
    public: bool = False
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()
    key_types: frozenset[str] = frozenset({"api"})
    team_parameter: str | None = None

    @property
    def needed(self) -> tuple[str, ...]:
        """Every permission that the rule names, in the order of writing."""
        return self.all_of + self.any_of

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """The parameters, save a ``{name:path}``, with the numbers of their segments."""
        return tuple((part.text, place) for place, part in enumerate(self.template) if part.kind == PARAMETER)

    @property
    def kinds(self) -> tuple[int, ...]:
        """The kinds of the segments: templates sorted by them are in order of precedence."""
        return tuple(segment.kind for segment in self.template)

    @property
    def shape(self) -> tuple[Segment, ...]:
        """The template without the names of its parameters: equal for templates that match the same paths."""
        return tuple(part if part.kind == LITERAL else Segment(part.kind, "") for part in self.template)

    def allows(self, held: Held) -> bool:
        """Whether *held* covers what the rule demands."""
        covers = held.covers
        for needed in self.all_of:
            if not covers(needed):
                return False
        return not self.any_of or any(map(covers, self.any_of))


class Match(NamedTuple):
    """The rule for a request, and what its path parameters are there."""

    rule: Rule
    params: Mapping[str, str]


_Places = tuple[tuple[str, int], ...]


class _Shape:
    """All templates with the same kinds at the same places."""

    __slots__ = ("by_literals", "depth", "kinds", "pick", "rest")

    def __init__(self, kinds: tuple[int, ...]) -> None:
        self.kinds = kinds
        self.rest = bool(kinds) and kinds[-1] == REST
        self.depth = len(kinds) - self.rest
        places = [place for place, kind in enumerate(kinds) if kind == LITERAL]
        self.pick: Callable[[Sequence[Any]], object] = itemgetter(*places) if places else _nothing
        self.by_literals: dict[object, dict[str, tuple[Rule, _Places]]] = {}

    def add(self, rule: Rule) -> None:
        """Take in *rule*, whose kinds are this shape's."""
        rules = self.by_literals.setdefault(self.pick([segment.text for segment in rule.template]), {})
        for method in rule.methods or (_ANY,):
            rules[method] = (rule, rule.places)

    def finish(self) -> None:
        """Let HEAD follow GET, unless it is named itself."""
        for rules in self.by_literals.values():
            if "GET" in rules:
                rules.setdefault("HEAD", rules["GET"])


def _nothing(_segments: Sequence[Any]) -> object:
    return ()


class RuleTable:
    """All rules, ready to be asked. Two of them may not have the same shape and a method in common."""

    __slots__ = ("_plans", "_spelled", "rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        shapes = {kinds: _Shape(kinds) for kinds in sorted({rule.kinds for rule in self.rules})}
        for rule in self.rules:
            shapes[rule.kinds].add(rule)
        for shape in shapes.values():
            shape.finish()
        self._plans = _plans(shapes.values())
        self._spelled = _spelled(shape for kinds, shape in shapes.items() if not {PARAMETER, REST} & {*kinds})

    def match(self, method: str, path: str) -> Match | None:
        """Return the rule for *method* (`WEBSOCKET` for a handshake) and *path*, or None where none applies.

        *path* is decoded, relative to where Keyfob stands, and safe (`keyfob.rules.safe_path`). A template of literals
        alone is more specific than all else, so that a path spelled out in the rules is two look-ups.
        """
        spelled = self._spelled.get(path)
        if spelled is not None:
            match = spelled.get(method) or spelled.get(_ANY)
            if match is not None:
                return match
        return self._search(method, path)

    def _search(self, method: str, path: str) -> Match | None:
        segments = path.split("/")
        if segments[0] or len(segments) == 1:
            return None  # not from the root, such as "*"
        del segments[0]
        slash = not segments[-1]
        if slash:
            del segments[-1]
        if "" in segments:
            return None
        plans, count, shadowed = self._plans, len(segments), False
        for pick, by_literals, rest_from in plans[count] if count < len(plans) else plans[-1]:
            rules = by_literals.get(pick(segments))
            if rules is None or (count == rest_from and not slash):
                continue
            found = rules.get(method) or rules.get(_ANY)
            if found is None:
                shadowed = True
                continue
            rule, places = found
            if rule.public and shadowed:
                return None  # a more specific template knows this path: it is not for everybody
            params = {}
            for name, place in places:
                params[name] = segments[place]
            if rest_from >= 0:
                rest = segments[rest_from:]
                params[rule.template[-1].text] = "/".join((*rest, "")) if slash and rest else "/".join(rest)
            return Match(rule, params)
        return None


_Plan = list[tuple["Callable[[Sequence[Any]], object]", dict[object, dict[str, tuple[Rule, _Places]]], int]]


def _plans(shapes: Iterable[_Shape]) -> list[_Plan]:
    """For each number of segments, the shapes that can fit, in order; the last plan is for all greater numbers.

    The number in a plan is that of the segments before a ``{name:path}``, -1 where the shape has none.
    """
    shapes = list(shapes)
    longest = max((shape.depth for shape in shapes), default=0)
    return [
        [
            (shape.pick, shape.by_literals, shape.depth if shape.rest else -1)
            for shape in shapes
            if shape.depth == count or (shape.rest and shape.depth < count)
        ]
        for count in range(longest + 2)
    ]


def _spelled(shapes: Iterable[_Shape]) -> dict[str, dict[str, Match]]:
    """Every path that is spelled out in the rules, with and without a final slash."""
    spelled = {}
    for shape in shapes:
        for rules in shape.by_literals.values():
            template = next(iter(rules.values()))[0].template
            path = "".join(f"/{segment.text}" for segment in template)
            matches = {method: Match(rule, _NONE) for method, (rule, _) in rules.items()}
            spelled[path] = spelled[f"{path}/"] = matches
    return spelled
