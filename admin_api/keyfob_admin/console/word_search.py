"""Several words in any order: in names, ids, descriptions, owners and external ids.

The store finds one word, in names and ids. So each word is asked for, up to a thousand keys, and all are looked for
in what that brought.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from keyfob.management.pagination import LARGEST_PAGE

if TYPE_CHECKING:
    from keyfob.keys.record import KeyRecord
    from keyfob.management.keys import KeySearch
    from keyfob.management.pagination import Page
    from keyfob.store.contract import KeyView
    from keyfob_admin.console.page_request import PageRequest

_MOST_WORDS: Final = 8


async def with_words(search: KeySearch, text: str, page_request: PageRequest) -> KeySearch:
    """Narrow *search* to the keys that have all words of *text*. Raises Invalid for a text that cannot be searched."""
    words = text.split()
    if not 1 < len(words) <= _MOST_WORDS:
        by_name = replace(search, q=text)
        known = await _found(replace(by_name, page_size=1), page_request)
        by_other_id = replace(search, external_id=text)
        if known.total == 0 and text.isascii() and (await _found(by_other_id, page_request)).total:
            return by_other_id
        return by_name
    pages = [await _found(replace(search, q=word), page_request) for word in words]
    candidates = [view for page in pages for view in page.items]
    sought = [word.casefold() for word in words]
    found = [view.record.id for view in candidates if all(word in _text_of(view.record) for word in sought)]
    return replace(search, ids=tuple(dict.fromkeys(found)))


async def _found(search: KeySearch, page_request: PageRequest) -> Page[KeyView]:
    first = replace(search, page_token=None, page_size=search.page_size if search.page_size == 1 else LARGEST_PAGE)
    return await page_request.runtime.lifecycle.list_keys(first, actor=page_request.actor)


def _text_of(record: KeyRecord) -> str:
    parts = (record.name, record.id, record.description, record.external_id, record.owner_name)
    return " ".join(part for part in parts if part).casefold()
