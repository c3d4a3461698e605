from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import ConfigError
from keyfob.rules.compiler import compile_rules
from tests.differential.oracle import Eyes, is_public, is_rest, lies_inside, may_match, parts_of, sees, speaks
from tests.differential.world import Written

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
METHODS = st.sampled_from([(), ("GET",), ("POST",), ("HEAD",), ("WS",), ("GET", "POST"), ("HEAD", "WS")])
TEMPLATES = st.tuples(st.lists(SEGMENTS, max_size=3, unique=True), st.sampled_from(["", "/", "/{p:path}"])).map(
    lambda parts: "".join(f"/{part}" for part in parts[0]) + parts[1] or "/"
)
NEEDS = st.sampled_from([{"public": True}, "items:read", "items:write"])
RULES = st.lists(st.builds(Written, METHODS, TEMPLATES, NEEDS), max_size=7, unique_by=lambda rule: rule.text)
PATHS = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=5).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)


def expected(rules: list[Written], method: str, path: str) -> set[str]:
    """The texts of the rules that the contract says count, read word by word; none where it refuses."""
    if "//" in path:
        return set()
    templates = {rule.template for rule in rules}
    ignoring_the_slash = [one for one in templates if may_match(one, path)]
    exactly = [one for one in ignoring_the_slash if any(sees(Eyes(), same, path) for same in _same(one, templates))]
    found: list[Written] = []
    for matching in (exactly, ignoring_the_slash):
        having = [one for one in matching if speaks(rules, one, method)]
        for one in having:
            rule = speaks(rules, one, method)
            assert rule is not None
            if any(lies_inside(other, one) for other in having):
                continue
            if is_public(rule) and any(lies_inside(other, one) for other in matching):
                return set()
            found.append(rule)
    guarded = {rule.text for rule in found if not is_public(rule)}
    return guarded or {rule.text for rule in found}


def kind_of(part: str) -> str:
    return part if "{" not in part else "{:path}" if is_rest(part) else "{}"


def _same(template: str, templates: set[str]) -> list[str]:
    """The template in every way in which a rule writes it: with a slash at its end, without, with other names."""
    shape = [kind_of(part) for part in parts_of(template)]
    return [one for one in templates if shape == [kind_of(part) for part in parts_of(one)]]


@given(RULES, PATHS, st.sampled_from(["GET", "POST", "HEAD", "PUT", "WS"]))
def test_pm_12_the_table_agrees_with_the_contract_read_word_by_word(
    rules: list[Written], path: str, method: str
) -> None:
    """Whatever the rules and the path, the prepared table and the plain definition choose the same rules."""
    try:
        table = compile_rules({rule.text: rule.needs for rule in rules}, known=None, key_types=["api"])
    except ConfigError:
        return  # two of them are equal
    match = table.match(method, path)
    wanted = expected(rules, method, path)

    given_texts = set() if match is None else {part.text for part in getattr(match.rule, "parts", (match.rule,))}
    if all(is_public(rule) for rule in rules if rule.text in wanted) and wanted:
        assert given_texts <= wanted  # one public rule stands for all
        assert given_texts
    else:
        assert wanted == given_texts
