"""On PostgreSQL, too, what a revoked key has open ends on every server, and what was answered whole goes on."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import pytest

from keyfob.testing import installation
from tests.end_to_end.asgi_servers import SERVERS
from tests.end_to_end.conftest import Origin
from tests.end_to_end.test_revoked_responses import (
    is_cut,
    test_ff_60_background_work_of_a_whole_answer_goes_on,
    test_ff_75_an_upload_is_refused_when_its_key_is_revoked,
)
from tests.end_to_end.test_revoked_sockets import test_a_client_that_ignores_the_close_is_not_heard
from tests.postgres_server import fresh_database

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from anyio.from_thread import BlockingPortal

    from tests.end_to_end.asgi_servers import AnyServer

__all__ = [  # run here once more, over the `place` of this file
    "test_a_client_that_ignores_the_close_is_not_heard",
    "test_ff_60_background_work_of_a_whole_answer_goes_on",
    "test_ff_75_an_upload_is_refused_when_its_key_is_revoked",
]
OUTSIDE = ["nothing", "BaseHTTPMiddleware"]


@pytest.fixture(scope="module")
def place(portal: BlockingPortal, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Origin]:
    """An installation in PostgreSQL, whose servers learn of a change by a notification or with their next poll."""
    with portal.wrap_async_context_manager(fresh_database()) as url:
        opened = installation(tmp_path_factory.mktemp("place"), url=url)
        with portal.wrap_async_context_manager(opened) as here:
            yield Origin(portal, here)


@pytest.mark.parametrize("target", ["/active", "/silent"])
@pytest.mark.parametrize(("kind", "outside"), [*product(SERVERS, OUTSIDE)])
@pytest.mark.cases("FF-10", "FF-14", "FF-62", "FF-63")
def test_ff_10_ff_14_a_response_is_cut(
    serve: Callable[..., AnyServer], place: Origin, kind: str, target: str, outside: str
) -> None:
    """A response that has begun ends incomplete and in time, whether a middleware outside sends the parts or not."""
    is_cut(serve(kind, outside=outside), place, target)
