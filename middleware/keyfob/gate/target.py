"""Which rule applies to a request, from its method and path, or why neither can be judged.

Nothing here depends on more than the method, the path and the root path, so that an answer is computed once and
remembered. What is remembered is bounded in bytes: all three come from strangers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from keyfob.gate.verdict import Reason
from keyfob.rules.safe_path import hides_separators, is_safe_path
from keyfob.rules.table import WEBSOCKET, Match

if TYPE_CHECKING:
    from starlette.types import Scope

    from keyfob.rules.table import Rule, RuleTable

PERCENT: Final = ord("%")  # a number, because `in` on bytes tries its operand as a number first
_LONGEST_REMEMBERED = 256  # characters of method, path and root path together
_REMEMBERED = 4096  # matches: at 256 characters of at most 4 bytes, a few megabytes
_METHOD = re.compile(r"[A-Z0-9_-]{1,32}\Z")

_Request = tuple[str | None, str, str]
"""Method (None for a WebSocket), path and root path."""


class Targets:
    """Finds the rule for each request."""

    def __init__(self, rules: RuleTable, *, encoded_slash: bool) -> None:
        """*encoded_slash* is whether ``%2f`` in the raw path counts as a slash; otherwise it is a bad path."""
        self._rules = rules
        self._encoded_slash = encoded_slash
        self.matches: dict[_Request, Match] = {}
        """The rules found before: all that the request of a known key reads here."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of writing."""
        return self._rules.rules

    def of(self, scope: Scope) -> Match | Reason:
        """Return the rule for a request, or `Reason.BAD_METHOD`, `BAD_PATH` or `NO_RULE`."""
        raw_path, path, root_path = scope.get("raw_path"), scope["path"], scope.get("root_path", "")
        method = scope["method"] if scope["type"] == "http" else None
        escaped = raw_path if raw_path is not None and PERCENT in raw_path else None
        known = None if escaped else self.matches.get((method, path, root_path))
        if known is not None:
            return known
        if method is not None and not _METHOD.match(method):
            return Reason.BAD_METHOD
        if escaped and hides_separators(escaped, encoded_slash=self._encoded_slash):
            return Reason.BAD_PATH
        target = self._find(method, path, root_path)
        if isinstance(target, Match):
            self._remember((method, path, root_path), target)
        return target

    def _find(self, method: str | None, path: str, root_path: str) -> Match | Reason:
        """Return the rule for a request whose raw path hides nothing. *method* is None for a WebSocket."""
        if not is_safe_path(path):
            return Reason.BAD_PATH
        if method == WEBSOCKET:
            return Reason.NO_RULE  # an HTTP client can name its method WS; that is no handshake
        return self._rules.match(method or WEBSOCKET, route_path(path, root_path) or "/") or Reason.NO_RULE

    def _remember(self, request: _Request, match: Match) -> None:
        if sum(map(len, filter(None, request))) > _LONGEST_REMEMBERED:
            return
        if len(self.matches) >= _REMEMBERED:
            self.matches.clear()  # many paths, such as those with ids: each is found again for a microsecond or two
        self.matches[request] = match


def needs_key(target: Match | Reason) -> bool:
    """Whether only a key lets pass what *target* says: not a public rule, and not a request that nobody can judge."""
    return not target.rule.public if isinstance(target, Match) else target is Reason.NO_RULE


def route_path(path: str, root_path: str) -> str:
    """Return the part of *path* that Starlette's router matches: what follows *root_path*, where it is a prefix.

    This is `starlette._utils.get_route_path`, which is private; a test holds the two equal.
    """
    if not root_path or not path.startswith(root_path):
        return path
    rest = path[len(root_path) :]
    return rest if not rest or rest[0] == "/" else path
