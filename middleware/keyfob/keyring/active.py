"""The keyring that this process uses: the entries of the file, with their states from the database."""

from __future__ import annotations

import logging
from dataclasses import replace
from enum import Enum
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState, is_sealed, newest_active

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from hashlib import blake2b

    from keyfob.keyring.keyring import Keyring, SigningKey
    from keyfob.keys.format import KeyText

log = logging.getLogger("keyfob")

_COPY = "copy the current keyring here"
_FORGED = (
    "the states of the signing keys in the database were not written by a holder of this keyring, so they are refused; "
    "`keyfob audit verify` names what differs from the audit log: put that back, or restore a backup"
)
_RELOAD_AT_MOST_EVERY = 1.0  # seconds, so that junk with unknown characters does not cause constant reads of the file


class TagCheck(Enum):
    """The result of checking a presented key's tag."""

    VALID = "valid"
    FORGED = "forged"
    RETIRED = "retired"  # made under a signing key that has been retired
    UNCHECKED = "unchecked"  # the signing key is lost, so only Argon2id can decide


class ActiveKeyring:
    """Checks tags, provides the digest keys, and selects the key that signs new keys."""

    def __init__(self, load: Callable[[], Keyring], clock: Callable[[], float]) -> None:
        """*load* rereads the keyring and raises ConfigError; *clock* returns monotonic seconds."""
        self._load = load
        self._clock = clock
        self._keyring = load()
        self._loaded_at = clock()
        self._marks: dict[str, SigningKeyRecord] = {}  # the states in effect
        self._sealed: dict[str, SigningKeyRecord] = {}  # the states under the last valid seal
        self._said: list[
            tuple[SigningKeyRecord, str, str]
        ] = []  # the last states read from the database, with their seal
        self._is_sealed = False

    def apply(self, marks: Iterable[SigningKeyRecord]) -> bool:
        """Apply the states from the database if their seal is valid. Returns whether anything changed.

        States with an invalid seal can only refuse: a key that was active or lost under a valid seal stays so only
        while the database repeats that, and a new one is refused.
        """
        said = tuple(marks)
        is_news = [(mark, mark.sealed_by, mark.seal) for mark in said] != self._said
        self._said = [(mark, mark.sealed_by, mark.seal) for mark in said]
        # The file may reach this host after the entry was activated, so it is reread until it matches.
        self._take_over(said)
        is_reloaded = not self._fits() and self._reload(immediately=is_news)
        if is_reloaded:
            self._take_over(said)
        if is_news and said and not self._is_sealed and self._sealer(said) in self._keyring.entries:
            log.critical("%s", _FORGED, extra={"event": "keyring_state_forged"})
        return is_news or is_reloaded

    def _take_over(self, said: tuple[SigningKeyRecord, ...]) -> None:
        fresh = {mark.char: mark for mark in said}
        self._is_sealed = is_sealed(said, self._keyring.entries)
        if self._is_sealed:
            self._sealed = fresh
            self._marks = fresh
        else:
            self._marks = _restricted(self._sealed, fresh) if fresh else {}

    @staticmethod
    def _sealer(said: tuple[SigningKeyRecord, ...]) -> str:
        return said[0].sealed_by if said else ""

    def check(self) -> None:
        """Raise ConfigError unless every active entry is in the file with its fingerprint, and the seal is valid."""
        if not self._marks:
            msg = "the database knows no signing key; run `keyfob init` or `keyfob keyring activate`"
            raise ConfigError(msg)
        for mark, sealed_by, _ in self._said:
            if mark.state is SigningKeyState.ACTIVE:
                self._check_entry(mark)
            if sealed_by and sealed_by not in self._keyring.entries:
                msg = f"the keyring lacks entry '{sealed_by}', which sealed the states of the signing keys; {_COPY}"
                raise ConfigError(msg)
        if not self._is_sealed:
            raise ConfigError(_FORGED)

    def _check_entry(self, mark: SigningKeyRecord) -> None:
        entry = self._keyring.entries.get(mark.char)
        if entry is None:
            msg = f"the keyring lacks entry '{mark.char}', which signs new keys; {_COPY}"
            raise ConfigError(msg)
        if entry.fingerprint != mark.fingerprint:
            msg = f"entry '{mark.char}' of the keyring is not the one the database knows; copy the right keyring here"
            raise ConfigError(msg)

    def check_tag(self, key: KeyText) -> TagCheck:
        """Check the tag of *key* under the signing key that its text names."""
        char = key.key_char
        mark = self._marks.get(char)
        if mark is not None and mark.state is not SigningKeyState.ACTIVE:
            return TagCheck.RETIRED if mark.state is SigningKeyState.RETIRED else TagCheck.UNCHECKED
        entry = self._keyring.entries.get(char)
        if entry is None and self._reload():
            entry = self._keyring.entries.get(char)
        return TagCheck.VALID if entry is not None and entry.verifies(key) else TagCheck.FORGED

    def is_retired(self, char: str) -> bool:
        """Whether keys that carry *char* are refused."""
        mark = self._marks.get(char)
        return mark is not None and mark.state is SigningKeyState.RETIRED

    def hashers(self) -> dict[str, blake2b]:
        """Keyed digest states by key character. Keys of a lost entry are digested under the newest one."""
        states = {}
        for char, entry in self._keyring.entries.items():
            if char not in self._marks or self._marks[char].state is SigningKeyState.ACTIVE:
                states[char] = entry.digest_state()
        newest = newest_active(self._marks.values(), self._keyring.entries)
        for char, mark in self._marks.items():
            if mark.state is SigningKeyState.LOST and newest is not None:
                states[char] = newest.digest_state()
        return states

    def newest_hasher(self) -> blake2b | None:
        """The keyed digest state of the newest active entry, for keys that name none; None without one."""
        newest = newest_active(self._marks.values(), self._keyring.entries)
        return None if newest is None else newest.digest_state()

    def signing(self) -> SigningKey:
        """The newest active entry, which issues keys and MACs the audit log. Raises ConfigError."""
        entry = newest_active(self._marks.values(), self._keyring.entries)
        if entry is None:
            msg = "no active signing key is at hand; run `keyfob keyring show`"
            raise ConfigError(msg)
        return entry

    def entries(self) -> dict[str, SigningKey]:
        """Every entry of the keyring file, by its character."""
        return dict(self._keyring.entries)

    def trusted(self) -> dict[str, SigningKey]:
        """The entries whose seals count: every one of the file that is not retired."""
        return {char: entry for char, entry in self._keyring.entries.items() if not self.is_retired(char)}

    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the entries in the file as it is now."""
        self._reload()
        return tuple(sorted(entry.fingerprint for entry in self._keyring.entries.values()))

    def _fits(self) -> bool:
        fingerprints = {char: entry.fingerprint for char, entry in self._keyring.entries.items()}
        return self._is_sealed and all(fingerprints.get(mark.char) == mark.fingerprint for mark in self._active())

    def _active(self) -> list[SigningKeyRecord]:
        return [mark for mark in self._marks.values() if mark.state is SigningKeyState.ACTIVE]

    def _reload(self, *, immediately: bool = False) -> bool:
        """Reread the file, unless it was just read. Returns whether it holds a different keyring."""
        now = self._clock()
        if now - self._loaded_at < _RELOAD_AT_MOST_EVERY and not immediately:
            return False
        self._loaded_at = now
        before = self._keyring
        try:
            self._keyring = self._load()
        except ConfigError as wrong:
            log.warning("the keyring could not be read again: %s", wrong, extra={"event": "keyring_unreadable"})
        return self._keyring != before


def _restricted(sealed: dict[str, SigningKeyRecord], said: dict[str, SigningKeyRecord]) -> dict[str, SigningKeyRecord]:
    """Combine the *sealed* states with the *said* ones, whose seal is invalid, so that no further key passes."""
    combined = {}
    for char in sealed.keys() | said.keys():
        before, now = sealed.get(char), said.get(char)
        if now is None and before is not None:
            combined[char] = before
        elif now is not None:
            combined[char] = now if now == before else replace(now, state=SigningKeyState.RETIRED)
    return combined | {char: mark for char, mark in sealed.items() if mark.state is SigningKeyState.RETIRED}
