"""From the explanation of a request to the body of a response."""

from __future__ import annotations

from typing import TYPE_CHECKING

from keyfob.keys.format import display
from keyfob.keys.scan import cut_keys
from keyfob_admin.wire import views

if TYPE_CHECKING:
    from keyfob.runtime.explanation import Explanation


def shown_explanation(found: Explanation, prefix: str) -> views.Explanation:
    """Show what became of a request."""
    record = found.record
    return views.Explanation(
        outcome="public" if found.public else "admitted" if found.reason is None else "refused",
        reason=found.reason,
        rule=found.rule,
        needed=list(found.needed),
        held=sorted(record.permissions),
        missing=list(found.missing),
        changes=list(found.changes),
        key_id=record.id,
        display=display(record.key_type, record.id, prefix),
        name=record.name,
        team=record.team,
        state=found.state.value,
        method=found.method,
        path=cut_keys(found.path),
        ip=found.ip,
        refused_at=found.refused_at,
    )
