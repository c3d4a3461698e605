"""What health and readiness checks answer."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from keyfob_admin.wire.fields import Count

Seconds = Annotated[float, Meta(extra_json_schema={"minimum": 0})]


class ReadinessQuery(Struct, kw_only=True):
    """How much to answer."""

    verbose: (
        Annotated[
            Literal["", "1", "true"],
            Meta(description="Also `detail`. Guarded as the metrics are."),
        ]
        | UnsetType
    ) = UNSET


class LimitsHealth(Struct, frozen=True):
    """Whether requests can be counted where they should be."""

    counted_in: Literal["file", "valkey"]
    reachable: bool
    problem: Annotated[str | None, Meta(description="What is wrong, and what happens to requests meanwhile.")]


class NoticesHealth(Struct, frozen=True):
    """Deliveries of notices that have not arrived; at most 1,000 are counted."""

    waiting: Count
    given_up: Count


class ReadinessDetail(Struct, frozen=True, kw_only=True):
    """What this process knows. Null is what cannot be known while the database cannot be read, or is not in use."""

    version: str
    database: Literal["sqlite", "postgresql"]
    revision: Annotated[int | None, Meta(description="The last change that this process has applied.")]
    staleness: Annotated[Seconds, Meta(description="Since this process last read the changes.")]
    max_staleness: Seconds
    change_signal: Annotated[
        Literal["read", "unreadable"] | None, Meta(description="Null: this database has none, and notifies.")
    ]
    workers: Annotated[Count | None, Meta(description="Processes that answer requests by this database.")]
    workers_unreached: Annotated[Count | None, Meta(description="Those that another change signal reaches, or none.")]
    failed_reads: Annotated[Count, Meta(description="Polls that failed since this process began.")]
    failed_usage_writes: Annotated[Count, Meta(description="Batches of usage, likewise.")]
    argon2_pending: Annotated[Count, Meta(description="Computations that run or wait.")]
    cached_keys: Count
    limits: LimitsHealth | None
    notices: NoticesHealth | None


class Health(Struct, frozen=True):
    """The process responds."""

    status: Literal["ok"]


class Readiness(Struct, frozen=True):
    """Whether Keyfob can serve requests."""

    status: Literal["ok", "unavailable"]
    warnings: Annotated[list[str], Meta(description="What keeps changes from being immediate.")] | UnsetType = UNSET
    detail: Annotated[ReadinessDetail, Meta(description="With `?verbose` alone.")] | UnsetType = UNSET
