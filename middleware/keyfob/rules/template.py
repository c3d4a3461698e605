"""Templates of paths, and how two of them are related.

A template is a row of segments, each a literal, a ``{name}`` or, at the end, a ``{name:path}``. A ``{name}`` takes one
whole segment; a ``{name:path}`` takes all that follow, which may be none: ``/docs/{p:path}`` matches ``/docs`` as well.
Whether a path ends in a slash is no part of a template; `keyfob.rules.precedence` judges that.
"""

from __future__ import annotations

from typing import Final, NamedTuple

LITERAL, PARAMETER, REST = range(3)
"""The kinds of a segment, the most specific first."""


_WRITTEN: Final = ("{}", "{{{}}}", "{{{}:path}}")  # by kind


class Segment(NamedTuple):
    """One part of a template: a literal's *text*, or a parameter's name."""

    kind: int
    text: str


Template = tuple[Segment, ...]

_DOTTED_AND_DOTLESS: Final = str.maketrans({"\u0130": "i", "\u0131": "i"})


def fold(text: str) -> str:
    """*text* with all differences of letter case removed, at least those that any router ignores.

    Case folding alone keeps the Turkish letters apart that `re.IGNORECASE` takes for an ``i``.
    """
    if text.isascii():
        return text.lower()
    return text.translate(_DOTTED_AND_DOTLESS).upper().casefold()


def folded(template: Template) -> Template:
    """*template* with its literals folded."""
    return tuple(Segment(part.kind, fold(part.text)) if part.kind == LITERAL else part for part in template)


def shape_of(template: Template) -> Template:
    """*template* without the names of its parameters: equal for templates that match the same paths."""
    return tuple(part if part.kind == LITERAL else Segment(part.kind, "") for part in template)


def shown(template: Template) -> str:
    """*template* as people write it."""
    return "".join(f"/{_WRITTEN[part.kind].format(part.text)}" for part in template) or "/"


def covers(outer: Template, inner: Template) -> bool:
    """Whether *outer* matches every path that *inner* matches."""
    head = outer[:-1] if _takes_rest(outer) else outer
    fixed = inner[:-1] if _takes_rest(inner) else inner
    if len(fixed) < len(head):
        return False
    if not _takes_rest(outer) and (_takes_rest(inner) or len(fixed) != len(head)):
        return False
    return all(ours.kind == PARAMETER or ours == theirs for ours, theirs in zip(head, fixed, strict=False))


def is_inside(inner: Template, outer: Template) -> bool:
    """Whether *inner* matches some of the paths that *outer* matches, and no other."""
    return covers(outer, inner) and not covers(inner, outer)


def overlap(one: Template, other: Template) -> bool:
    """Whether there is a path that both match."""
    heads = [template[:-1] if _takes_rest(template) else template for template in (one, other)]
    if len(heads[0]) < len(heads[1]) and not _takes_rest(one):
        return False
    if len(heads[1]) < len(heads[0]) and not _takes_rest(other):
        return False
    return all(
        PARAMETER in (ours.kind, theirs.kind) or ours.text == theirs.text for ours, theirs in zip(*heads, strict=False)
    )


def _takes_rest(template: Template) -> bool:
    return bool(template) and template[-1].kind == REST
