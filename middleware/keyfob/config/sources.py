"""The sources of settings: the file, the environment, and keywords.

Each returns settings by section and name. Settings without a section, and sections whose entries users name, are under
"". A path in the file is relative to the file's folder; elsewhere it is relative to the working directory.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from keyfob.config.kinds import InvalidValue, placed, table
from keyfob.config.notices import NOTICE, NoticeSettings, checked_notice
from keyfob.config.schema import ENTRIES, FOREIGN, FORWARD_AUTH, KEYWORDS, SECRETS, SECTIONS, TABLES
from keyfob.errors import ConfigError
from keyfob.errors.suggestions import did_you_mean, is_misspelt, nearest

if TYPE_CHECKING:
    from keyfob.config.kinds import Kind

Sections = dict[str, dict[str, object]]

_PREFIX = "KEYFOB_"
_OF_ENTRIES = frozenset({"rules", "key_types", "plans", "limits", "roles", "foreign"})
_LOOSE = _OF_ENTRIES | {"permissions", "keyring_data", "on_denied", "on_refusal"}
_KEYRING_SETTINGS = ("KEYFOB_KEYRING", "KEYFOB_KEYRING_DATA", "KEYFOB_STORE_KEYRING")


def _variable(section: str, key: str) -> str:
    return f"{_PREFIX}{section.replace('.', '_')}_{key}".upper()


# Settings that may be written without a section. "KEYFOB_KEYRING" is one; "KEYFOB_URL" may belong to other software.
_WITHOUT_SECTION = {
    f"{_PREFIX}{name}".upper(): _variable(section, key)
    for name, (section, key) in {
        **KEYWORDS,
        "session_hours": ("admin", "session_hours"),
        "insecure_cookies": ("admin", "insecure_cookies"),
    }.items()
    if name != "keyring"
}


def read_file(path: Path) -> Sections:
    """Read *path* and check every section except those whose entries users name. Raises ConfigError."""
    raw = _parsed(path)
    folder = path.parent
    sections: Sections = {"": {}}
    for name, entries in _opened(raw).items():
        if name not in SECTIONS and name not in TABLES and name not in ENTRIES:
            raise ConfigError(f"{path.name}: {_unknown_section(name, entries)}")
        if name == "notices":
            sections[""][name] = _notices(entries, raw.get("smtp"), path)
            continue
        if name in ENTRIES:
            sections[""][name] = _entries(name, entries, path)
            continue
        if not isinstance(entries, Mapping):
            raise ConfigError(f"{path.name}: {name} must be a section; write [{name}] on a line of its own")
        if name in SECTIONS:
            sections[name] = _checked(entries, SECTIONS[name], folder, where=f"{path.name}: [{name}] ")
        else:
            sections[""][name] = _NAMED[name](entries, path) if name in _NAMED else dict(entries)
    return sections


def _opened(raw: Mapping[str, object]) -> dict[str, object]:
    """The sections, with the sections inside ``[people]`` beside it under their full names."""
    sections = dict(raw)
    people = sections.get("people")
    if isinstance(people, Mapping):
        inner = {name for name, value in people.items() if f"people.{name}" in SECTIONS or isinstance(value, Mapping)}
        sections["people"] = {name: value for name, value in people.items() if name not in inner}
        sections |= {f"people.{name}": people[name] for name in people if name in inner}
    return sections


def read_environment(environ: Mapping[str, str]) -> Sections:
    """Read ``KEYFOB_<SECTION>_<KEY>``, and the keyring's path or contents. Raises ConfigError, never with a value.

    A name close to a setting's is refused as a typo. Others are ignored, because the environment is shared, unlike a
    file: ``KEYFOB_ADMIN_KEY`` may belong to a script.
    """
    sections: Sections = {}
    for variable in sorted(name for name in environ if name.startswith(_PREFIX)):
        section, key = _split(variable)
        kind = SECTIONS.get(section, {}).get(key)
        if kind is not None:
            value = _check(kind, kind.from_text(environ[variable]), variable)
            sections.setdefault(section, {})[key] = placed(value, Path.cwd())
        elif meant := _meant(variable, section, key):
            raise ConfigError(f"{variable} is not a setting{did_you_mean(variable, meant)}")
    return _with_keyring(sections, environ)


def _split(variable: str) -> tuple[str, str]:
    name = variable.removeprefix(_PREFIX).lower()
    for section in SECTIONS:
        if "." in section and name.startswith(f"{section.replace('.', '_')}_"):
            return section, name[len(section) + 1 :]
    section, _, key = name.partition("_")
    return section, key


def _meant(variable: str, section: str, key: str) -> list[str]:
    """Return the names that were possibly meant: the section or key is misspelt, or the section is missing."""
    if variable in _WITHOUT_SECTION:
        return [_WITHOUT_SECTION[variable]]
    near = section if section in SECTIONS else nearest(section, SECTIONS)
    if near is None or not is_misspelt(key, SECTIONS[near]):
        return []
    return [_variable(near, name) for name in SECTIONS[near]]


def read_keywords(keywords: Mapping[str, object]) -> Sections:
    """Read settings given in code; None means "not given". Raises ConfigError."""
    sections: Sections = {}
    for keyword, value in keywords.items():
        if value is None:
            continue
        if keyword in _LOOSE:
            sections.setdefault("", {})[keyword] = _loose(keyword, value)
        elif keyword in KEYWORDS:
            section, key = KEYWORDS[keyword]
            checked = _check(SECTIONS[section][key], value, keyword)
            sections.setdefault(section, {})[key] = placed(checked, Path.cwd())
        else:
            raise ConfigError(f"{keyword} is not a setting{did_you_mean(keyword, (*KEYWORDS, *_LOOSE))}")
    return sections


def _parsed(path: Path) -> dict[str, object]:
    text = _text(path)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = f"at line {text.count(chr(10)) + 1}, the last"
        message = " ".join(str(error).split()).replace("at end of document", last)
        raise ConfigError(f"{path} is not valid TOML: {message}") from None


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        fix = "name another one, or let `keyfob init` write it"
        raise ConfigError(f"there is no configuration file {path}; {fix}") from None
    except OSError as error:
        raise ConfigError(f"the configuration file {path} can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} is not UTF-8 (at line {line}); save it as UTF-8") from None


def _unknown_section(name: str, entries: object) -> str:
    if isinstance(entries, Mapping):
        known = [f"[{section}]" for section in (*SECTIONS, *TABLES)]
        return f"[{name}] is not a section{did_you_mean(f'[{name}]', known)}"
    home = _home(name)
    return f"{name} stands before the first section; " + (f"write it under {home}" if home else "remove it")


def _home(name: str) -> str | None:
    """Return the section that *name* belongs to, if any."""
    if name in TABLES:
        return f"[{name}]"
    return next((f"[{section}]" for section, known in SECTIONS.items() if name in known), None)


def _checked(
    entries: Mapping[str, object], known: Mapping[str, Kind], folder: Path, *, where: str
) -> dict[str, object]:
    for key in entries:
        if any(known is SECTIONS[section] and key == name for section, name in SECRETS):
            raise ConfigError(f"{where}{key} is a secret; set it in the environment, or name a file in {key}_file")
        if key not in known:
            home = _home(key)
            raise ConfigError(
                f"{where}{key} is not a setting" + (f"; it belongs to {home}" if home else did_you_mean(key, known))
            )
    return {key: placed(_check(known[key], value, f"{where}{key}"), folder) for key, value in entries.items()}


def _entries(name: str, entries: object, path: Path) -> list[object]:
    if not isinstance(entries, list):
        raise ConfigError(f"{path.name}: {name} must be entries; write [[{name}]] above each")
    return entries


def _notices(entries: object, smtp: object, path: Path) -> tuple[NoticeSettings, ...]:
    if not isinstance(entries, list):
        raise ConfigError(f"{path.name}: notices is a list; write [[notices]] above each of them")
    found = []
    for number, entry in enumerate(entries, 1):
        where = f"{path.name}: [[notices]] number {number}"
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{where} must be a table")
        values = _checked(entry, NOTICE, path.parent, where=f"{where} ")
        found.append(checked_notice(values, where, smtp if isinstance(smtp, Mapping) else {}))
    if len({one.target for one in found}) != len(found):
        raise ConfigError(f"{path.name}: [[notices]] names a receiver twice; write its events into one of them")
    return tuple(found)


def _forward_auth(policies: Mapping[str, object], path: Path) -> dict[str, object]:
    checked: dict[str, object] = {}
    for name, policy in policies.items():
        where = f"{path.name}: [forward_auth.{name}]"
        if not isinstance(policy, Mapping):
            raise ConfigError(f"{where} must be a table")
        if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum()):
            raise ConfigError(f"{where} is not a name for a path; use letters, digits, hyphen and underscore")
        values = _checked(policy, FORWARD_AUTH, path.parent, where=f"{where} ")
        for needed in ("headers", "trusted_proxies", "rules"):
            if not values.get(needed):
                raise ConfigError(f"{where} needs {needed}")
        checked[name] = values
    return checked


def _foreign(forms: Mapping[str, object], path: Path) -> dict[str, object]:
    """Give the pattern of each form by its name."""
    patterns: dict[str, object] = {}
    for name, form in forms.items():
        where = f"{path.name}: [foreign.{name}]"
        if not isinstance(form, Mapping) or "pattern" not in form:
            raise ConfigError(f'{where} needs pattern, for example "sk_live_[A-Za-z0-9]{{32}}"')
        patterns[name] = _checked(form, FOREIGN, path.parent, where=f"{where} ")["pattern"]
    return patterns


_NAMED = {"forward_auth": _forward_auth, "foreign": _foreign}  # sections whose entries are sections


def _with_keyring(sections: Sections, environ: Mapping[str, str]) -> Sections:
    given = [name for name in _KEYRING_SETTINGS if environ.get(name)]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given)} are both set; keep one")
    if given == ["KEYFOB_KEYRING"]:
        sections.setdefault("store", {})["keyring"] = Path.cwd() / environ["KEYFOB_KEYRING"]
    elif given == ["KEYFOB_KEYRING_DATA"]:
        sections.setdefault("", {})["keyring_data"] = environ["KEYFOB_KEYRING_DATA"]
    return sections


def _loose(keyword: str, value: object) -> object:
    """Check as much of *value* as can be said before the rules and the catalogue are read."""
    if keyword in {"on_denied", "on_refusal"} and not callable(value):
        raise ConfigError(f"{keyword} must be a function that takes what was refused")
    if keyword == "keyring_data" and not isinstance(value, str):
        raise ConfigError("keyring_data must be the text of a keyring")
    return _check(table(), value, keyword) if keyword in _OF_ENTRIES else value


def _check(kind: Kind, value: object, name: str) -> object:
    try:
        return kind.check(value)
    except InvalidValue as error:
        raise ConfigError(f"{name} {error}") from None
