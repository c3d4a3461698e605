from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.end_to_end.conftest import ROUNDS
from tests.end_to_end.forging import tagged
from tests.end_to_end.raw import request
from tests.end_to_end.refusals import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyfob.testing import Issued
    from tests.end_to_end.conftest import Origin
    from tests.end_to_end.server import Server


def test_cr_01_a_second_request_costs_neither_a_read_nor_a_hash(sensitive: Server, place: Origin) -> None:
    """What a key's first request proved is remembered, even where digests are not stored."""
    issued = place.issue("items:read")
    before = sensitive.stats()
    assert 200 == sensitive.ask("/items", issued.headers).status
    first = sensitive.stats()
    assert (1, 1) == (
        first["store_reads"] - before["store_reads"],
        first["argon2_verifications"] - before["argon2_verifications"],
    )

    with sensitive.unmoved("store_reads", "argon2_verifications"):
        for _ in range(20):
            assert 200 == sensitive.ask("/items", issued.headers).status
    assert 20 == sensitive.stats()["cache_hits"] - first["cache_hits"]


def test_cr_01_a_stored_digest_spares_the_hash(server: Server, place: Origin) -> None:
    """A key whose digest is stored is recognised by one read, without Argon2id."""
    issued = place.issue("items:read")
    with server.unmoved("argon2_verifications"):
        before = server.stats()["store_reads"]
        assert 200 == server.ask("/items", issued.headers).status
        assert 1 == server.stats()["store_reads"] - before


def test_cr_02_no_slow_check_outlives_a_disable(sensitive: Server, place: Origin) -> None:
    """A key is disabled while its first request is being checked: after that returned, every request is refused."""
    with ThreadPoolExecutor(4) as callers:
        for _ in range(10):
            issued = place.issue("items:read")
            under_way = [callers.submit(sensitive.ask, "/items", issued.headers) for _ in range(3)]
            place.disable(issued)

            assert "B401" == kind_of(sensitive.ask("/items", issued.headers), issued.text)
            assert {"200", "B401"} >= {kind_of(answer.result()) for answer in under_way}
            assert "B401" == kind_of(sensitive.ask("/items", issued.headers), issued.text)


def test_cr_07_a_wrong_secret_never_shares_the_right_ones_answer(server: Server, place: Origin) -> None:
    """Right and wrong secrets of one id, sent together, each get their own answer."""
    issued = place.issue("items:read")
    wrong = tagged(place.here.signing, issued.record.id)
    right_one, wrong_one = request("/items", issued.headers), request("/items", {"X-API-Key": wrong})

    def alternate(first: bytes, second: bytes) -> list[int]:
        with server.wire() as wire:
            wire.send((first + second) * 125)
            return [wire.answer().status for _ in range(250)]

    with ThreadPoolExecutor(8) as callers:
        orders = [(right_one, wrong_one), (wrong_one, right_one)] * 4
        answers = list(callers.map(lambda pair: alternate(*pair), orders))

    assert [[200, 401] * 125, [401, 200] * 125] * 4 == answers


def test_cr_07_a_new_key_and_a_wrong_secret_arrive_together(sensitive: Server, place: Origin) -> None:
    """The same while the secret is still being hashed: nobody gets another's answer."""
    with ThreadPoolExecutor(4) as callers:
        for _ in range(5):
            issued = place.issue("items:read")
            wrong = {"X-API-Key": tagged(place.here.signing, issued.record.id)}
            answers = list(callers.map(lambda headers: sensitive.ask("/items", headers), [issued.headers, wrong] * 2))

            assert ["200", "B401"] * 2 == [kind_of(answer) for answer in answers]


def test_cr_14_an_enabled_key_passes_again(server: Server, place: Origin) -> None:
    """Disabling and enabling take effect on the very next request, however often."""
    issued = place.issue("items:read")
    with server.wire() as wire:
        for _ in range(ROUNDS // 4):
            assert 200 == _asked(server, issued)
            place.disable(issued)
            wire.send(request("/items", issued.headers))
            assert "B401" == kind_of(wire.answer(), issued.text)
            place.enable(issued)
            wire.send(request("/items", issued.headers))
            assert "200" == kind_of(wire.answer())


def test_cr_15_without_a_cache_every_request_reads(shared: Callable[..., Server], place: Origin) -> None:
    """With cache_size=0 a key is read each time, and disabling it shows at once."""
    server, issued = shared("h11", cache_size=0), place.issue("items:read")
    before = server.stats()["store_reads"]
    assert [200] * 3 == [_asked(server, issued) for _ in range(3)]
    assert 3 == server.stats()["store_reads"] - before

    place.disable(issued)
    assert "B401" == kind_of(server.ask("/items", issued.headers), issued.text)


def _asked(server: Server, issued: Issued) -> int:
    return server.ask("/items", issued.headers).status
