"""What a rule demands, in a form that outlives the rule: so that a refusal can be explained an hour later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keyfob.rules.rule import CombinedRule

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyfob.rules.table import Match


@dataclass(frozen=True, slots=True)
class Demands:
    """What a request needs of its key. *parts* are the rules' permissions: all of the first, any of the second."""

    rule: str  # as written
    parts: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = ()
    key_types: tuple[str, ...] | None = None  # None: of any type
    team: str | None = None  # None: of any team

    @classmethod
    def of(cls, match: Match) -> Demands:
        """What *match* demands."""
        rule = match.rule
        parts = rule.parts if isinstance(rule, CombinedRule) else (rule,)
        return cls(
            rule.text,
            tuple((part.all_of, part.any_of) for part in parts),
            tuple(sorted(rule.key_types)),
            None if rule.team_parameter is None else match.params[rule.team_parameter],
        )

    @property
    def needed(self) -> tuple[str, ...]:
        """Every permission that is named, once each."""
        return tuple(dict.fromkeys(name for all_of, any_of in self.parts for name in all_of + any_of))

    def as_json(self) -> dict[str, object]:
        """What `from_json` reads."""
        return {"rule": self.rule, "parts": self.parts, "key_types": self.key_types, "team": self.team}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Demands:
        """Undo `as_json`."""
        parts = tuple((tuple(all_of), tuple(any_of)) for all_of, any_of in told["parts"])
        types = told["key_types"]
        return cls(told["rule"], parts, None if types is None else tuple(types), told["team"])
