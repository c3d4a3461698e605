from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyfob.errors import ConfigError
from keyfob.keyring.keyring import Keyring, SigningKey
from keyfob.keys.format import ALPHABET, KeyText, base62, checksum, compose, new_key_id, new_secret, parse_key

if TYPE_CHECKING:
    from collections.abc import MutableMapping

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = bytes(range(32))
ENTRY = SigningKey("a", KEY, NOON)
# Computed by other means from KEY, once; a key that was issued last year must be recognised next year.
TEXT = "kf_api_7Qx2mB9tKd03LpWz_0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefga27gEOnQ19lja8S1ycLqD"
DIGEST = "251ff3adcf46b0bce28e5977e591c7acd237e9f72133a457230cd55784c2ad61"
FINGERPRINT = "fc440faa1426425f"

letters = st.sampled_from(ALPHABET)


def created(entry: SigningKey = ENTRY, key_type: str = "api") -> KeyText:
    return compose(
        key_type=key_type, key_id=new_key_id(), secret=new_secret(), key_char=entry.char, tag=entry.tag, prefix="kf"
    )


def forged(text: str) -> KeyText:
    """What the server reads when somebody presents *text* with a checksum that is right."""
    key = parse_key(text[:-6] + checksum(text[:-6]))
    assert key is not None
    return key


def test_the_written_form_of_tag_digest_and_fingerprint_is_fixed() -> None:
    """The same keyring recognises the same key for ever."""
    key = parse_key(TEXT)

    assert key is not None
    assert (key.tag, DIGEST, FINGERPRINT) == (ENTRY.tag(key.tagged), ENTRY.digest(TEXT).hex(), ENTRY.fingerprint)
    assert ENTRY.verifies(key)


@pytest.mark.parametrize("key_type", ["api", "computer", "scim", "admin"])
def test_the_entry_that_made_a_tag_verifies_it(key_type: str) -> None:
    """A issued key passes the tag, read back from its text."""
    key = created(key_type=key_type)

    assert ENTRY.verifies(forged(key.text))


@settings(deadline=None)
@given(st.text(letters, min_size=14, max_size=14))
def test_kf_04_a_random_tag_is_refused(tag: str) -> None:
    """The right shape and checksum with an invented tag is a forgery."""
    text = created().text

    assert not ENTRY.verifies(forged(text[:-20] + tag + "......"))


def test_kf_05_another_secret_under_a_real_id_is_refused() -> None:
    """The tag of a key is worth nothing with another secret."""
    text = created().text
    start = text.rindex("_") + 1

    assert not ENTRY.verifies(forged(text[:start] + new_secret() + text[start + 43 :]))


def test_kf_06_the_id_of_one_key_with_the_body_of_another_is_refused() -> None:
    """The tag spans id and secret together."""
    one, other = created(), created()

    assert not ENTRY.verifies(forged(f"kf_api_{one.key_id}_{other.text[-64:]}"))


@pytest.mark.parametrize(("old", "new"), [("api", "scim"), ("scim", "api"), ("api", "admin"), ("computer", "api")])
def test_kf_07_a_swapped_type_is_refused(old: str, new: str) -> None:
    """The tag spans the type: an API key cannot be passed off as an admin key."""
    assert not ENTRY.verifies(forged(created(key_type=old).text.replace(f"_{old}_", f"_{new}_")))


@settings(deadline=None)
@given(st.integers(0, len(TEXT) - 21), letters)
def test_the_tag_spans_every_character_before_it(at: int, char: str) -> None:
    """No character before the tag can be changed: prefix, type, id, secret, keyring and what stands between them."""
    changed = TEXT[:at] + char + TEXT[at + 1 :]

    assert (changed == TEXT) == ENTRY.verifies(replace(forged(TEXT), text=changed))


def test_another_prefix_does_not_verify() -> None:
    """The tag spans the prefix too."""
    text = "acme" + TEXT[2:-6]
    key = parse_key(text + checksum(text), prefix="acme")

    assert key is not None
    assert not ENTRY.verifies(key)


def test_kf_08_each_key_is_verified_by_the_entry_it_names_and_no_other() -> None:
    """With two entries old and new keys pass; without the old entry nothing answers for the old keys."""
    old = Keyring.new(NOON)
    both = old.added(NOON)
    new = Keyring.of([both.entries["b"]])
    key_a, key_b = created(both.entries["a"]), created(both.entries["b"])

    assert (True, True) == tuple(both.entries[key.key_char].verifies(key) for key in (key_a, key_b))
    assert not both.entries["b"].verifies(key_a)
    assert "a" not in new.entries


def test_a_tag_that_is_not_ascii_is_refused_and_not_an_error() -> None:
    """What `parse_key` would not have let pass is no tag of ours, either, nor is a number of more than 80 bits."""
    key = created()
    for tag in ("\u0663" * 14, "z" * 14):
        assert not ENTRY.verifies(replace(key, text=f"{key.tagged}{tag}{key.checksum}"))


def test_a_digest_is_a_keyed_digest_of_the_whole_text() -> None:
    """BLAKE2b-256 under the sub-key of digests, over every character of the key."""
    expected = hashlib.blake2b(TEXT.encode(), digest_size=32, key=ENTRY.digest_key).digest()

    assert expected == ENTRY.digest(TEXT)
    assert expected != ENTRY.digest(TEXT[:-1])


def test_a_digest_state_can_be_copied_for_every_key() -> None:
    """Copies of one prepared state give the same digests as starting afresh, and leave it as it was."""
    state = Keyring.of([ENTRY]).digest_states()["a"]
    key_cache = []
    for text in (TEXT, "other", TEXT):
        copy = state.copy()
        copy.update(text.encode())
        key_cache.append(copy.digest())

    assert [ENTRY.digest(TEXT), ENTRY.digest("other"), ENTRY.digest(TEXT)] == key_cache


def test_every_purpose_has_a_key_of_its_own() -> None:
    """What one sub-key signs is nothing under another, and none of them is the keyring key or its fingerprint."""
    sub_keys = {ENTRY.key, ENTRY.digest_key, ENTRY.audit_key, ENTRY.csrf_key}

    assert 4 == len(sub_keys)
    assert {32} == {len(key) for key in sub_keys}
    assert not any(key.hex().startswith(ENTRY.fingerprint) for key in sub_keys)


def test_sub_keys_are_derived_as_written_down() -> None:
    """HMAC-SHA-256 of the purpose under the keyring key."""
    purposes = ["digest", "audit", "csrf"]
    expected = [hmac.new(KEY, f"keyfob/{purpose}/v1\0".encode(), "sha256").digest() for purpose in purposes]

    assert expected == [ENTRY.digest_key, ENTRY.audit_key, ENTRY.csrf_key]


def test_two_entries_share_nothing() -> None:
    """Tags, digests and fingerprints of two entries differ."""
    one, other = Keyring.new(NOON).added(NOON).entries.values()

    assert one.key != other.key
    assert one.fingerprint != other.fingerprint
    assert one.tag("x") != other.tag("x")
    assert one.digest("x") != other.digest("x")


def test_a_new_keyring_has_one_entry_of_256_random_bits() -> None:
    """Two new keyrings have nothing in common but the character."""
    keyrings = [Keyring.new(NOON) for _ in range(100)]

    assert {("a",)} == {tuple(keyring.entries) for keyring in keyrings}
    assert 100 == len({keyring.newest.key for keyring in keyrings})
    assert {32} == {len(keyring.newest.key) for keyring in keyrings}


def test_entries_are_named_a_to_z_then_capitals_then_digits() -> None:
    """62 entries can be made one after the other, and a 63rd is an error that says why."""
    keyring = Keyring.new(NOON)
    for _ in range(61):
        keyring = keyring.added(NOON)

    assert "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789" == "".join(keyring.entries)
    with pytest.raises(ConfigError, match="used up all of its 62"):
        keyring.added(NOON)


def test_a_character_that_the_database_knows_is_not_taken_again() -> None:
    """A retired or lost entry's character stays refused, even after the file has forgotten it."""
    keyring = Keyring.of([SigningKey("c", KEY, NOON)])

    assert ["c", "d"] == list(keyring.added(NOON, taken={"a", "b"}).entries)
    assert ["c", "a"] == list(keyring.added(NOON).entries)


def test_adding_leaves_the_keyring_as_it_was() -> None:
    """A keyring never changes; adding gives another one."""
    keyring = Keyring.new(NOON)
    keyring.added(NOON)
    entries: MutableMapping[str, SigningKey] = keyring.entries  # type: ignore[assignment]

    assert ["a"] == list(keyring.entries)
    with pytest.raises(TypeError):
        entries["b"] = ENTRY


def test_the_newest_entry_is_the_one_made_last() -> None:
    """Time decides, and among entries of one moment the order of the file."""
    hour = timedelta(hours=1)
    late, early, same = SigningKey("a", KEY, NOON + hour), SigningKey("b", KEY, NOON), SigningKey("c", KEY, NOON + hour)

    assert (late, same) == (Keyring.of([late, early]).newest, Keyring.of([late, early, same]).newest)


@settings(deadline=None)
@given(
    st.dictionaries(letters, st.binary(min_size=32, max_size=32), min_size=1, max_size=62).filter(
        lambda keys: len(set(keys.values())) == len(keys)
    ),
    st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))])),  # noqa: DTZ001 (hypothesis adds the zone)
)
def test_what_is_dumped_is_parsed(keys: dict[str, bytes], at: datetime) -> None:
    """Every keyring survives its file: characters, their order, keys and times to the microsecond."""
    keyring = Keyring.of(SigningKey(char, key, at.astimezone(UTC)) for char, key in keys.items())

    assert keyring == Keyring.parse(keyring.dump())
    assert list(keys) == list(Keyring.parse(keyring.dump()).entries)


def test_times_are_kept_in_utc() -> None:
    """A keyring made or written in another zone reads as UTC."""
    elsewhere = NOON.astimezone(timezone(timedelta(hours=2)))

    assert "2026-01-31T12:00:00+00:00" in Keyring.new(elsewhere).dump()
    assert UTC is Keyring.parse(Keyring.new(NOON).dump().replace("+00:00", "+02:00")).newest.created_at.tzinfo


HEX = KEY.hex()
BAD = {
    "nothing": ("", "holds no entry"),
    "only a comment": ("# a keyring\n", "holds no entry"),
    "not TOML": ("[a\nkey", "not TOML"),
    "no table": (f'a = "{HEX}"', "must be a table"),
    "no key": ("[a]\ncreated_at = 2026-01-01T00:00:00Z", "exactly `key` and `created_at`"),
    "no time": (f'[a]\nkey = "{HEX}"', "exactly `key` and `created_at`"),
    "something more": (f'[a]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00Z\nx = 1', "exactly `key`"),
    "key is a number": ("[a]\nkey = 7\ncreated_at = 2026-01-01T00:00:00Z", "exactly `key`"),
    "key too short": (f'[a]\nkey = "{HEX[2:]}"\ncreated_at = 2026-01-01T00:00:00Z', "64 hexadecimal digits"),
    "key too long": (f'[a]\nkey = "{HEX}00"\ncreated_at = 2026-01-01T00:00:00Z', "64 hexadecimal digits"),
    "key not hex": (f'[a]\nkey = "{HEX[1:]}g"\ncreated_at = 2026-01-01T00:00:00Z', "64 hexadecimal digits"),
    "key in capitals": (f'[a]\nkey = "{HEX.upper()}"\ncreated_at = 2026-01-01T00:00:00Z', "in lower case"),
    "key with blanks": (f'[a]\nkey = "{HEX[2:]}  "\ncreated_at = 2026-01-01T00:00:00Z', "64 hexadecimal digits"),
    "key with foreign digits": (
        f'[a]\nkey = "{HEX[1:]}\u0663"\ncreated_at = 2026-01-01T00:00:00Z',
        "64 hexadecimal digits",
    ),
    "time without zone": (f'[a]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00', "time zone"),
    "time is a day": (f'[a]\nkey = "{HEX}"\ncreated_at = 2026-01-01', "exactly `key`"),
    "name of two letters": (f'[ab]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00Z', "one letter or digit"),
    "name of none": (f'[""]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00Z', "one letter or digit"),
    "name is a foreign digit": (f'["\u0663"]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00Z', "one letter or digit"),
    "the same key twice": (
        f'[a]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00Z\n[b]\nkey = "{HEX}"\ncreated_at = 2026-01-01T00:00:00Z',
        "the same key",
    ),
    "the same name twice": (f'[a]\nkey = "{HEX}"\n[a]\nkey = "{HEX}"', "not TOML"),
}


@pytest.mark.parametrize(("text", "complaint"), BAD.values(), ids=BAD.keys())
def test_a_malformed_keyring_is_refused_without_showing_it(text: str, complaint: str) -> None:
    """The message names entry and fix and never holds a key."""
    with pytest.raises(ConfigError, match=complaint) as caught:
        Keyring.parse(text)

    assert HEX[8:40] not in str(caught.value).lower()


def test_se_01_what_is_printed_of_a_keyring_holds_no_key() -> None:
    """Neither entries nor keyrings show a key when they are printed."""
    keyring = Keyring.of([ENTRY])

    for printed in (repr(ENTRY), str(ENTRY), repr(keyring), f"{keyring}"):
        assert "SigningKey(char='a'" in printed
        assert [] == [form for form in (HEX, HEX[:16], repr(KEY), repr(KEY)[2:20]) if form in printed]


def test_a_tag_is_eighty_bits_in_fourteen_digits() -> None:
    """The tag is the first ten bytes of the HMAC, so a guess is right once in 2**80."""
    digest = hmac.new(KEY, b"keyfob/tag/v1\0abc", "sha256").digest()

    assert base62(int.from_bytes(digest[:10], "big"), 14) == ENTRY.tag("abc")
