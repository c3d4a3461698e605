"""Whether a request's method and path mean the same to everyone who reads them.

What one program would fold, cut or decode differently from another is refused before any rule is asked. In the decoded
path: control characters (a final newline slips past a ``$``), backslashes, dot segments, empty segments, and path
parameters (RFC 3986, section 3.3), which servers written in Java cut off: to them ``/static/..;/admin`` is ``/admin``.
In the path as it came: separators hidden behind percent-encoding, escapes that are malformed or not UTF-8, and ``#``.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_to_bytes

# Dot segments of RFC 3986, section 3.3; the empty segment after a final slash is the only one that may be.
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\;\ud800-\udfff]|//|(?:\A|/)\.\.?(?:/|\Z)")
# With path parameters allowed: dot segments and empty ones stay refused, with parameters or without.
_UNSAFE_BUT_PARAMETERS: Final = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]|//|/;|(?:\A|/)\.\.?(?:[/;]|\Z)")

_METHOD: Final = re.compile(r"[A-Z0-9_-]{1,32}")

_HIDDEN: Final = re.compile(rb"%(?:2f|5c|00)", re.IGNORECASE)
_HIDDEN_BUT_SLASH: Final = re.compile(rb"%(?:5c|00)", re.IGNORECASE)
_MALFORMED: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def is_method(method: str) -> bool:
    """Whether *method* is written so that every router takes it for the same; RFC 9110 makes case matter."""
    return _METHOD.fullmatch(method) is not None


def is_safe_path(path: str, *, path_parameters: bool = False) -> bool:
    """Whether *path*, decoded, may be judged by the rules; with *path_parameters* a ``;`` may be in a segment."""
    return (_UNSAFE_BUT_PARAMETERS if path_parameters else _UNSAFE).search(path) is None


def is_safe_raw_path(raw_path: bytes, *, encoded_slash: bool) -> bool:
    """Whether everybody decodes *raw_path*, which is the path as it came, to the same text.

    With *encoded_slash*, ``%2f`` is let through and counts as the slash that it is in the decoded path.
    """
    path = raw_path.partition(b"?")[0]  # some servers leave the query string in
    if b"#" in path:
        return False
    if b"%" not in path and path.isascii():
        return True
    if (_HIDDEN_BUT_SLASH if encoded_slash else _HIDDEN).search(path) or _MALFORMED.search(path):
        return False
    try:
        unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return False
    return True
