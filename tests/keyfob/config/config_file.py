"""A configuration file for a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def written(folder: Path, text: str) -> Path:
    path = folder / "keyfob.toml"
    path.write_text(text, encoding="utf-8")
    return path
