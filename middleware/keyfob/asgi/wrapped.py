"""What can be seen of the application that Keyfob is wrapped around."""

from __future__ import annotations

from functools import partial
from inspect import getattr_static
from types import CellType, FunctionType, MemberDescriptorType, MethodType
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEEPEST: Final = 64  # middleware around one another
_CONTAINERS: Final = frozenset((list, tuple, set, frozenset, dict))
_INNER: Final = ("app", "_app", "application", "other_asgi_app", "inner", "wrapped", "__wrapped__")
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
        left += inner_of(app)
    return False


def inner_of(app: object) -> list[object]:
    """Return what *app* may be wrapped around: what it is bound to, what its function holds, or what it keeps."""
    match app:
        case partial():
            return [app.func, *app.args, *app.keywords.values()]
        case MethodType():
            return [app.__self__]
        case FunctionType():
            return [value for cell in app.__closure__ or () if callable(value := _contents(cell))]
        case _:
            found = (_attribute(app, name) for name in _INNER)
            return [inner for inner in found if callable(inner) and inner is not app]


def kept_by(app: object) -> list[object]:
    """Return everything callable that *app* keeps, under whatever name; nothing of the application's code runs.

    Also what it keeps in a list or a mapping, as whatever chooses between applications does.
    """
    names = [*vars(app)] if isinstance(getattr(app, "__dict__", None), dict) else []
    names += [
        name for kind in type(app).__mro__ for name in vars(kind) if isinstance(vars(kind)[name], MemberDescriptorType)
    ]
    values = [_attribute(app, name) for name in names]
    if isinstance(app, FunctionType):
        values += [_contents(cell) for cell in app.__closure__ or ()]
    held = (one for value in values for one in _each(value))
    return [*inner_of(app), *(one for one in held if callable(one) and not isinstance(one, type))]


def _each(value: object, depth: int = 3) -> Iterator[object]:
    """Go through what is in *value* if it is one of Python's own containers; else it is all there is."""
    if type(value) not in _CONTAINERS:
        yield value
    elif depth:
        for one in value.values() if isinstance(value, dict) else cast("Iterable[object]", value):
            yield from _each(one, depth - 1)


def _contents(cell: CellType) -> object:
    """Return what a variable of an enclosing function holds, or None before it is assigned."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def _attribute(app: object, name: str) -> object:
    """Return an attribute that is stored, never one that runs the application's code."""
    stored = getattr(app, "__dict__", None)
    if isinstance(stored, dict) and name in stored:
        return stored[name]
    slot = getattr_static(type(app), name, None)
    return getattr(app, name, None) if isinstance(slot, MemberDescriptorType) else None
