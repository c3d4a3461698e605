"""Whether a request's path means the same to everyone who reads it.

A path that one program would fold, cut or decode differently from another is refused before any rule is asked:
control characters (a final newline slips past a ``$``), backslashes, dot segments, empty segments, and slashes,
backslashes or NUL hidden behind percent-encoding.
"""

from __future__ import annotations

import re

# Dot segments of RFC 3986, section 3.3; the empty segment after a final slash is the only one that may be.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|//|(?:\A|/)\.\.?(?:/|\Z)")

# Some servers leave the query string in raw_path: what follows a "?" is not the path.
_HIDDEN = re.compile(rb"\A[^?]*?%(?:2f|5c|00)", re.IGNORECASE)
_HIDDEN_BUT_SLASH = re.compile(rb"\A[^?]*?%(?:5c|00)", re.IGNORECASE)


def is_safe_path(path: str, raw_path: bytes | None, *, encoded_slash: bool) -> bool:
    """Whether *path* (decoded) and *raw_path* (as it came, where the server tells) may be judged by the rules.

    With *encoded_slash*, ``%2f`` in *raw_path* is let pass and counts as the slash that it is in *path*.
    """
    if raw_path is not None and b"%" in raw_path:
        hidden = _HIDDEN_BUT_SLASH if encoded_slash else _HIDDEN
        if hidden.match(raw_path):
            return False
    # The usual path has none of the four; only the others pay for the regular expression.
    if path.isprintable() and "/." not in path and "//" not in path and "\\" not in path and path[:1] == "/":
        return True
    return _UNSAFE.search(path) is None
