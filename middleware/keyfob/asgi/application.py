"""What can be seen of the application behind the middleware: its framework, and the prefix it takes off paths.

A router that takes a prefix off by itself sees other paths than the rules name: with ``FastAPI(root_path="/auth")``,
``/auth/users`` and ``/users`` are one route. So the prefix is taken into account, or it is a ConfigError.
"""

from __future__ import annotations

from functools import partial
from inspect import iscoroutinefunction
from types import FunctionType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from starlette.routing import BaseRoute, Host, Mount

from keyfob.asgi.wrapped import inner_of, kept_by
from keyfob.errors import ConfigError
from keyfob.rules.readings import Router

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_DEEPEST: Final = 64  # middleware around one another
_MOST_LOOKED_AT: Final = 256  # objects, where nobody knows what they are
_INSIDE: Final = (
    "app",
    "asgi_app",
    "_app",
    "application",
    "wrapped_app",
    "other_asgi_app",
    "inner",
    "__wrapped__",
    "__self__",
)
"""The attributes in which middleware keeps what it wraps."""

_DECODING: Final = frozenset({"starlette", "fastapi", "django", "litestar", "quart", "falcon"})
"""The packages whose routers match the decoded path."""

_KNOWN: Final = _DECODING | {"blacksheep"}


class _Prefix(NamedTuple):
    """A prefix, and the setting that makes an application take it off."""

    text: str
    setting: str


def router_of(app: object, app_prefix: str = "") -> Router:
    """Return what is known of the router of *app*.

    Args:
        app: an ASGI application, with any middleware around it.
        app_prefix: the prefix that it takes off, where that is known better than it can be seen.

    Raises:
        ConfigError: the application, or one that is mounted in it, takes off a prefix that cannot be judged.

    """
    layers = list(layers_of(app))
    seen = next((prefix for layer in layers if (prefix := _prefix_of(layer)) is not None), None)
    if seen is not None and app_prefix and seen.text != app_prefix:
        raise ConfigError(
            f'app_prefix is "{app_prefix}", but the application takes off {seen.setting}: make them agree'
        )
    if seen is not None and seen.text.endswith("/"):
        raise ConfigError(f"the application takes off {seen.setting}: leave out the slash at its end")
    routes = routes_of(layers)
    if seen is None and not app_prefix:
        _check_hidden(layers)
    if not app_prefix:
        _check_mounted(routes or (), seen.text if seen else "")
    is_falcon, mounts = any(is_of(layer, "falcon") for layer in layers), tuple(_mounts_of(layers))
    return Router(
        prefix=app_prefix or (seen.text if seen else ""),
        replaces_root=seen is not None,
        decodes=_decodes(layers),
        ignores_root=is_falcon,
        drops_slash=any(is_of(layer, "litestar") for layer in _all_of(layers)),
        may_be_empty=any(is_of(layer, "falcon") for layer in _all_of(layers)),
        mounted_at=next((_mounted_at(layer) for layer in layers if _is_litestar_route(layer)), None),
        mounts=mounts,
        plain=frozenset(_plain_paths(layers)) if mounts else frozenset(),
        blank_at=tuple(_blank_at(layers)),
    )


def layers_of(app: object) -> Iterator[object]:
    """Go through *app* and what it wraps, from the outermost middleware inward, as far as that can be seen."""
    seen: set[int] = set()
    while app is not None and id(app) not in seen and len(seen) < _DEEPEST:
        seen.add(id(app))
        yield app
        app = _inside(app)


def routes_of(layers: Iterable[object]) -> list[BaseRoute] | None:
    """Return the routes of Starlette's, or FastAPI's, that the first of *layers* with routes has."""
    for layer in layers:
        routes = getattr(layer, "routes", None)
        if isinstance(routes, list):
            return routes if all(isinstance(route, BaseRoute) for route in routes) else None
    return None


def is_of(layer: object, package: str) -> bool:
    """Whether *layer* is an object of *package*, or of a class made from one of its classes."""
    return package in _packages(layer)


def _inside(app: object) -> object:
    mapping = getattr(app, "application_mapping", None)  # Django Channels, by the kind of connection
    if isinstance(mapping, dict):
        return mapping.get("http")
    inside = (getattr(app, name, None) for name in _INSIDE)
    found = next((one for one in inside if callable(one) and one is not app), None)
    return found if found is not None else _in_function(inner_of(app))


def _in_function(held: list[object]) -> object:
    """Return what of the things that a function holds it wraps. Between several applications it may choose itself."""
    known = [one for one in held if _packages(one) & _KNOWN]
    if known:
        return known[0] if len(known) == 1 else None
    return next((one for one in held if iscoroutinefunction(one) or iscoroutinefunction(type(one).__call__)), None)


def _packages(layer: object) -> set[str]:
    return {kind.__module__.partition(".")[0] for kind in type(layer).__mro__}


def _prefix_of(layer: object) -> _Prefix | None:
    if is_of(layer, "fastapi"):
        text = getattr(layer, "root_path", "")
        return _Prefix(text, f'FastAPI(root_path="{text}")') if isinstance(text, str) and text else None
    if is_of(layer, "django"):
        from django.conf import settings  # noqa: PLC0415 - Django is there, because its handler is

        text = settings.FORCE_SCRIPT_NAME
        return _Prefix(text, f'FORCE_SCRIPT_NAME = "{text}"') if text else None
    return None


def _all_of(layers: Iterable[object]) -> Iterator[object]:
    """Go through *layers* and what is mounted in them."""
    layers = list(layers)
    yield from layers
    for route in routes_of(layers) or ():
        if isinstance(route, Mount | Host):
            yield from _all_of(layers_of(route.app))


def is_mount(litestar_route: Any) -> bool:  # noqa: ANN401 - Litestar need not be installed
    """Whether a route of Litestar's hands on to another application all that is below its path."""
    return bool(getattr(getattr(litestar_route, "route_handler", None), "is_mount", False))


def _is_litestar_route(layer: object) -> bool:
    return type(layer).__module__.startswith("litestar.routes.")


def _mounted_at(litestar_route: Any) -> str:  # noqa: ANN401 - as above
    """Return the prefix that Litestar has taken off the path when a middleware of *litestar_route* is asked."""
    return str(litestar_route.path).rstrip("/") if is_mount(litestar_route) else ""


def _litestar_routes(layer: object) -> list[Any]:
    return list(getattr(layer, "routes", ())) if is_of(layer, "litestar") else []


def _mounts_of(layers: Iterable[object], prefix: str = "") -> Iterator[str]:
    """The prefixes that routers take off without looking for a slash behind them: Litestar's, and a dispatcher's."""
    layers = list(layers)
    for layer in layers:
        mounts = [route.path for route in _litestar_routes(layer) if is_mount(route)]
        if is_of(layer, "hypercorn"):
            mounts += getattr(layer, "mounts", ())
        yield from (prefix + path.rstrip("/") for path in mounts)
    for route in routes_of(layers) or ():
        if isinstance(route, Mount):
            yield from _mounts_of(layers_of(route.app), prefix + route.path)


def _blank_at(layers: Iterable[object]) -> Iterator[str]:
    """The prefixes that Quart takes for a segment " ", when it is asked for them alone: its own, and a dispatcher's."""
    for layer in layers:
        if is_of(layer, "quart"):
            yield ""
        if is_of(layer, "hypercorn"):
            mounts = getattr(layer, "mounts", {})
            yield from (path for path, app in mounts.items() if any(is_of(one, "quart") for one in layers_of(app)))


def _plain_paths(layers: Iterable[object]) -> Iterator[str]:
    """The paths of Litestar's own routes, which it compares before its mounts."""
    return (route.path for layer in layers for route in _litestar_routes(layer) if not is_mount(route))


def _decodes(layers: Iterable[object]) -> bool:
    """Whether the innermost of *layers*, and all that is mounted in it, matches decoded paths."""
    *around, innermost = layers
    if not _packages(innermost) & _DECODING or any(isinstance(layer, FunctionType | partial) for layer in around):
        return False  # a function may read the path itself
    routes = routes_of([innermost]) or []
    return all(_decodes(list(layers_of(route.app))) for route in routes if isinstance(route, Mount | Host))


def _check_hidden(layers: Iterable[object]) -> None:
    """Raise ConfigError if what Keyfob does not know keeps an application with a prefix, under whatever name."""
    left, seen = [(layer, layer) for layer in layers], set[int]()
    while left and len(seen) < _MOST_LOOKED_AT:
        one, layer = left.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        prefix = _prefix_of(one)
        if prefix is not None:
            raise ConfigError(
                f"the application takes off {prefix.setting} inside {_name_of(layer)}, so its router may see other "
                f'paths than the rules name: leave that out, or say app_prefix = "{prefix.text}"'
            )
        if not _packages(one) & _KNOWN:
            left += [(kept, layer) for kept in kept_by(one)]


def _name_of(layer: object) -> str:
    return str(getattr(layer, "__qualname__", type(layer).__qualname__))


def _check_mounted(routes: Iterable[BaseRoute], root_path: str) -> None:
    """Raise ConfigError if something mounted takes off another prefix than the path at which it is mounted."""
    for route in routes:
        if not isinstance(route, Mount | Host):
            continue
        here = root_path + getattr(route, "path", "")
        layers: list[Any] = list(layers_of(route.app))
        for prefix in filter(None, map(_prefix_of, layers)):
            if prefix.text != here:
                raise ConfigError(
                    f'what is mounted at "{here or "/"}" takes off {prefix.setting}, so its router sees other paths '
                    "than the rules name: leave that out (mounting sets the prefix), or say app_prefix"
                )
        _check_mounted(routes_of(layers) or (), here)
