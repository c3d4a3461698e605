"""An application with a prefix, kept where Keyfob cannot know what becomes of a path."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette

from keyfob.asgi.application import router_of
from keyfob.errors import ConfigError
from keyfob.rules.readings import Router
from tests.keyfob.asgi.test_application import RULES, timed, users_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.keyfob.conftest import Guard


@pytest.fixture(autouse=True)
def _root_path_is_deprecated() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*root_path.*")
        yield


class Unusual:
    """Middleware that keeps what it wraps under a name that nobody knows."""

    __slots__ = ("__target",)

    def __init__(self, target: Any) -> None:
        self.__target = target

    async def __call__(self, *arguments: Any) -> None:
        await self.__target(*arguments)


class Handing:
    def __init__(self, target: Any) -> None:
        self.target, self.itself = target, self

    async def __call__(self, *arguments: Any) -> None:
        await self.target(*arguments)


@pytest.mark.cases("FF-01")
@pytest.mark.parametrize(
    "wrap",
    [
        Unusual,
        Handing,
        lambda app: timed(Unusual(Handing(app))),
        lambda app: Handing([users_app(""), app]),
        lambda app: Unusual({"/": (app,)}),
    ],
    ids=["slot", "name", "deep", "list", "mapping"],
)
def test_a_prefix_behind_an_unusual_name_is_a_mistake(guard: Guard, wrap: Any) -> None:
    """Nobody can tell what becomes of a path there: the prefix is named with the fix, which is to say it by hand."""
    with pytest.raises(
        ConfigError, match=r'FastAPI\(root_path="/auth"\) inside (Unusual|Handing).*app_prefix = "/auth"'
    ):
        guard(wrap(users_app()), rules=RULES)
    guard(wrap(users_app()), rules=RULES, app_prefix="/auth")
    guard(wrap(users_app("")), rules=RULES)


def test_a_function_may_read_the_path_itself() -> None:
    """What it wraps is seen, but not how it chooses: between two applications, or by the path as it came."""

    def choosing(one: Any, other: Any) -> Any:
        async def by_path(scope: Any, *rest: Any) -> None:
            await (one if scope["path"] == "/" else other)(scope, *rest)

        return by_path

    assert Router(prefix="/auth", replaces_root=True) == router_of(timed(users_app()))
    assert Router() == router_of(choosing(users_app(""), Starlette()))
    for held in (users_app(), [users_app()]):
        with pytest.raises(ConfigError, match=r"inside test_a_function.*by_path.*leave that out"):
            router_of(choosing(held, Starlette()))
