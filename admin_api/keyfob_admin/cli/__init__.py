"""The command line: one module for each group of commands, over `keyfob.lifecycle`."""

from __future__ import annotations

from keyfob_admin.cli.main_command import main

__all__ = ["main"]
