"""One contract, and what is particular to each store."""

from __future__ import annotations
