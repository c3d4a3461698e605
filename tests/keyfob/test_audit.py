from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from keyfob.audit import FIRST_LINK, ChainedEvent, Event, canonical, mac, verify_chain

NOON = datetime(2031, 5, 4, 12, 0, 0, 123456, tzinfo=UTC)
KEY = b"audit key of signing key a"
OTHER_KEY = b"audit key of signing key b"
KEYS = {"a": KEY, "b": OTHER_KEY}
EVENT = Event(NOON, "key", "adminadminadmin0", "Ada", "192.0.2.7", "key.created", "ours", "7Qx2mB9tKd03LpWz", {"n": 1})


def log(length: int, *, rotated_at: int = 99) -> list[ChainedEvent]:
    """A faultless log; from number *rotated_at* on, signing key b MACs."""
    made: list[ChainedEvent] = []
    for seq in range(1, length + 1):
        char = "a" if seq < rotated_at else "b"
        event = replace(EVENT, detail={"number": seq})
        previous = made[-1].mac if made else FIRST_LINK
        made.append(ChainedEvent(seq, event, char, mac(event, seq, previous, KEYS[char])))
    return made


def faults(events: list[ChainedEvent], whole: list[ChainedEvent]) -> list[tuple[int, str]]:
    """What is found in *events* when the log should end as *whole* does; the first word of each fault."""
    found = verify_chain(events, count=len(whole), head=whole[-1].mac if whole else FIRST_LINK, keys=KEYS)
    return [(fault.seq, fault.what.split(maxsplit=1)[0].rstrip(":,")) for fault in found]


@pytest.mark.parametrize("length", [0, 1, 5])
def test_a_log_as_it_was_written_has_no_fault(length: int) -> None:
    """What was sealed verifies, and so does an empty log."""
    assert [] == faults(log(length), log(length))


def test_a_log_goes_on_under_a_new_signing_key() -> None:
    """Rotating the keyring breaks no chain: each event names the entry that sealed it."""
    assert [] == faults(log(6, rotated_at=4), log(6, rotated_at=4))


@pytest.mark.parametrize(
    "change",
    [
        {"at": NOON + timedelta(microseconds=1)},
        {"actor_kind": "cli"},
        {"actor_id": None},
        {"actor_name": "Eve"},
        {"ip": None},
        {"action": "key.deleted"},
        {"team": "theirs"},
        {"key_id": None},
        {"detail": {"number": 4}},
    ],
)
def test_a_changed_field_is_found(change: dict[str, object]) -> None:
    """No field of an event can be altered unnoticed, and the fault names the event and no other."""
    whole = log(5)
    changed = replace(whole[2], event=replace(whole[2].event, **change))  # type: ignore[arg-type] # fields of Event

    assert [(3, "changed")] == faults([*whole[:2], changed, *whole[3:]], whole)


@pytest.mark.parametrize(
    ("tampered", "expected"),
    [
        ([0, 1, 3, 4], [(4, "removed")]),
        ([1, 2, 3, 4], [(2, "removed")]),
        ([0, 1, 2, 3], [(5, "cut")]),
        ([], [(1, "cut")]),
        ([0, 2, 1, 3, 4], [(3, "removed"), (2, "out"), (4, "removed")]),
        ([0, 1, 1, 2, 3, 4], [(2, "out")]),
    ],
)
def test_removed_repeated_and_reordered_events_are_found(tampered: list[int], expected: list[tuple[int, str]]) -> None:
    """A log with a hole, without its end, or in another order shows where."""
    whole = log(5)

    assert expected == faults([whole[number] for number in tampered], whole)


def test_exchanged_events_with_exchanged_numbers_are_found() -> None:
    """Writing each other's number into two events does not hide that they changed places."""
    whole = log(4)
    second, third = replace(whole[1], seq=3), replace(whole[2], seq=2)

    assert [(2, "changed"), (3, "changed"), (4, "changed")] == faults([whole[0], third, second, whole[3]], whole)


def test_appended_events_are_found() -> None:
    """An event behind the recorded end was not written by Keyfob, be it sealed or not."""
    assert [(5, "appended"), (6, "appended")] == faults(log(6), log(4))


def test_an_event_under_a_key_that_is_not_in_the_keyring_is_no_digest() -> None:
    """Somebody without the keyring cannot MAC, whichever entry the event claims."""
    whole = log(2)
    forged = replace(whole[1], key_char="z")
    claimed = replace(whole[1], mac=mac(whole[1].event, 2, whole[0].mac, b"a guessed key"))

    assert [(2, "MACed")] == faults([whole[0], forged], whole)
    assert [(2, "changed"), (2, "not")] == faults([whole[0], claimed], whole)


def test_another_end_than_the_recorded_one_is_found() -> None:
    """A log whose end was rewritten by someone who holds the keyring still differs from the head kept elsewhere."""
    whole = log(3)
    event = replace(EVENT, actor_name="Eve")
    rewritten = ChainedEvent(3, event, "a", mac(event, 3, whole[1].mac, KEY))

    assert [(3, "not")] == faults([*whole[:2], rewritten], whole)


def test_a_mac_depends_on_number_predecessor_and_key() -> None:
    """The same event in another place, or under another key, has another MAC."""
    macs = {
        mac(EVENT, 1, FIRST_LINK, KEY),
        mac(EVENT, 2, FIRST_LINK, KEY),
        mac(EVENT, 1, bytes([1] * 32), KEY),
        mac(EVENT, 1, FIRST_LINK, OTHER_KEY),
    }

    assert 4 == len(macs)


def test_a_mac_is_the_same_in_every_version() -> None:
    """Logs that were written by an earlier Keyfob must still verify: the sealed text is part of the format."""
    assert (
        "e3b048842601f8fcf6c45b4a1c67729d62d172539520009baf5e198d2af0100c" == mac(EVENT, 7, bytes(range(32)), KEY).hex()
    )


def test_a_mac_does_not_depend_on_how_the_same_moment_or_detail_is_written() -> None:
    """Another time zone and another order of members say the same, and are sealed alike."""
    detail = {"b": [1, {"d": None, "c": "Ü"}], "a": 1}
    there = NOON.astimezone(timezone(timedelta(hours=9)))
    turned = dict(reversed(detail.items()))

    assert mac(replace(EVENT, detail=detail), 1, FIRST_LINK, KEY) == mac(
        replace(EVENT, at=there, detail=turned), 1, FIRST_LINK, KEY
    )


def test_canonical_text_is_ascii_without_spaces_in_one_order() -> None:
    """Equal values have one text, whatever made them."""
    assert '{"a":[1,"\\u00dc"],"b":null}' == canonical({"b": None, "a": (1, "Ü")})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), b"bytes", {1, 2}])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    """A detail that could not be read back as it was sealed is an error at once."""
    with pytest.raises((ValueError, TypeError)):
        canonical({"value": value})


def test_a_mac_is_not_printed() -> None:
    """Seals stay out of logs, where they would only be noise."""
    assert "MAC=" not in repr(log(1)[0])
