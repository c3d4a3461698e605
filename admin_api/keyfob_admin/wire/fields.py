"""The values that requests and responses are made of. Their limits are JSON Schema; `keyfob.management` checks them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from msgspec import Meta

from keyfob.management.metadata import EXTERNAL_ID_LENGTH, MEMBERS
from keyfob.management.people.app_people import PERSON_ID_LENGTH
from keyfob.management.validation import (
    ADDRESSES,
    DESCRIPTION_LENGTH,
    EMAIL_LENGTH,
    NAME_LENGTH,
    PERMISSIONS,
    REASON_LENGTH,
)

SLUG: Final = "^[a-z0-9][a-z0-9-]{0,62}$"
KEY_ID: Final = "^[0-9A-Za-z]{16}$"
_WORD: Final = "[a-z][a-z0-9]{1,15}"  # a key type, or the prefix
DISPLAY: Final = f"^{_WORD}_{_WORD}_[0-9A-Za-z]{{16}}$"

Moment = Annotated[datetime, Meta(tz=True)]
"""A time with its offset (RFC 3339); sent in UTC."""

Name = Annotated[str, Meta(extra_json_schema={"minLength": 1, "maxLength": NAME_LENGTH})]
Email = Annotated[str, Meta(extra_json_schema={"minLength": 3, "maxLength": EMAIL_LENGTH})]
PersonId = Annotated[str, Meta(extra_json_schema={"pattern": "^[0-9A-Za-z]{16}$"})]
AppPersonId = Annotated[
    str,
    Meta(
        description="What your application knows the person by, for ever.",
        extra_json_schema={"minLength": 1, "maxLength": PERSON_ID_LENGTH},
    ),
]
RoleName = Annotated[str, Meta(extra_json_schema={"pattern": "^[a-z][a-z0-9_-]{0,62}$"})]
Description = Annotated[str, Meta(extra_json_schema={"maxLength": DESCRIPTION_LENGTH})]
GrantText = Annotated[str, Meta(description="A permission, `prefix:*`, or `*`.", extra_json_schema={"minLength": 1})]
Grants = Annotated[list[GrantText], Meta(extra_json_schema={"maxItems": PERMISSIONS})]
Addresses = Annotated[
    list[str],
    Meta(description="IP addresses or CIDR ranges; empty: any address.", extra_json_schema={"maxItems": ADDRESSES}),
]
Address = Annotated[str, Meta(description="An IP address.", extra_json_schema={"minLength": 2, "maxLength": 64})]
Slug = Annotated[str, Meta(extra_json_schema={"pattern": SLUG})]
KeyId = Annotated[str, Meta(extra_json_schema={"pattern": KEY_ID})]
Display = Annotated[
    str,
    Meta(
        description="How the key is written where people read it: `kf_api_<id>`.",
        extra_json_schema={"pattern": DISPLAY},
    ),
]
TypeName = Annotated[str, Meta(extra_json_schema={"pattern": f"^{_WORD}$"})]
ETag = Annotated[
    str,
    Meta(
        description="As in `ETag` and `If-Match`, quotes included. Use does not change it.",
        extra_json_schema={"pattern": '^"[0-9]+"$'},
    ),
]
ExternalId = Annotated[
    str,
    Meta(
        description="The id that another system knows it by.",
        extra_json_schema={"minLength": 1, "maxLength": EXTERNAL_ID_LENGTH, "pattern": "^[ -~]+$"},
    ),
]
Metadata = Annotated[
    dict[str, Any],
    Meta(
        description="What the application noted: texts, numbers and booleans by name. At most 4 KiB as JSON.",
        extra_json_schema={"maxProperties": MEMBERS},
    ),
]
Reason = Annotated[
    str, Meta(description="Why; kept in the audit event.", extra_json_schema={"maxLength": REASON_LENGTH})
]
Overlap = Annotated[
    str,
    Meta(
        description='How long the replaced key goes on working: "0s" to "90d".',
        extra_json_schema={"pattern": "^[0-9]{1,9}(s|min|h|d|w)$"},
    ),
]
LinkLifetime = Annotated[
    str,
    Meta(
        description='How long the link works: "10min" to "30d".',
        extra_json_schema={"pattern": "^[0-9]{1,9}(s|min|h|d|w)$"},
    ),
]
PageSize = Annotated[int, Meta(ge=1, le=1000)]
PageToken = Annotated[str, Meta(description="`next_page_token` of the page before.")]
NextPageToken = Annotated[
    str | None, Meta(description="What to send as `page_token` for the next page; null on the last one.")
]
Count = Annotated[int, Meta(extra_json_schema={"minimum": 0})]
