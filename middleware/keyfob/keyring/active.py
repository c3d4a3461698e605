"""The keyring as this process may use it: the keys from the file, under what the database says of each character."""

from __future__ import annotations

import logging
from enum import Enum
from typing import TYPE_CHECKING

from keyfob.errors import ConfigError
from keyfob.keyring.states import SigningKeyRecord, SigningKeyState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from hashlib import blake2b

    from keyfob.keyring.keyring import Keyring, SigningKey
    from keyfob.keys.format import KeyText

log = logging.getLogger("keyfob")

_RELOAD_AT_MOST_EVERY = 1.0  # seconds, so that junk with unknown characters does not read the file all day


class TagCheck(Enum):
    """What the tag of a presented key says."""

    VALID = "valid"
    FORGED = "forged"
    RETIRED = "retired"  # made under a signing key that is refused by now
    UNCHECKED = "unchecked"  # the signing key is lost, so that only Argon2id can tell


class ActiveKeyring:
    """Decides whether a key's tag is ours, with what a key is digested, and with what new keys are signed."""

    def __init__(self, load: Callable[[], Keyring], clock: Callable[[], float]) -> None:
        """*load* reads the keyring anew and raises ConfigError; *clock* gives seconds that only go forward."""
        self._load = load
        self._clock = clock
        self._keyring = load()
        self._loaded_at = clock()
        self._marks: dict[str, SigningKeyRecord] = {}

    def apply(self, marks: Iterable[SigningKeyRecord]) -> bool:
        """Take over the database's word. Answers whether anything is different now."""
        fresh = {mark.char: mark for mark in marks}
        is_news = fresh != self._marks
        self._marks = fresh
        # The file may be handed to this host later than the entry was activated; so it is looked at until it fits.
        is_reloaded = not self._fits() and self._reload(immediately=is_news)
        return is_news or is_reloaded

    def check(self) -> None:
        """Raise ConfigError unless every active character is here with its fingerprint."""
        if not self._marks:
            msg = "the database knows no signing key; run `keyfob init` or `keyfob keyring activate`"
            raise ConfigError(msg)
        for mark in self._active():
            entry = self._keyring.entries.get(mark.char)
            if entry is None:
                msg = f"the keyring lacks entry '{mark.char}', which signs new keys; copy the current keyring here"
                raise ConfigError(msg)
            if entry.fingerprint != mark.fingerprint:
                msg = (
                    f"entry '{mark.char}' of the keyring is not the one the database knows; copy the right keyring here"
                )
                raise ConfigError(msg)

    def check_tag(self, key: KeyText) -> TagCheck:
        """Whether *key* can be one of ours, by the signing key that its text names."""
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
        for char, mark in self._marks.items():
            if mark.state is SigningKeyState.LOST:
                states[char] = self.signing().digest_state()
        return states

    def signing(self) -> SigningKey:
        """The newest active entry, which issues keys and MACs the audit log. Raises ConfigError."""
        active = [mark for mark in self._active() if mark.char in self._keyring.entries]
        if not active:
            msg = "no active signing key is at hand; run `keyfob keyring show`"
            raise ConfigError(msg)
        return self._keyring.entries[max(active, key=lambda mark: mark.activated_at).char]

    def entries(self) -> dict[str, SigningKey]:
        """Every entry of the keyring file, by its character."""
        return dict(self._keyring.entries)

    def _fits(self) -> bool:
        fingerprints = {char: entry.fingerprint for char, entry in self._keyring.entries.items()}
        return all(fingerprints.get(mark.char) == mark.fingerprint for mark in self._active())

    def _active(self) -> list[SigningKeyRecord]:
        return [mark for mark in self._marks.values() if mark.state is SigningKeyState.ACTIVE]

    def _reload(self, *, immediately: bool = False) -> bool:
        """Read the file again, unless that was done just now. Answers whether it holds another keyring."""
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
