from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from keyfob.errors import ConfigError
from keyfob.rules.compiler import Rule, compile_rules

SEGMENTS = st.sampled_from(["a", "b", "{x}", "{y}"])
METHODS = st.sampled_from(["", "GET ", "POST ", "HEAD ", "WS ", "GET,POST ", "HEAD,WS "])
TEMPLATES = st.tuples(st.lists(SEGMENTS, max_size=3, unique=True), st.sampled_from(["", "/", "/{p:path}"])).map(
    lambda parts: "".join(f"/{part}" for part in parts[0]) + parts[1] or "/"
)
RULES = st.dictionaries(st.tuples(METHODS, TEMPLATES).map("".join), st.booleans(), max_size=7)
PATHS = st.lists(st.sampled_from(["a", "b", "c", ""]), max_size=5).map(
    lambda parts: "".join(f"/{part}" for part in parts)
)


def kinds(rule: Rule) -> list[int]:
    """How specific each segment of the template is, as the contract orders them."""
    parts = rule.text.rpartition(" ")[2].strip("/").split("/")
    return [0 if "{" not in part else 2 if ":path" in part else 1 for part in parts if part]


def fits(rule: Rule, path: str) -> bool:
    """Whether the template matches the path, read off both from left to right."""
    template = [part for part in rule.text.rpartition(" ")[2].split("/") if part]
    if template and template[-1] == "{p:path}":
        head = path.split("/", len(template))
        return len(head) == len(template) + 1 and fits_exactly(template[:-1], head[1:-1]) and "//" not in path
    return fits_exactly(template, path.removesuffix("/").split("/")[1:])


def fits_exactly(template: list[str], segments: list[str]) -> bool:
    return len(template) == len(segments) and all(
        segment and (part in ("{x}", "{y}") or part == segment)
        for part, segment in zip(template, segments, strict=True)
    )


def expected_match(rules: tuple[Rule, ...], method: str, path: str) -> Rule | None:
    """The contract, word by word: fit, sort, take the first, and the guard of public rules."""
    fitting = [rule for rule in rules if fits(rule, path)]

    def priority(rule: Rule) -> tuple[list[int], int]:
        return kinds(rule), [method in rule.methods, method == "HEAD" and "GET" in rule.methods, True].index(True)

    speaking = [
        rule
        for rule in fitting
        if not rule.methods or method in rule.methods or (method == "HEAD" and "GET" in rule.methods)
    ]
    if not speaking:
        return None
    best = min(speaking, key=priority)
    guarded = best.public and any(kinds(rule) < kinds(best) for rule in fitting)
    return None if guarded else best


@given(RULES, PATHS, st.sampled_from(["GET", "POST", "HEAD", "PUT", "WS"]))
def test_pm_12_the_table_agrees_with_the_contract_read_word_by_word(
    public: dict[str, bool], path: str, method: str
) -> None:
    """Whatever the rules and the path, the prepared table and the plain definition choose the same rule."""
    raw = {text: {"public": True} if is_public else "items:read" for text, is_public in public.items()}
    try:
        rules = compile_rules(raw, known=None, key_types=["api"])
    except ConfigError:
        return  # two of them are equal
    match = rules.match(method, path)

    assert expected_match(rules.rules, method, path) is (None if match is None else match.rule)
