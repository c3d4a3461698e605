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


def hides_separators(raw_path: bytes, *, encoded_slash: bool) -> bool:
    """Whether *raw_path*, as it came, holds a slash, backslash or NUL behind percent-encoding.

    With *encoded_slash*, ``%2f`` is let pass and counts as the slash that it is in the decoded path.
    """
    return (_HIDDEN_BUT_SLASH if encoded_slash else _HIDDEN).match(raw_path) is not None


def is_safe_path(path: str) -> bool:
    """Whether *path*, decoded, may be judged by the rules."""
    return _UNSAFE.search(path) is None
