"""Where keys are stored. `contract` says what Keyfob asks of a store; each engine has a package of its own."""

from __future__ import annotations

from keyfob.store.opening import open_store

__all__ = ["open_store"]
