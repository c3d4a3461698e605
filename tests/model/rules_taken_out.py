"""The product with one rule taken out at a time, to see that the model would notice.

A rule is named by the very text that states it in the product, so a rule that is rewritten there has to be found anew
here: a mutation whose text is gone is an error, not a pass.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from dataclasses import dataclass, replace
from typing import Any

from tests.model.process import REAL, Parts


@dataclass(frozen=True, slots=True)
class Mutation:
    """In *method* of the class in *part*, every `before` becomes `after`."""

    name: str
    part: str  # the field of `Parts`
    method: str
    changes: tuple[tuple[str, str], ...]

    def parts(self) -> Parts:
        """The real modules, but for this one. Raises LookupError if the product states the rule in other words."""
        real: type[Any] = getattr(REAL, self.part)
        source = textwrap.dedent(inspect.getsource(getattr(real, self.method)))
        for before, after in self.changes:
            if source.count(before) != 1:
                raise LookupError(f"{real.__name__}.{self.method} does not say {before!r} once")
            source = source.replace(before, after)
        names = dict(vars(sys.modules[real.__module__]))
        exec(f"from __future__ import annotations\n{source}", names)  # noqa: S102 - the product's own lines
        mutant = type(real.__name__, (real,), {"__slots__": (), self.method: names[self.method]})
        return replace(REAL, **{self.part: mutant})


def _without(rule: str) -> tuple[tuple[str, str], ...]:
    return ((rule, ""),)


MUTATIONS = (
    Mutation("the lease", "freshness", "is_current", _without(" <= self._until")),
    Mutation(
        "the lease counts from the beginning of the read",
        "freshness",
        "_read",
        (("self._until = began, began + ", "self._until = began, self._clock() + "),),
    ),
    Mutation(
        "an outage is ridden out for a while only",
        "freshness",
        "_may_serve_stale",
        _without(" <= self._until + self._outage_allowance"),
    ),
    Mutation(
        "the change signal is compared",
        "freshness",
        "is_current",
        _without("self._change_signal.read() == self._seen and "),
    ),
    Mutation(
        "the change signal is looked at before the read",
        "freshness",
        "_read",
        (("self._seen = feed.change_signal, seen", "self._seen = feed.change_signal, _shown(feed.change_signal)"),),
    ),
    Mutation(
        "the change signal ends the patience with an outage",
        "freshness",
        "_may_serve_stale",
        _without(" or _shown(self._change_signal) != self._seen"),
    ),
    Mutation(
        "another history drops every answer",
        "freshness",
        "_apply",
        (("changes.epoch != self.epoch or changes.revision < self.revision", "False"),),
    ),
    Mutation(
        "a caller who leaves does not end a read that others wait for",
        "freshness",
        "refresh",
        (("asyncio.shield(flight)", "flight"),),
    ),
    Mutation(
        "a row is as new as the last merge",
        "key_verifier",
        "_is_as_new_as_the_last_merge",
        _without(" and found.revision >= self._freshness.revision"),
    ),
    Mutation(
        "a row is of the same history as the last merge",
        "key_verifier",
        "_is_as_new_as_the_last_merge",
        _without("found.epoch == self._freshness.epoch and "),
    ),
    Mutation(
        "the state is looked at again after Argon2id",
        "key_verifier",
        "_verify",
        (("if self._is_as_new_as_the_last_merge(found):", "if True:"),),
    ),
    Mutation(
        "work is shared by the whole text",
        "key_verifier",
        "verify_key",
        (
            ("self._flights.get(digest)", "self._flights.get(key.key_id)"),
            ("self._flights[digest] = flight", "self._flights[key.key_id] = flight"),
            ("self._landed(digest, done)", "self._landed(key.key_id, done)"),
        ),
    ),
    Mutation(
        "a caller who leaves does not end a check that others wait for",
        "key_verifier",
        "verify_key",
        (("asyncio.shield(flight)", "flight"),),
    ),
    Mutation(
        "a newer state replaces an older one, never the other way",
        "key_cache",
        "merge",
        _without(" and record.revision > entry.revision"),
    ),
    Mutation(
        "a change reaches the keys that are cached",
        "key_cache",
        "merge",
        (("if entry is not None and ", "if False and "),),
    ),
    Mutation("a change ends what was refused before", "key_cache", "merge", (("if changed:", "if False:"),)),
    Mutation(
        "what was looked up may still be believed when its caller goes on",
        "authenticator",
        "authenticate",
        _without(" and self._freshness.is_current()"),
    ),
    Mutation(
        "a cached key is believed only while the cache is current",
        "gate",
        "_judge_text",
        _without(" and self._freshness.is_current()"),
    ),
    Mutation(
        "the short way believes a cached key only while the cache is current",
        "gate",
        "judge",
        (("or not self._freshness.is_current()", ""),),
    ),
)
