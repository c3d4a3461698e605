"""What an application says about the Keys page that it shows to its own users: who they are, and how it looks."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from keyfob.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request

    Who = Callable[[Request], Any]

TITLE: Final = "API keys"
_TITLE: Final = re.compile(r"[^\s\x00-\x1f](?:[^\x00-\x1f]{0,98}[^\s\x00-\x1f])?")
_COLOUR: Final = re.compile(r"#[0-9A-Fa-f]{6}")
_PATH: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")  # printable ASCII, no backslash, never two slashes in front
_ENOUGH: Final = 4.5  # contrast of text (WCAG 2.2, success criterion 1.4.3)
_WHITE, _DARK = (255, 255, 255), (18, 20, 23)  # the text on a button; the page in the dark theme
_STEPS: Final = 20

Colour = tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedding:
    """The settings of one Keys page. Raises ConfigError for one that cannot work."""

    who: Who
    login_url: str | None = None
    title: str | None = None
    accent: str | None = None
    stylesheet: str | None = None

    def __post_init__(self) -> None:
        """Check every setting."""
        if not callable(self.who):
            raise ConfigError("keys_page(who=…) must be a function that takes the request and returns a Person or None")
        if self.login_url is not None and not _is_address(self.login_url):
            raise ConfigError("keys_page(login_url=…) must be a path such as /login, or an http or https address")
        if self.title is not None and not _fits(self.title, _TITLE):
            raise ConfigError("keys_page(title=…) must be a text of up to 100 characters, without blanks around it")
        if self.accent is not None and not _fits(self.accent, _COLOUR):
            raise ConfigError("keys_page(accent=…) must be a colour such as #0a7d55")
        if self.stylesheet is not None and not _fits(self.stylesheet, _PATH):
            raise ConfigError("keys_page(stylesheet=…) must be a path of the same site, such as /static/keys.css")

    @property
    def shown_title(self) -> str:
        """What the page is called."""
        return self.title or TITLE

    @property
    def accent_css(self) -> str | None:
        """The accent as a stylesheet; darker or lighter where text would else be hard to read."""
        if self.accent is None:
            return None
        colour = _read(self.accent)
        dark = _written(_readable(colour, _WHITE, (0, 0, 0)))
        light = _written(_readable(colour, _DARK, (255, 255, 255)))
        return f":root{{--accent:{dark};--mark:light-dark({dark},{light})}}"


def _fits(value: object, pattern: re.Pattern[str]) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_address(text: object) -> bool:
    if not isinstance(text, str) or not text.isascii() or not text.isprintable():
        return False
    try:
        parts = urlsplit(text)
    except ValueError:  # brackets without an address between them
        return False
    return _PATH.fullmatch(text) is not None or (parts.scheme in {"http", "https"} and bool(parts.netloc))


def _read(text: str) -> Colour:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _written(colour: Colour) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


def _readable(colour: Colour, against: Colour, towards: Colour) -> Colour:
    """Give *colour*, mixed with as much of *towards* as it takes to be read on *against*."""
    for step in range(_STEPS + 1):
        red, green, blue = (
            round(own + (other - own) * step / _STEPS) for own, other in zip(colour, towards, strict=True)
        )
        if _contrast((red, green, blue), against) >= _ENOUGH:
            return red, green, blue
    return towards


def _contrast(one: Colour, other: Colour) -> float:
    """The contrast ratio of two colours (WCAG 2.2)."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: Colour) -> float:
    parts = (part / 255 for part in colour)
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]  # noqa: PLR2004
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
