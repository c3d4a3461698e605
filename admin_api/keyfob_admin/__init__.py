"""The admin API, the command line and the console: transport over `keyfob.lifecycle`."""

from __future__ import annotations
