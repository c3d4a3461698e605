"""Pairs of rules that overlap although neither lies inside the other: a path that both match needs what both need."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from keyfob.rules.template import covers, overlap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from keyfob.rules.rule import Rule


class Overlap(NamedTuple):
    """Two rules that count for the same paths."""

    one: Rule
    other: Rule

    def __str__(self) -> str:
        """Say it."""
        return f'"{self.one.text}" and "{self.other.text}"'


def overlapping_rules(rules: Iterable[Rule]) -> list[Overlap]:
    """Return every pair of *rules* that can speak for the same request, and that do not demand the same."""
    return [Overlap(one, other) for one, other in combinations(rules, 2) if _both_speak(one, other)]


def _both_speak(one: Rule, other: Rule) -> bool:
    if one.methods and other.methods and not _followed(one) & _followed(other):
        return False
    if _demand(one) == _demand(other) or not overlap(one.shape, other.shape):
        return False
    return not covers(one.shape, other.shape) and not covers(other.shape, one.shape)


def _followed(rule: Rule) -> frozenset[str]:
    return rule.methods | {"HEAD"} if "GET" in rule.methods else rule.methods


def _demand(rule: Rule) -> tuple[object, ...]:
    """What *rule* asks for; one that binds the team asks for its own."""
    return (
        rule.public,
        frozenset(rule.all_of),
        frozenset(rule.any_of),
        rule.key_types,
        rule.team_parameter and rule.text,
    )
