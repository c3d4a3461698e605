"""The admin API, the command line and the console: transport over `keyfob.management.keys`."""

from __future__ import annotations
