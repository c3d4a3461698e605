from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest

from keyfob.errors import Invalid
from keyfob.management import validation as limits
from tests.keyfob.management.refused_fields import refused

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LONGER = "Name must be 100 characters or fewer"

NAMES = [
    ("billing-worker", "billing-worker"),
    ("  billing worker ", "billing worker"),
    ("x", "x"),
    ("n" * 100, "n" * 100),
    (" " * 500 + "n", "n"),
    ("e\u0301" * 100, "\u00e9" * 100),
    ("\u03b1\u0313\u0300\u0345" * 100, "\u1f82" * 100),
    ("\U0001f469\u200d\U0001f680", "\U0001f469\u200d\U0001f680"),
    ("<script>'\"; DROP", "<script>'\"; DROP"),
    ("שלום", "שלום"),
]
BAD_NAMES = [
    ("", "Enter a name"),
    ("   ", "Enter a name"),
    (None, "Enter a name"),
    (5, "Enter a name"),
    ("\u200b\u2060\ufeff", "Enter a name"),
    ("\u3164", "Enter a name"),
    ("\u00a0", "Enter a name"),
    ("n" * 101, LONGER),
    ("n" * 100_000, LONGER),
    ("\ufb2c" * 34, LONGER),  # NFC makes each of them three
    ("a\nb", "Name can't contain the character U+000A"),
    ("ab\n", "Name can't contain the character U+000A"),
    ("a\x00b", "Name can't contain the character U+0000"),
    ("a\x7fb", "Name can't contain the character U+007F"),
    ("a\x85b", "Name can't contain the character U+0085"),
    ("a\u202eb", "Name can't contain the character U+202E"),
    ("a\u2066b", "Name can't contain the character U+2066"),
    ("a\u2028b", "Name can't contain the character U+2028"),
    ("a\ud800b", "Name can't contain the character U+D800"),
    ("a\uffffb", "Name can't contain the character U+FFFF"),
]

TEAM_IDS = ["a", "0", "team-1", "a" * 63, "a-"]
BAD_TEAM_IDS = ["", "-a", "A", "a_b", "a/b", "a" * 64, "a\n", "é", None, 1]


@pytest.mark.parametrize(("given", "kept"), NAMES)
def test_a_name_is_kept_composed_and_trimmed(given: str, kept: str) -> None:
    """Names look alike only if they are alike: NFC, and no space around."""
    assert kept == limits.clean_name(given)


@pytest.mark.parametrize(("given", "detail"), BAD_NAMES)
def test_a_name_that_cannot_be_shown_is_refused(given: object, detail: str) -> None:
    """Empty, too long, invisible or misleading names are refused in words for the form."""
    with pytest.raises(Invalid) as caught:
        limits.clean_name(given)

    assert [("/name", detail)] == refused(caught)


def test_every_control_and_direction_override_is_refused_in_names() -> None:
    """No key can rearrange or break the line that it is listed on."""
    directions = [*range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    controls = [code for code in range(0x110) if unicodedata.category(chr(code)) == "Cc"]
    for code in [*controls, *directions]:
        with pytest.raises(Invalid):
            limits.clean_name(f"a{chr(code)}b")


def test_a_description_may_have_lines() -> None:
    """Line breaks arrive as forms send them and are kept as one kind."""
    assert "first\nsecond\tcolumn" == limits.clean_description(" first\r\nsecond\tcolumn\n")


def test_an_empty_description_is_none() -> None:
    """There is one way to have no description."""
    assert [None, None, None] == [limits.clean_description(value) for value in (None, "", " \n ")]


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ("d" * 1001, "Description must be 1,000 characters or fewer"),
        ("a\x1bb", "Description can't contain the character U+001B"),
        ("a\rb", "Description can't contain the character U+000D"),
        ("a\u202eb", "Description can't contain the character U+202E"),
        (5, "Description must be a text"),
    ],
)
def test_a_bad_description_is_refused(given: object, detail: str) -> None:
    """Too long or misleading descriptions are refused; a thousand characters are not too long."""
    assert "d" * 1000 == limits.clean_description("d" * 1000)
    with pytest.raises(Invalid) as caught:
        limits.clean_description(given)

    assert [("/description", detail)] == refused(caught)


def test_permissions_are_sorted_without_repeats() -> None:
    """A key's permissions are a set, written in one order."""
    given = ["items:write", "*", "items:read", "items:*", "items:read"]

    assert ("*", "items:*", "items:read", "items:write") == limits.clean_permissions(given)


def test_each_wrong_permission_is_pointed_at() -> None:
    """The answer tells which entries are wrong, not only that some are."""
    with pytest.raises(Invalid) as caught:
        limits.clean_permissions(["items:read", "items", "Items:read", None, "a:b\n", "x" * 70])

    assert [
        ("/permissions/1", "items isn't a permission"),
        ("/permissions/2", "Items:read isn't a permission; did you mean items:read?"),
        ("/permissions/3", "This isn't a permission"),
        ("/permissions/4", "a:b\n isn't a permission"),
        ("/permissions/5", "x" * 60 + "… isn't a permission"),
    ] == refused(caught)


@pytest.mark.parametrize("given", ["*", None, 5, {"items:read": True}])
def test_aa_11_permissions_that_are_no_list_are_refused(given: object) -> None:
    """A text is not a list of its letters, and null is not an empty list."""
    with pytest.raises(Invalid) as caught:
        limits.clean_permissions(given)

    assert [("/permissions", "This must be a list of permissions")] == refused(caught)


def test_aa_11_no_more_than_200_permissions() -> None:
    """A list beyond all use is refused before its entries are looked at."""
    assert 200 == len(limits.clean_permissions([f"items:{number}" for number in range(200)]))
    with pytest.raises(Invalid) as caught:
        limits.clean_permissions(["!"] * 201)

    assert [("/permissions", "At most 200 permissions are allowed")] == refused(caught)


def test_an_expiry_is_kept_in_utc() -> None:
    """Wherever it was written, it is one moment."""
    eastern = timezone(timedelta(hours=-5))

    expiry = limits.clean_expiry(datetime(2026, 11, 20, 12, tzinfo=eastern), NOON)

    assert datetime(2026, 11, 20, 17, tzinfo=UTC) == expiry
    assert expiry is not None
    assert UTC == expiry.tzinfo


def test_a_key_may_never_expire() -> None:
    """None is a choice."""
    assert None is limits.clean_expiry(None, NOON)


@pytest.mark.parametrize(
    "given",
    [NOON, NOON - timedelta(seconds=1), datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))],
)
def test_lc_08_an_expiry_not_in_the_future_is_refused(given: datetime) -> None:
    """A key that is born expired is a mistake, at the very moment too."""
    with pytest.raises(Invalid) as caught:
        limits.clean_expiry(given, NOON)

    assert [("/expires_at", "Expiry must be in the future")] == refused(caught)


@pytest.mark.parametrize("given", [datetime(2027, 1, 1), "2027-01-01", 1])  # noqa: DTZ001 - the mistake itself
def test_an_expiry_without_offset_is_refused(given: object) -> None:
    """A time that could mean twenty-four moments is none."""
    with pytest.raises(Invalid, match="Expiry must be a date and time with its offset"):
        limits.clean_expiry(given, NOON)


def test_an_expiry_beyond_the_calendar_is_refused() -> None:
    """A moment in the year 10000 UTC cannot be written in RFC 3339."""
    given = datetime(9999, 12, 31, 23, tzinfo=timezone(timedelta(hours=-5)))

    with pytest.raises(Invalid, match="Expiry must be before the year 10000"):
        limits.clean_expiry(given, NOON)


@pytest.mark.parametrize("given", TEAM_IDS)
def test_a_team_id_is_a_slug(given: str) -> None:
    """What stands in paths needs no escaping."""
    assert given == limits.clean_team_id(given)


@pytest.mark.parametrize("given", BAD_TEAM_IDS)
def test_what_is_no_slug_is_no_team_id(given: object) -> None:
    """Anything else is refused."""
    with pytest.raises(Invalid) as caught:
        limits.clean_team_id(given)

    assert ["/id"] == [pointer for pointer, _ in refused(caught)]


def test_all_fields_are_cleaned_at_once() -> None:
    """What is given comes back clean; what is not given stays away."""
    given: dict[str, object] = {"name": " a ", "permissions": ["b:b", "a:a"], "expires_at": None, "ip_allow": None}

    clean = limits.clean_fields(given, now=NOON)

    assert {"name": "a", "permissions": ("a:a", "b:b"), "expires_at": None, "ip_allow": ()} == clean


def test_everything_wrong_is_told_at_once() -> None:
    """Nobody has to fix a form one field at a time."""
    with pytest.raises(Invalid) as caught:
        limits.clean_fields(
            {
                "name": "",
                "description": 1,
                "permissions": ["a", "b"],
                "expires_at": NOON,
                "ip_allow": ["x"],
                "state/~": "active",
            },
            now=NOON,
        )

    assert [
        "/name",
        "/description",
        "/permissions/0",
        "/permissions/1",
        "/expires_at",
        "/ip_allow/0",
        "/state~1~0",
    ] == [pointer for pointer, _ in refused(caught)]
