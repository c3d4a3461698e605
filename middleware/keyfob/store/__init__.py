"""Stores for keys. `contract` defines what Keyfob needs from a store; each engine has its own package."""

from __future__ import annotations

from keyfob.store.opening import open_store

__all__ = ["open_store"]
