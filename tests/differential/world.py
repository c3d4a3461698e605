"""Random rules, random requests, and the keys that make them: all from one seeded generator."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from random import Random

HEADS = ["/a", "/b", "/docs", "/{x}", "/api/secret", "/api", "/a/{x}", "/{x}/b", "/a/b", "/{x}/{y}", "/"]
TAILS = ["", "", "", "/", "/{p:path}", "/{p:path}", "/{z}", "/é"]
METHODS = ["", "", "GET ", "GET ", "POST ", "GET,POST ", "HEAD ", "WS ", "PUT "]
NEEDS: list[Any] = [
    {"public": True},
    {"public": True},
    "p:a",
    "p:b",
    ["p:a", "p:b"],
    {"any_of": ["p:b", "p:c"]},
    [],
    {"permission": "p:a", "key_types": ["scim", "api"]},
    {"key_types": ["scim"], "all_of": []},
]
WORDS = ["a", "b", "docs", "api", "secret", "acme", "default", "q", "é"]
VERBS = ["GET"] * 8 + ["POST"] * 3 + ["HEAD", "PUT", "DELETE", "get", "Post", "WS", "G T", "OPTIONS", "PATCH"]
EVERY_METHOD = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Written:
    """A rule as the oracle reads it: nothing of it has gone through Keyfob."""

    methods: tuple[str, ...]
    template: str
    needs: Any

    @property
    def text(self) -> str:
        """The left side."""
        return f"{','.join(self.methods)} {self.template}" if self.methods else self.template


@dataclass(frozen=True)
class Holder:
    """Who asks: nobody, or a key of a type and a team that holds some permissions."""

    permissions: frozenset[str] = frozenset()
    key_type: str = "api"
    team: str = "default"
    text: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Asked:
    """One request, as a client writes its target."""

    method: str
    target: str
    is_websocket: bool = False


def rules(random: Random) -> list[Written]:
    """A few rules, no two of them for the same template and method."""
    written: list[Written] = []
    taken: set[tuple[str, str]] = set()
    for _ in range(random.randint(2, 7)):
        head, tail = random.choice(HEADS), random.choice(TAILS)
        template = "/" if random.random() < 0.08 else (head.rstrip("/") + tail) or "/"
        methods = tuple(method for method in random.choice(METHODS).strip().split(",") if method)
        kind = _shape(template)
        claims = {(kind, method) for method in methods or ("",)}
        if claims & taken:
            continue
        taken |= claims
        written.append(Written(methods, template, _needs(random, template)))
    return written


def _needs(random: Random, template: str) -> Any:
    if "{x}" in template and random.random() < 0.2:
        return {"permission": "p:a", "team": "{x}"}
    return random.choice(NEEDS)


def _shape(template: str) -> str:
    parts = template.rstrip("/").split("/")
    return "/".join("{}" if "{" in part and ":" not in part else "{:}" if "{" in part else part for part in parts)


def unnamed(random: Random, rules: Sequence[Written]) -> list[tuple[str, tuple[str, ...]]]:
    """A few routes, with their methods, that no rule is written for; now and then none."""
    shapes, routes = {_shape(rule.template) for rule in rules}, []
    for _ in range(random.choice([0, 1, 2, 3])):
        template = _widened(random, random.choice(rules).template)
        if random.random() < 0.4:
            template = (random.choice(HEADS).rstrip("/") + random.choice(TAILS)) or "/"
        if random.random() < 0.1 and "{" not in template:
            template = _other_case(random, template)
        if _shape(template) not in shapes:
            shapes.add(_shape(template))
            routes.append((template, random.choice([(), (), ("GET",), ("POST", "WS")])))
    return routes


def _widened(random: Random, template: str) -> str:
    """*template* with parameters in place of some literals: it matches the paths of a rule, and more."""
    return "/".join(
        f"{{w{place}}}" if part and "{" not in part and random.random() < 0.7 else part
        for place, part in enumerate(template.split("/"))
    )


def asked(random: Random, templates: Sequence[str]) -> Asked:
    """A request that fits one of *templates*, more or less."""
    path = _filled(random, random.choice(templates))
    for _ in range(random.choice([0, 0, 0, 1, 1, 2])):
        path = random.choice(_CHANGES)(random, path)
    if random.random() < 0.1:
        path = _encoded_letter(random, path)
    method = random.choice(VERBS)
    return Asked(method, path, is_websocket=random.random() < 0.08)


def _filled(random: Random, template: str) -> str:
    parts = []
    for part in template.split("/"):
        if ":path" in part:
            parts += random.choices(WORDS, k=random.choice([0, 1, 1, 2])) or ([""] if random.random() < 0.5 else [])
        else:
            parts.append(random.choice(WORDS) if "{" in part else part)
    return quote("/".join(parts)) or "/"


def _other_case(random: Random, path: str) -> str:
    place = random.randrange(len(path))
    return path[:place] + path[place].swapcase() + path[place + 1 :]


def _encoded(random: Random, path: str) -> str:
    place = random.randrange(len(path))
    sign = path[place]
    return (
        path
        if sign == "%" or "%" in path[max(0, place - 2) : place]
        else f"{path[:place]}%{ord(sign):02x}{path[place + 1 :]}"
    )


def _encoded_letter(random: Random, path: str) -> str:
    """Escape a letter, as nobody has to."""
    parts = re.split("(%..)", path)
    places = [place for place, part in enumerate(parts) if part.isascii() and "%" not in part and part.strip("/")]
    if places:
        place = random.choice(places)
        sign = random.choice(parts[place].replace("/", ""))
        parts[place] = parts[place].replace(sign, f"%{ord(sign):02x}", 1)
    return "".join(parts)


_UNUSUAL = [
    "//",
    "/..",
    "/.",
    ";x=1",
    "/..;/a",
    "%zz",
    "%c0%af",
    "%2e",
    "%5c",
    "%00",
    "\\",
    "#a",
    "%23",
    "%3b",
    "?q=/a",
    "%0a",
]
_CHANGES: list[Callable[[Random, str], str]] = [
    lambda _, path: path + "/",
    lambda _, path: path + "/",
    lambda _, path: path.rstrip("/") or "/",
    lambda random, path: path + "/" + random.choice(WORDS[:-1]),
    lambda _, path: path.rpartition("/")[0] or "/",
    _other_case,
    lambda _, path: path.upper(),
    _encoded,
    lambda random, path: path + random.choice(_UNUSUAL),
    lambda random, path: random.choice(_UNUSUAL) + path,
]
