"""The content types of the admin API. Errors have one of their own, in `keyfob_admin.problems`."""

from __future__ import annotations

from typing import Final

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
NDJSON: Final = "application/x-ndjson"
