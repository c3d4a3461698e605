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

    from keyfob.permission import Held

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


class _Shape:
    """All templates with the same kinds at the same places."""

    __slots__ = ("by_literals", "depth", "kinds", "pick", "rest")

    def __init__(self, kinds: tuple[int, ...]) -> None:
        self.kinds = kinds
        self.rest = bool(kinds) and kinds[-1] == REST
        self.depth = len(kinds) - self.rest
        places = [place for place, kind in enumerate(kinds) if kind == LITERAL]
        self.pick: Callable[[Sequence[Any]], object] = itemgetter(*places) if places else _nothing
        self.by_literals: dict[object, dict[str, Rule]] = {}

    def add(self, rule: Rule) -> None:
        """Take in *rule*, whose kinds are this shape's."""
        rules = self.by_literals.setdefault(self.pick([segment.text for segment in rule.template]), {})
        for method in rule.methods or (_ANY,):
            rules[method] = rule


def _nothing(_segments: Sequence[Any]) -> object:
    return ()


class RuleTable:
    """All rules, ready to be asked. Two of them may not have the same shape and a method in common."""

    __slots__ = ("_longest", "_plans", "_spelled", "rules")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: tuple[Rule, ...] = tuple(rules)
        shapes = [_shape_of(kinds, self.rules) for kinds in sorted({rule.kinds for rule in self.rules})]
        self._longest = max((shape.depth for shape in shapes), default=0) + 1
        # One list of shapes for each number of segments; a path that is longer than all can only fit a {name:path}.
        self._plans = [
            [shape for shape in shapes if (shape.depth <= count if shape.rest else shape.depth == count)]
            for count in range(self._longest + 1)
        ]
        self._spelled = _spelled(shape for shape in shapes if PARAMETER not in shape.kinds and not shape.rest)

    def match(self, method: str, path: str) -> Match | None:
        """Return the rule for *method* (`WEBSOCKET` for a handshake) and *path*, or None where none applies.

        *path* is decoded, relative to where Keyfob stands, and safe (`keyfob.safe_path`). A template of literals
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
        if segments.pop(0) or not segments:
            return None  # not from the root, such as "*"
        slash = segments[-1] == ""
        if slash:
            segments.pop()
        if "" in segments:
            return None
        count = len(segments)
        shadowed = False
        for shape in self._plans[min(count, self._longest)]:
            rules = shape.by_literals.get(shape.pick(segments))
            if rules is None or (shape.rest and count == shape.depth and not slash):
                continue
            rule = rules.get(method) or rules.get(_ANY)
            if rule is None:
                shadowed = True
            elif rule.public and shadowed:
                return None
            else:
                return Match(rule, _params(rule, segments, slash=slash))
        return None


def _shape_of(kinds: tuple[int, ...], rules: Iterable[Rule]) -> _Shape:
    shape = _Shape(kinds)
    for rule in rules:
        if rule.kinds == kinds:
            shape.add(rule)
    for by_method in shape.by_literals.values():
        if "GET" in by_method:  # HEAD follows GET, unless it is named itself
            by_method.setdefault("HEAD", by_method["GET"])
    return shape


def _spelled(shapes: Iterable[_Shape]) -> dict[str, dict[str, Match]]:
    """Every path that is spelled out in the rules, with and without a final slash."""
    spelled = {}
    for shape in shapes:
        for by_method in shape.by_literals.values():
            template = next(iter(by_method.values())).template
            path = "".join(f"/{segment.text}" for segment in template)
            matches = {method: Match(rule, _NONE) for method, rule in by_method.items()}
            spelled[path] = spelled[f"{path}/"] = matches
    return spelled


def _params(rule: Rule, segments: Sequence[str], *, slash: bool) -> Mapping[str, str]:
    params = {part.text: value for part, value in zip(rule.template, segments, strict=False) if part.kind == PARAMETER}
    if rule.template and rule.template[-1].kind == REST:
        rest = segments[len(rule.template) - 1 :]
        params[rule.template[-1].text] = "/".join((*rest, "")) if slash and rest else "/".join(rest)
    return params
