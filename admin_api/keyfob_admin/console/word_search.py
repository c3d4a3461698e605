"""Several words in any order: in names, ids, descriptions, external ids and owners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from keyfob.keys.format import key_id_of

if TYPE_CHECKING:
    from keyfob.management.keys import KeySearch

_MOST_WORDS: Final = 8  # of more, the text is looked for as it is written


def with_words(search: KeySearch, text: str, prefix: str) -> KeySearch:
    """Narrow *search* to the keys that have all words of *text*; the id of a key is one, in either form."""
    words = tuple(text.split())
    if len(words) > _MOST_WORDS or key_id_of(text, prefix):
        return replace(search, q=text)
    return replace(search, words=words)
