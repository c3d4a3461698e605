"""The command line: one module for each group of commands, over `keyfob.management.keys`."""

from __future__ import annotations

from keyfob_admin.cli.main import main

__all__ = ["main"]
