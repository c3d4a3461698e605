"""Which rules speak for a path, once it is known which templates match it.

Where one template lies inside another, the inner one speaks. Where two overlap and neither lies inside the other, both
do, because some routers would take the one and some the other. A final slash and letter case are read both ways: as
written, and ignored. All rules that speak under one of these readings count.

Pure and slow, and asked once for each set of templates: `keyfob.rules.table` keeps the answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from keyfob.rules.template import REST, Template, folded, is_inside

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from keyfob.rules.rule import Rule

_ANY: Final = ""


class Family:
    """The rules that share one template but for the names of its parameters."""

    __slots__ = ("_by_method", "_is_open", "_is_written", "folded", "is_guarded", "number", "template")

    def __init__(self, number: int, template: Template) -> None:
        self.number = number
        self.template = template
        self.folded = folded(template)
        self._by_method: dict[str, Rule] = {}
        self._is_open = bool(template) and template[-1].kind == REST
        self._is_written = {True: False, False: False}  # with a final slash, and without
        self.is_guarded = False

    def add(self, rule: Rule) -> None:
        """Take in *rule*, whose shape is this template."""
        for method in rule.methods or (_ANY,):
            self._by_method[method] = rule
        self._is_written[rule.slash] = True
        self.is_guarded |= not rule.public

    def matches_exactly(self, count: int, *, has_slash: bool) -> bool:
        """Whether a router would say so that ignores no final slash, of a path with *count* segments that matches.

        To such a router, ``/docs/{p:path}`` does not match ``/docs``.
        """
        if self._is_open:
            return has_slash or count >= len(self.template)
        return not self.template or self._is_written[has_slash]

    def rule_for(self, method: str) -> Rule | None:
        """The rule for *method*: one that names it before one for every method. HEAD follows GET."""
        rule = self._by_method.get(method)
        if rule is None and method == "HEAD":
            rule = self._by_method.get("GET")
        return rule or self._by_method.get(_ANY)


class Matching(NamedTuple):
    """The families whose templates match a path."""

    as_written: Sequence[Family]
    in_another_case: Sequence[Family]
    length: int  # of the path, in segments
    has_slash: bool  # whether the path ends in one
    drops_slash: bool = False  # whether the router does, before it compares
    with_empty: Sequence[Family] = ()  # those whose last parameter would be the nothing after the final slash


def speakers(method: str, matching: Matching) -> tuple[Rule, ...] | None:
    """Return every rule that counts for *method*; None where one is public and must not apply."""
    written = matching.as_written
    exact = [one for one in written if one.matches_exactly(matching.length, has_slash=matching.has_slash)]
    readings = [exact, list(written)]
    if matching.drops_slash and matching.has_slash:
        readings.append([one for one in written if one.matches_exactly(matching.length, has_slash=False)])
    if matching.with_empty and any(one.rule_for(method) for one in written):  # these readings close, and never open
        count = matching.length + 1  # and no slash is left
        as_parameter = [one for one in matching.with_empty if one.matches_exactly(count, has_slash=False)]
        readings += [[*exact, *matching.with_empty], [*exact, *as_parameter]]
    outcomes = [_speaking(method, reading) for reading in readings]
    if None in outcomes:
        return None
    found = tuple(dict.fromkeys(rule for outcome in outcomes for rule in outcome or ()))
    closing = [one for one in matching.in_another_case if one.is_guarded or one.rule_for(method) is None]
    return _with_other_case(method, found, [*written, *closing]) if found and closing else found


def _speaking(method: str, families: Iterable[Family], *, fold: bool = False) -> list[Rule] | None:
    """Return the innermost rules of *families* for *method*; None where a public one of them must not apply.

    That is where a template inside its own matches the path under any method: what is protected in one way is not
    open in another.
    """
    families = list(families)
    having = [(one, rule) for one in families if (rule := one.rule_for(method)) is not None]
    innermost = [(one, rule) for one, rule in having if not any(_lies_in(other, one, fold) for other, _ in having)]
    for one, rule in innermost:
        if rule.public and any(_lies_in(other, one, fold) for other in families):
            return None
    return [rule for _, rule in innermost]


def _with_other_case(method: str, found: tuple[Rule, ...], families: list[Family]) -> tuple[Rule, ...] | None:
    """Add to *found* what speaks where letter case is ignored. A public rule does not apply then."""
    ignoring = _speaking(method, families, fold=True) or ()
    both = tuple(dict.fromkeys((*found, *ignoring)))
    return None if all(rule.public for rule in both) else both


def _lies_in(inner: Family, outer: Family, fold: bool) -> bool:  # noqa: FBT001 - of this module alone
    return is_inside(inner.folded, outer.folded) if fold else is_inside(inner.template, outer.template)
