"""The left side of a rule, ``"METHOD[,METHOD] /path"``: reading it, and saying what is wrong with it."""

from __future__ import annotations

import re
from typing import NamedTuple, NoReturn

from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean
from keyfob.rules.safe_path import is_safe_path
from keyfob.rules.table import LITERAL, PARAMETER, REST, WEBSOCKET, Segment

_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_ELSEWHERE = re.compile(r"<(?:\w+:)?\w+>|:\w+", re.ASCII)  # a parameter as Django, Flask and Express write it
# The IANA registry of HTTP methods, PURGE, and Keyfob's own word for WebSocket handshakes.
_METHODS = frozenset(
    re.findall(
        r"\S+",
        """
        ACL BASELINE-CONTROL BIND CHECKIN CHECKOUT CONNECT COPY DELETE GET HEAD LABEL LINK LOCK MERGE MKACTIVITY
        MKCALENDAR MKCOL MKREDIRECTREF MKWORKSPACE MOVE OPTIONS ORDERPATCH PATCH POST PROPFIND PROPPATCH PURGE PUT
        QUERY REBIND REPORT SEARCH TRACE UNBIND UNCHECKOUT UNLINK UNLOCK UPDATE UPDATEREDIRECTREF VERSION-CONTROL
        """,
    ),
) | {WEBSOCKET}
_USUAL = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", WEBSOCKET)


class Target(NamedTuple):
    """What a rule is about. No *methods* means every method, and WebSocket."""

    methods: frozenset[str]
    template: tuple[Segment, ...]
    slash: bool  # whether the path ends in one


def reject(text: object, why: str) -> NoReturn:
    """Raise the ConfigError that names the rule *text* and says *why*, with how to fix it."""
    raise ConfigError(f'rule "{text}": {why}')


def read_target(text: str) -> Target:
    """Read the left side of a rule. Raises ConfigError."""
    written = text.strip()
    methods, path = ("", written) if written.startswith("/") else _split(written)
    named = _read_methods(text, methods)
    if not path.startswith("/"):
        reject(text, f'the path must begin with "/": write "{methods} /{path}"'.replace('" /', '"/'))
    if "%" in path:
        reject(text, "paths are matched decoded: write the characters themselves instead of percent-encoding")
    if "?" in path or "#" in path:
        reject(text, 'only paths are matched: leave out what follows "?" or "#"')
    if not is_safe_path(path):
        reject(text, "no request with control characters, backslashes, dot segments or empty segments is let in")
    return Target(named, _read_template(text, path), path.endswith("/"))


def _split(text: str) -> tuple[str, str]:
    methods, *path = text.split(maxsplit=1) or ("",)
    if path:
        return methods, path[0]
    if methods in _METHODS:
        reject(text, f'the path is missing: write "{methods} /…"')
    return "", methods


def _read_methods(text: str, methods: str) -> frozenset[str]:
    named = methods.split(",") if methods else []
    for method in named:
        if method not in _METHODS:
            reject(text, _about_method(method))
    if len(set(named)) != len(named):
        reject(text, "a method is named twice")
    return frozenset(named)


def _about_method(method: str) -> str:
    if method.upper() in _METHODS:
        return f"methods are written in capitals: {method.upper()}"
    if method.upper() in {"*", "ANY", "ALL"}:
        return "for every method write the path alone"
    if method.upper() == "WEBSOCKET":
        return "write WS for WebSocket"
    if not method:
        return 'methods are joined by commas, without spaces: "GET,POST /path"'
    return f"{method} is not an HTTP method{did_you_mean(method.upper(), _USUAL)}"


def _read_template(text: str, path: str) -> tuple[Segment, ...]:
    parts = path.removesuffix("/").split("/")[1:]
    template = tuple(_read_segment(text, part) for part in parts)
    names = [segment.text for segment in template if segment.kind != LITERAL]
    for name in names:
        if names.count(name) > 1:
            reject(text, f"two parameters are called {name}: give each its own name")
    for segment in template[:-1]:
        if segment.kind == REST:
            reject(text, f"{{{segment.text}:path}} takes all that follows, so it must be the last segment")
    if template and template[-1].kind == REST and path.endswith("/"):
        reject(text, f"{{{template[-1].text}:path}} takes all that follows: leave out the slash after it")
    return template


def _read_segment(text: str, part: str) -> Segment:
    if part in {"*", "**"}:
        reject(text, f"{part} means nothing here: write {{name}} for one segment, {{name:path}} for all that follow")
    if _ELSEWHERE.fullmatch(part):
        reject(text, f"{part} is a parameter to other programs: write {{name}}, or {{name:path}} at the end")
    if "{" not in part and "}" not in part:
        return Segment(LITERAL, part)
    name, colon, converter = part[1:-1].partition(":")
    if part[0] != "{" or part[-1] != "}" or not _NAME.fullmatch(name):
        reject(text, f"{part} is not a parameter: write {{name}}, and let it take a whole segment")
    if colon and converter != "path":
        reject(text, f"the converter in {part} is not supported: write {{{name}}}, or {{{name}:path}} at the end")
    return Segment(REST if colon else PARAMETER, name)
