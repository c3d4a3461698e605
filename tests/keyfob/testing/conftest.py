from __future__ import annotations

from keyfob.testing import keyfob_installation

__all__ = ["keyfob_installation"]
