"""``python -m keyfob_admin.cli`` is the same as ``keyfob``."""

from __future__ import annotations

from keyfob_admin.cli import main

if __name__ == "__main__":  # the workers of `keyfob serve` import this module, too
    main()
