"""What a rule demands, and what several rules demand together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.rules.template import PARAMETER, Segment, shape_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from keyfob.policy.permissions import Held

WEBSOCKET: Final = "WS"
"""Stands for the method of a WebSocket handshake."""

_TEAM: Final = "{team}"  # no parameter of a path can be called so
_NO_TEAM: Final = ""  # equals the id of no team


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
    otherwise_app: bool = False  # whether the application judges requests without a key of ours
    limits: tuple[str, ...] = ()  # names of what requests under this rule are counted for, beside the key's own
    cost: int = 1  # what a request counts
    slash: bool = False  # whether it is written with a slash at the end

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
        """The kinds of the segments."""
        return tuple(segment.kind for segment in self.template)

    @property
    def shape(self) -> tuple[Segment, ...]:
        """The template without the names of its parameters: equal for templates that match the same paths."""
        return shape_of(self.template)

    def allows(self, held: Held) -> bool:
        """Whether *held* covers what the rule demands."""
        covers = held.covers
        for needed in self.all_of:
            if not covers(needed):
                return False
        return not self.any_of or any(map(covers, self.any_of))


@dataclass(frozen=True, slots=True, eq=False)
class CombinedRule(Rule):
    """What several rules demand of one request: all that each of them does."""

    parts: tuple[Rule, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        """Every permission that one of the rules names, once each."""
        return tuple(dict.fromkeys(name for rule in self.parts for name in rule.needed))

    def allows(self, held: Held) -> bool:
        """Whether *held* covers what each of the rules demands."""
        return all(rule.allows(held) for rule in self.parts)


class Match(NamedTuple):
    """The rule for a request, and what its path parameters are there."""

    rule: Rule
    params: Mapping[str, str]


class Combinations:
    """Combines rules, each combination once, so that what is kept about a rule can be kept about a combination."""

    __slots__ = ("_made", "_order")

    def __init__(self, rules: Iterable[Rule]) -> None:
        """*rules* are all there are, in the order of writing."""
        self._order = {rule: place for place, rule in enumerate(rules)}
        self._made: dict[tuple[Rule, ...], Rule] = {}

    def of(self, matches: Sequence[Match]) -> Match:
        """Return what all of *matches* demand together. There must be one, and none may be combined already.

        A public rule adds nothing to a guarded one. The rules may bind the team to different parameters, so a combined
        rule has a parameter of its own for it, which equals the id of a team only if all of theirs do.
        """
        guarded = [match for match in matches if not match.rule.public]
        counting = guarded or matches[:1]
        if len(counting) == 1:
            return counting[0]
        params = {name: value for match in reversed(counting) for name, value in match.params.items()}
        teams = {match.params[name] for match in counting if (name := match.rule.team_parameter) is not None}
        if teams:
            params[_TEAM] = teams.pop() if len(teams) == 1 else _NO_TEAM
        rules = tuple(sorted({match.rule for match in counting}, key=self._order.__getitem__))
        return Match(self._rule(rules), params)

    def _rule(self, parts: tuple[Rule, ...]) -> Rule:
        made = self._made.get(parts)
        if made is None:
            made = self._made[parts] = CombinedRule(
                text=" and ".join(part.text for part in parts),
                methods=frozenset().union(*(part.methods for part in parts)),
                template=parts[0].template,
                all_of=tuple(dict.fromkeys(name for part in parts for name in part.all_of)),
                key_types=frozenset.intersection(*(part.key_types for part in parts)),
                team_parameter=_TEAM if any(part.team_parameter for part in parts) else None,
                otherwise_app=all(part.otherwise_app for part in parts),
                limits=tuple(dict.fromkeys(name for part in parts for name in part.limits)),
                cost=max(part.cost for part in parts),
                parts=parts,
            )
        return made
