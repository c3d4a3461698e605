"""What a restored backup takes over from the database whose place it takes: what has happened, whatever it says.

So nobody is told twice, or not at all, and nobody gets a quota twice. The statements are the same on every engine.
"""

from __future__ import annotations

from typing import Final

LASTING: Final = {
    "notices": """
        INSERT INTO {table} (id, event, at, data) SELECT id, event, at, data FROM {present} WHERE true ORDER BY seq
        ON CONFLICT (id) DO NOTHING
    """,
    "notice_deliveries": """
        INSERT INTO {table} SELECT * FROM {present} WHERE true ON CONFLICT (notice, target)
        DO UPDATE SET attempts = excluded.attempts, due_at = excluded.due_at, error = excluded.error
    """,
    "notice_marks": "INSERT INTO {table} SELECT * FROM {present} WHERE true ON CONFLICT (mark) DO NOTHING",
    "quota_use": """
        INSERT INTO {table} SELECT * FROM {present} WHERE true ON CONFLICT (subject, begins_at, ends_at)
        DO UPDATE SET used = excluded.used, leased = excluded.leased, granted = excluded.granted
    """,
    "quota_settlers": """
        INSERT INTO {table} SELECT * FROM {present} WHERE true ON CONFLICT (worker)
        DO UPDATE SET number = excluded.number, at = excluded.at
    """,
}
"""Statements by table, in the order of what refers to what; ``{present}`` has the rows of the present database."""
