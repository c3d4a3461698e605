"""How pages come to look as they do: templates, the stylesheet and the script, and the headers that guard a page."""

from __future__ import annotations

import gzip
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import BytecodeCache, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from keyfob_admin.console import humanize as words

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import CodeType

    from jinja2.bccache import Bucket
    from starlette.requests import Request

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
        "require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_FOREVER: Final = "public, max-age=31536000, immutable"  # its name changes with its content
_CODE: Final = re.compile(r"`([^`]+)`")
_INDENT: Final = re.compile(rb"\n(\s|//.*)*")  # nothing that is sent has a meaning for indentation and remarks…
_CSS_BLANKS: Final = re.compile(rb"\s*([{};,>])\s*|(?<=:)\s+")  # …and CSS none for blanks beside its marks
_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file that every page asks for, under a name made of its content."""

    name: str
    media_type: str
    content: bytes
    packed: bytes  # by gzip

    @classmethod
    def read(cls, name: str) -> StaticFile:
        """Read the file *name* of the folder ``static``."""
        return cls.of(name, _INDENT.sub(b"\n", files(__package__).joinpath("static", name).read_bytes()))

    @classmethod
    def of(cls, name: str, content: bytes) -> StaticFile:
        """Name *content* after *name* and itself."""
        if name.endswith(".css"):
            content = _CSS_BLANKS.sub(rb"\1", content).replace(b";}", b"}")
        stem, _, ending = name.partition(".")
        digest = hashlib.sha256(content).hexdigest()[:12]
        return cls(f"{stem}.{digest}.{ending}", _TYPES[ending], content, gzip.compress(content, mtime=0))


class _Compiled(BytecodeCache):
    """What templates were compiled to, for all consoles of a process: compiling takes most of the time of a page."""

    def __init__(self) -> None:
        self._code: dict[tuple[str, str], CodeType | None] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Find the code of a template, as its file is now."""
        bucket.code = self._code.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep it."""
        self._code[bucket.key, bucket.checksum] = bucket.code


_COMPILED: Final = _Compiled()


class Renderer:
    """Writes pages and hands out the files that they ask for."""

    def __init__(self, accent: str | None = None) -> None:
        """*accent* is a stylesheet that sets the colour of buttons."""
        self._static = {name: StaticFile.read(name) for name in ("console.css", "console.js", "icon.svg")}
        if accent is not None:
            self._static["accent.css"] = StaticFile.of("accent.css", accent.encode())
        self._by_name = {file.name: file for file in self._static.values()}
        self._templates = Environment(
            loader=PackageLoader("keyfob_admin.console"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            bytecode_cache=_COMPILED,
        )
        self._templates.filters.update(code=_with_code, isolated=words.isolated)
        self._templates.globals.update(words=words, static=lambda name: f"/static/{self._static[name].name}")

    def page(self, template: str, status: int, context: Mapping[str, Any]) -> Response:
        """Write a page."""
        text = self._templates.get_template(template).render(context)
        return HTMLResponse(text, status, HEADERS)

    async def static(self, request: Request) -> Response:
        """Hand out a file, for the browser to keep for ever."""
        file = self._by_name.get(request.path_params["name"])
        if file is None:
            raise HTTPException(404)
        headers = {**HEADERS, "Cache-Control": _FOREVER, "Vary": "Accept-Encoding"}
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(file.packed, 200, {**headers, "Content-Encoding": "gzip"}, file.media_type)
        return Response(file.content, 200, headers, file.media_type)


def _with_code(text: str) -> Markup:
    """Show what stands in backticks as code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before anything is put around it
