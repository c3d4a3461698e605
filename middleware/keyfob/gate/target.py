"""Which rule applies to a request, from its method and path, or why neither can be judged.

Most answers depend on the method, the path and the root path alone, so that they are computed once and remembered.
What is remembered is bounded in bytes: all three come from strangers.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Final

from keyfob.gate.verdict import Reason
from keyfob.rules.readings import BAD_METHOD, UNKNOWN_ROUTER, UNREADABLE, Readings
from keyfob.rules.rule import Match

if TYPE_CHECKING:
    from starlette.types import Scope

    from keyfob.rules.readings import Router
    from keyfob.rules.table import Rule, RuleTable

PERCENT: Final = ord("%")  # a number, because `in` on bytes tries its operand as a number first
request_of: Final = itemgetter("type", "method", "path", "raw_path", "root_path")
"""What a rule is found by, of an HTTP request that says it all. Raises KeyError for every other scope."""
_LONGEST_REMEMBERED = 256  # characters of method, path and root path together
_REMEMBERED = 4096  # matches: at 256 characters of at most 4 bytes, a few megabytes

_Request = tuple[str, str | None, str, bytes | None, str]
"""Type of connection, method (None for a WebSocket), path, path as sent, and root path."""


class Targets:
    """Finds the rule for each request, and remembers it."""

    def __init__(
        self,
        rules: RuleTable,
        *,
        router: Router = UNKNOWN_ROUTER,
        encoded_slash: bool,
        path_parameters: bool = False,
    ) -> None:
        """*encoded_slash* is whether ``%2f`` in the raw path counts as a slash; otherwise it is a bad path."""
        self._readings = Readings(rules, router=router, encoded_slash=encoded_slash, path_parameters=path_parameters)
        self.matches: dict[_Request, Match] = {}
        """The rules found before: all that the request of a known key reads here."""

    @property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule, in the order of writing."""
        return self._readings.rules

    def use(self, router: Router) -> None:
        """Judge for *router* from now on."""
        self._readings.use(router)
        self.matches.clear()

    def of(self, scope: Scope) -> Match | Reason:
        """Return the rule for a request, or `Reason.BAD_METHOD`, `BAD_PATH` or `NO_RULE`."""
        kind, path, root_path = scope["type"], scope["path"], scope.get("root_path", "")
        method, raw_path = scope["method"] if kind == "http" else None, scope.get("raw_path")
        request = kind, method, path, raw_path, root_path
        known = self.matches.get(request)
        if known is not None:
            return known
        found = self._readings.match(scope)
        if found is None:
            return Reason.NO_RULE
        if found.rule is UNREADABLE:
            return Reason.BAD_METHOD if found is BAD_METHOD else Reason.BAD_PATH
        is_escaped = raw_path is not None and PERCENT in raw_path
        if not is_escaped and self._readings.is_decided_by(method, path, root_path):
            self._remember(request, found)
        return found

    def _remember(self, request: _Request, match: Match) -> None:
        if sum(map(len, filter(None, request))) > _LONGEST_REMEMBERED:
            return
        if len(self.matches) >= _REMEMBERED:
            self.matches.clear()  # many paths, such as those with ids: each is found again for a microsecond or two
        self.matches[request] = match


def is_shared(target: Match | Reason) -> bool:
    """Whether the application judges requests for *target* that carry no key of ours."""
    return isinstance(target, Match) and target.rule.otherwise_app


def needs_key(target: Match | Reason) -> bool:
    """Whether only a key lets pass what *target* says: not a public rule, and not a request that nobody can judge."""
    return not target.rule.public if isinstance(target, Match) else target is Reason.NO_RULE


def is_preflight(scope: Scope) -> bool:
    """Whether this is a CORS preflight as browsers send it (Fetch, section 3.2.2)."""
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return b"origin" in names and b"access-control-request-method" in names
