"""Names a browser in words, so that people recognise their own sessions. Nothing that a client sends is kept."""

from __future__ import annotations

from typing import Final

# The first that fits counts: most browsers also name those that they descend from.
_BROWSERS: Final = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "an iPhone"),
    ("iPad", "an iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


def browser_in_words(user_agent: str) -> str | None:
    """``Firefox on Linux``; None for what is no browser that is known here."""
    browser, system = (_first(names, user_agent) for names in (_BROWSERS, _SYSTEMS))
    return f"{browser} on {system}" if browser and system else browser


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str | None:
    return next((name for part, name in names if part in user_agent), None)
