"""What can be seen of the application that Keyfob is wrapped around."""

from __future__ import annotations

from functools import partial
from types import FunctionType, MethodType
from typing import Final

_DEEPEST: Final = 64  # middleware around one another
_INNER: Final = ("app", "_app", "application", "inner", "wrapped", "asgi_app", "__wrapped__")
_STARLETTE: Final = frozenset(
    ("starlette.applications", "starlette.routing")
)  # FastAPI's classes are derived from these


def is_starlette(app: object) -> bool:
    """Whether *app* is a Starlette or FastAPI application, with any middleware around it that shows what is inside.

    Those find the user of a request in the scope, and leave it to a middleware to put it there. Others, such as
    Django Channels, put their own there, and take whatever they find for their own.
    """
    left = [app]
    for _ in range(_DEEPEST):
        if not left:
            return False
        app = left.pop()
        if any(
            kind.__module__ in _STARLETTE and kind.__name__ in {"Starlette", "Router"} for kind in type(app).__mro__
        ):
            return True
        left += _inside(app)
    return False


def _inside(app: object) -> list[object]:
    match app:
        case partial():
            return [app.func, *app.args]
        case MethodType():
            return [app.__self__]
        case FunctionType():
            cells = [cell.cell_contents for cell in app.__closure__ or () if _is_filled(cell)]
            return [value for value in cells if callable(value)]
        case _:
            found = (getattr(app, name, None) for name in _INNER)
            return [inner for inner in found if callable(inner) and inner is not app]


def _is_filled(cell: object) -> bool:
    return hasattr(cell, "cell_contents")
