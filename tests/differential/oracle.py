"""What the contract demands of a handler that has run: slow, written for itself, and using nothing of Keyfob.

It knows which route's handler has run, and the path that the router saw. The rule for that route must be satisfied,
unless a route that lies inside it matches the path in the router's own eyes: then the inner rule speaks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from string import ascii_letters, digits
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.differential.world import Holder, Written

NEEDLESS = frozenset(ascii_letters + digits + "-._~!$&'()*+,;=:@")
"""What may stand in a segment as it is (RFC 3986, section 3.3)."""


@dataclass(frozen=True)
class Eyes:
    """How a router compares."""

    ignores_slash: bool = False
    ignores_case: bool = False
    is_raw: bool = False  # it compares the path as it came
    may_be_empty: bool = False
    rest_needs_slash: bool = True


def parts_of(template: str) -> list[str]:
    return [part for part in template.split("/") if part]


def is_rest(part: str) -> bool:
    return part.endswith(":path}")


def lies_inside(inner: str, outer: str) -> bool:
    """Whether all that *inner* matches *outer* matches, and not the other way round."""
    return _contains(parts_of(outer), parts_of(inner)) and not _contains(parts_of(inner), parts_of(outer))


def _contains(outer: list[str], inner: list[str]) -> bool:
    if not outer:
        return not inner
    if is_rest(outer[0]):
        return True
    if not inner or is_rest(inner[0]):
        return False
    return ("{" in outer[0] or outer[0] == inner[0]) and _contains(outer[1:], inner[1:])


def sees(eyes: Eyes, template: str, path: str) -> bool:
    """Whether a router with such *eyes* matches *path* with *template*."""
    if eyes.ignores_case:
        template, path = template.lower(), path.lower()
    wanted, given = template.split("/")[1:], path.split("/")[1:]
    if wanted and is_rest(wanted[-1]):
        head = wanted[:-1]
        return len(given) > len(head) and all(map(_fits, head, given))
    if eyes.ignores_slash:
        wanted, given = (parts[:-1] if parts[-1] == "" else parts for parts in (wanted, given))
    if eyes.may_be_empty and given and given[-1] == "" and wanted and "{" in wanted[-1]:
        given = [*given[:-1], "-"]
    return len(wanted) == len(given) and all(map(_fits, wanted, given))


def _fits(part: str, text: str) -> bool:
    return bool(text) if "{" in part else part == text


def speaks(rules: Iterable[Written], template: str, method: str) -> Written | None:
    """The rule of *template* for *method*: a named one before any, HEAD as GET."""
    own = [rule for rule in rules if _same(rule.template, template)]
    for names in (method, "GET" if method == "HEAD" else method):
        for rule in own:
            if names in rule.methods:
                return rule
    return next((rule for rule in own if not rule.methods), None)


def _same(one: str, other: str) -> bool:
    return _contains(parts_of(one), parts_of(other)) and _contains(parts_of(other), parts_of(one))


def is_public(rule: Written) -> bool:
    return isinstance(rule.needs, dict) and bool(rule.needs.get("public"))


def wrong(rules: list[Written], template: str, method: str, path: str, holder: Holder, eyes: Eyes) -> str | None:
    """Say why the handler of *template* should not have run for *holder*; None where it may."""
    templates = {rule.template for rule in rules}
    matching = [one for one in templates if sees(eyes, one, path)]
    if eyes.ignores_case:  # a template that is written in another case closes nothing, unless it is guarded
        guarded = {rule.template for rule in rules if not is_public(rule)}
        matching = [one for one in matching if one in guarded or may_match(one, unquote(path), fold=False)]
    inner = [one for one in matching if lies_inside(one, template) and speaks(rules, one, method)]
    if inner:
        innermost = [one for one in inner if not any(lies_inside(other, one) for other in inner)]
        return next((why for one in innermost if (why := _lacking(rules, one, method, path, holder, matching))), None)
    if speaks(rules, template, method):
        return _lacking(rules, template, method, path, holder, matching)
    # No rule is written for the route: rules that name the whole path, as its router reads it, must admit the request.
    # A final slash is no part of a template (contract, section 2: `/a` names `/a/`, and `/a/{p:path}` names `/a`).
    read = _as_read(path) if eyes.is_raw else path
    named = [one for one in templates if speaks(rules, one, method) and may_match(one, read, fold=False)]
    innermost = [one for one in named if not any(lies_inside(other, one) for other in named)]
    reasons = [why for one in innermost if (why := _lacking(rules, one, method, read, holder, matching))]
    return "; ".join(reasons) or None if named else "no rule names it"


def _as_read(raw: str) -> str:
    """The path to a router that compares it as it came: to it an escape that nobody has to write is another text."""
    parts = re.split("(%[0-9A-Fa-f]{2})", raw)
    return unquote("".join(part.replace("%", "%25") if unquote(part) in NEEDLESS else part for part in parts))


def may_match(template: str, path: str, *, fold: bool = True) -> bool:
    """Whether anybody could say that *template* matches *path*."""
    if fold:
        template, path = template.lower(), path.lower()
    wanted, given = template.rstrip("/").split("/")[1:], path.rstrip("/").split("/")[1:]
    if wanted and is_rest(wanted[-1]):
        return len(given) >= len(wanted) - 1 and all(map(_fits, wanted[:-1], given))
    return len(wanted) == len(given) and all(map(_fits, wanted, given))


def _lacking(  # noqa: PLR0911 - as many as there are reasons
    rules: list[Written], template: str, method: str, path: str, holder: Holder, matching: Iterable[str]
) -> str | None:
    rule = speaks(rules, template, method)
    if rule is None:
        return "no rule names it"
    if is_public(rule):
        inside = [one for one in matching if lies_inside(one, template)]
        is_closed = inside and holder.text is None  # with a key, an overlapping rule may have spoken
        return f"public {rule.text} is closed by {inside[0]}" if is_closed else None
    needs: dict[str, Any] = rule.needs if isinstance(rule.needs, dict) else {}
    all_of = [rule.needs] if isinstance(rule.needs, str) else rule.needs if isinstance(rule.needs, list) else []
    all_of = [*all_of, *needs.get("all_of", ()), *([needs["permission"]] if "permission" in needs else [])]
    any_of = needs.get("any_of", ())
    if holder.text is None:
        return f"{rule.text} needs a key"
    if holder.key_type not in needs.get("key_types", ("api",)):
        return f"{rule.text} is not for keys of type {holder.key_type}"
    if not holder.permissions.issuperset(all_of) or (any_of and not holder.permissions.intersection(any_of)):
        return f"{rule.text} needs {all_of} and one of {any_of}"
    if "team" in needs:
        place = rule.template.split("/").index(needs["team"])
        if unquote(path.split("/")[place]) != holder.team:
            return f"{rule.text} is for one team"
    return None
