"""Every way in which a router could read a request's method and path, and the rule for the strictest of them.

The router behind the gate decides which handler runs, and no two routers read a path alike. So a request is judged as
each of them would read it, all rules that are found count, and what has no reading that is safe is refused. What is
known of the router (`Router`) leaves out the readings that are not its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from keyfob.rules.rule import WEBSOCKET, Match, Rule
from keyfob.rules.safe_path import is_method, is_safe_path, is_safe_raw_path

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.types import Scope

    from keyfob.rules.table import RuleTable

UNREADABLE: Final = Rule("", frozenset(), (), key_types=frozenset())
"""The rule of what cannot be judged by a rule. No key satisfies it."""

BAD_PATH: Final = Match(UNREADABLE, {})
BAD_METHOD: Final = Match(UNREADABLE, {})
LOOK_CLOSER: Final = Match(UNREADABLE, {})
"""Method, path and root_path do not decide it: the rest of the request does."""

TWO_PATHS: Final = frozenset({"COPY", "MOVE"})
"""The methods that write to the path in Destination (RFC 4918, sections 9.8 and 9.9)."""

_PERCENT: Final = ord("%")  # a number, because bytes are asked for bytes only after they were tried as one, and failed
_SLASHES: Final = re.compile("//+")
# Escapes of what may stand in a segment as it is (RFC 3986, section 3.3): nobody has to write them.
_NEEDLESS: Final = re.compile(r"(%(?:2[1467-9A-E]|3[0-9ABD]|4[0-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE]))", re.IGNORECASE)
_DOUBTFUL: Final = "#\ufffd"  # what a raw "#" and what an escape that is not UTF-8 look like once decoded


class Router(NamedTuple):
    """What is known of the router behind the gate."""

    prefix: str = ""  # which the application takes off the path, wherever it stands
    replaces_root: bool = False  # True: it does so in place of root_path, as FastAPI and Django do
    decodes: bool = False  # True: it matches the decoded path, never the path as it came
    ignores_root: bool = False  # True: it matches the whole path, root_path included, as Falcon does
    drops_slash: bool = False  # True: it takes a final slash off before it compares, as Litestar does
    may_be_empty: bool = False  # True: the nothing after a final slash can be a parameter, as in Falcon
    mounted_at: str | None = None  # not None: it has left in the scope what is below this, as Litestar for a middleware
    mounts: tuple[str, ...] = ()  # prefixes that it takes off for what is mounted there, whether "/" follows or not
    plain: frozenset[str] = frozenset()  # paths that it compares before those
    blank_at: tuple[str, ...] = ()  # prefixes that it takes, asked for them alone, for a segment " ", as Quart does

    def as_read(self, left: str) -> str:
        """The path that the router has read before it *left* in the scope what is below `mounted_at`."""
        return f"{self.mounted_at}/{left.lstrip('/')}" if self.mounted_at else left


UNKNOWN_ROUTER: Final = Router()


class Readings:
    """The rules, as they are asked about requests."""

    def __init__(
        self,
        table: RuleTable,
        *,
        router: Router = UNKNOWN_ROUTER,
        encoded_slash: bool = False,  # True: %2f counts as a slash
        path_parameters: bool = False,  # True: a segment may hold ";"
    ) -> None:
        self._table = table
        self._router = router
        self._encoded_slash = encoded_slash
        self._path_parameters = path_parameters
        self._set_by_app: set[str] = set()

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of writing."""
        return self._table.rules

    def use(self, router: Router) -> None:
        """Judge for *router* from now on."""
        self._router = router

    def match(self, scope: Scope) -> Match | None:
        """Return the rule for a request or a WebSocket handshake: None where none applies, or BAD_PATH, BAD_METHOD.

        Needless slashes in ``root_path`` are dropped from the *scope* itself, because routers disagree about them.
        """
        if scope["type"] == "http" and not is_method(scope["method"]):
            return BAD_METHOD
        if _is_untidy(scope.get("root_path") or ""):
            _tidy_root_path(scope)
        if self._router.mounted_at is not None:
            scope = {**scope, "path": self._router.as_read(scope["path"]), "root_path": ""}
        raw_path, path, root_path = scope.get("raw_path"), scope["path"], scope.get("root_path") or ""
        if raw_path is None:
            if any(sign in path for sign in _DOUBTFUL):
                return BAD_PATH
        elif not is_safe_raw_path(raw_path, encoded_slash=self._encoded_slash):
            return BAD_PATH
        method = scope["method"] if scope["type"] == "http" else None
        found = self._find(method, path, root_path)
        if found is not LOOK_CLOSER and (
            raw_path is None or _PERCENT not in raw_path or (found is not None and found.rule is UNREADABLE)
        ):
            return found
        return self._look_closer(scope, method, raw_path)

    def is_decided_by(self, method: str | None, path: str, root_path: str) -> bool:
        """Whether these three decide about a request whose path came without escapes, so that it can be remembered."""
        is_plain = not _is_untidy(root_path) and not any(sign in path for sign in _DOUBTFUL)
        return is_plain and method not in TWO_PATHS and bool(self._routed(path, root_path))

    def _find(self, method: str | None, path: str, root_path: str) -> Match | None:
        """Return the rule for what these three decide, or LOOK_CLOSER. *method* is None for a WebSocket."""
        if _is_untidy(root_path):
            return LOOK_CLOSER
        if method is not None and not is_method(method):
            return BAD_METHOD
        if not is_safe_path(path, path_parameters=self._path_parameters):
            return BAD_PATH
        if method in TWO_PATHS or any(sign in path for sign in _DOUBTFUL):
            return LOOK_CLOSER
        paths = self._routed(path, root_path)
        return self._table.combine(self._speaking(method, paths)) if paths else LOOK_CLOSER

    def _look_closer(self, scope: Scope, method: str | None, raw_path: bytes | None) -> Match | None:
        """Judge by all of a request that can matter; its method and its path are safe."""
        path, root_path = scope["path"], scope.get("root_path") or ""
        if root_path not in self._set_by_app and _is_set_by_app(scope, root_path):
            self._set_by_app.add(root_path)
        paths = self._routed(path, root_path)
        if not paths:
            return BAD_PATH
        found = self._speaking(method, paths)
        if found and raw_path is not None and not self._router.decodes:
            found = self._and_raw(found, method, raw_path, root_path)
        if found and method in TWO_PATHS:
            destination = destination_of(scope["headers"], encoded_slash=self._encoded_slash)
            if destination is None or not self._is_readable(destination, root_path):
                return BAD_PATH
            found = self._and_destination(found, method, destination, root_path) if destination else found
        return self._table.combine(found)

    def _is_readable(self, destination: str, root_path: str) -> bool:
        is_safe = is_safe_path(destination, path_parameters=self._path_parameters)
        return is_safe and (not destination or bool(self._routed(destination, root_path)))

    def _routed(self, path: str, root_path: str) -> tuple[str, ...]:
        """Every path that a router could see; none where *path* is neither *root_path* nor below it."""
        path = path or "/"  # a router that is asked for nothing sees "/"
        paths = self._stripped(path, root_path)
        for mount in self._router.mounts:
            for one in paths:
                behind = one.removeprefix(mount) if one.rstrip("/") not in self._router.plain else one
                if behind != one and behind[:1] not in {"", "/"}:
                    paths += (f"{mount}/{behind}",)
        for prefix in self._router.blank_at:
            if prefix in paths or (not prefix and "/" in paths and not path.endswith("/")):
                paths += (f"{prefix.rstrip('/')}/ ",)
        return paths

    def _stripped(self, path: str, root_path: str) -> tuple[str, ...]:
        """Every path that a router could see, as far as prefixes decide it that stand before all of its routes."""
        inside = below(path, root_path)
        if inside is None:
            # A router that set root_path itself leaves on what is not there.
            return (path,) if root_path in self._set_by_app else ()
        if self._router.ignores_root:
            inside = path
        own = self._router.prefix
        if not own:
            return (inside,)
        instead = below(path, own)
        if self._router.replaces_root:
            return (path if instead is None else instead,)
        taken_off = [one for one in (instead, below(inside, own)) if one is not None]
        left_on = [one for one in (path, inside) if one == own]  # some take it off only where more follows
        return tuple(dict.fromkeys(taken_off + left_on)) or (inside,)

    def _speaking(self, method: str | None, paths: Iterable[str]) -> list[Match]:
        """Return every rule that counts for *paths*; none where a path has no rule, or a public one must not apply."""
        if method == WEBSOCKET:
            return []  # HTTP lets a client call its method WS; that is no handshake
        found: list[Match] = []
        for path in paths:
            speaking = self._table.speaking(
                method or WEBSOCKET,
                path,
                may_be_empty=self._router.may_be_empty,
                drops_slash=self._router.drops_slash,
            )
            if not speaking:
                return []  # a route at this path may be the one that runs
            found += speaking
        return found

    def _and_raw(self, found: list[Match], method: str | None, raw_path: bytes, root_path: str) -> list[Match]:
        """Add to *found* what a router sees that matches the path as it came, escapes and all."""
        raw = raw_path.partition(b"?")[0].decode()
        if _NEEDLESS.search(raw) and not self._speaking(method, self._routed(_with_needless(raw), root_path)):
            return []  # to it this is another path than the decoded one, and no rule names the route that runs
        for path in self._routed(raw, root_path) or (raw,):
            speaking = self._table.speaking(method or WEBSOCKET, path)
            if speaking is None:
                return []
            found = found + [
                Match(one.rule, {name: unquote(value) for name, value in one.params.items()}) for one in speaking
            ]
        return found

    def _and_destination(self, found: list[Match], method: str | None, path: str, root_path: str) -> list[Match]:
        """Add to *found* what the path in Destination needs, under which root_path may have been left on."""
        paths = self._routed(path, root_path)
        there = self._speaking(method, paths)
        if not there:
            return []
        return found + there + (self._speaking(method, (path,)) if path not in paths else [])


def below(path: str, prefix: str) -> str | None:
    """Return what is left of *path* without *prefix*; None where it is neither the prefix nor below it."""
    if not prefix:
        return path or "/"
    if path == prefix:
        return "/"
    return path[len(prefix) :] if path.startswith(f"{prefix}/") else None


def destination_of(headers: Iterable[tuple[bytes, bytes]], *, encoded_slash: bool) -> str | None:
    """Return the decoded path in the header Destination (RFC 4918, section 10.3).

    It is "" where there is no such header, and None where it cannot be read in one way only.
    """
    values = [value for name, value in headers if name.lower() == b"destination"]
    if not values:
        return ""
    try:
        text = values[0].decode()
        parts = urlsplit(text)
    except ValueError:
        return None
    raw = parts.path.encode() or b"/"
    is_whole = parts.scheme in {"http", "https"} and parts.netloc
    is_path = not parts.scheme and not parts.netloc and text.startswith("/")
    if len(values) > 1 or not (is_whole or is_path) or "#" in text or not text.isprintable() or " " in text:
        return None
    return unquote(raw.decode()) if is_safe_raw_path(raw, encoded_slash=encoded_slash) else None


def _with_needless(raw: str) -> str:
    """Decode the path *raw*, but for escapes that nobody has to write."""
    return "".join(part if _NEEDLESS.fullmatch(part) else unquote(part) for part in _NEEDLESS.split(raw))


def _is_untidy(root_path: str) -> bool:
    """Whether a slash at its end or in its midst is one too many."""
    return root_path.endswith("/") or "//" in root_path


def _tidy_root_path(scope: Scope) -> None:
    """Take needless slashes out of ``root_path``, and out of the path where the server has put root_path before it.

    One at the end stands in the middle once something is mounted below it.
    """
    written = scope["root_path"]
    tidy = scope["root_path"] = _SLASHES.sub("/", written).rstrip("/")
    ends = ("/",) if written.endswith("/") else ("/", "")
    if scope["path"].startswith(written) and scope["path"][len(written) :][:1] in ends:
        scope["path"] = tidy + scope["path"][len(written) :]
    raw_path, raw_root = scope.get("raw_path"), written.encode("utf-8", "surrogatepass")
    if (
        raw_path is not None
        and raw_path.startswith(raw_root)
        and raw_path[len(raw_root) :][:1].decode("latin-1") in ends
    ):
        scope["raw_path"] = tidy.encode("utf-8", "surrogatepass") + raw_path[len(raw_root) :]


def _is_set_by_app(scope: Scope, root_path: str) -> bool:
    """Whether FastAPI has put its own root_path into *scope*, and Keyfob stands among its middleware."""
    app = scope.get("app")
    is_fastapi = any(kind.__module__ == "fastapi.applications" for kind in type(app).__mro__)
    return is_fastapi and bool(root_path) and str(getattr(app, "root_path", "")).rstrip("/") == root_path
