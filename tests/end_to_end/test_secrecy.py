from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING

from tests.end_to_end.conftest import leaks
from tests.end_to_end.forging import forged, tagged
from tests.end_to_end.raw import request
from tests.end_to_end.refusals import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end_to_end.conftest import Keys, Origin
    from tests.end_to_end.server import Server


def test_se_01_a_key_is_written_nowhere(
    new_place: Callable[[], Origin], alone: Callable[..., Server], http: str
) -> None:
    """With every logger at DEBUG and asyncio's debug mode, no key is in a log, the database, or its side files."""
    place = new_place()
    issued = [place.issue("items:read"), place.issue("items:read"), place.issue("ws:connect")]
    environ = {"PYTHONASYNCIODEBUG": "1", "PYTHONWARNINGS": "default"}
    server = alone(
        place, http=http, wiring={"verbose": True}, environ=environ, persist_digests=False, usage_interval=0.1
    )
    place.disable(issued[1])
    for key in issued:
        for path in ("/items", "/unknown", "/boom", "/scope", "/docs/private%0a", "/block?seconds=0.2"):
            for headers in (key.headers, {"X-API-Key": key.text}, {**key.headers, "X-API-Key": key.text}):
                assert key.text not in str(server.ask(path, headers).without_date)
        wrong = {"Authorization": f"Bearer {key.text[:-1]}"}
        assert kind_of(server.ask("/items", wrong), key.text) in {"B401", "200"}

    names = {file.name for file in place.here.folder.glob("keyfob.db*")}
    assert {"keyfob.db", "keyfob.db-wal", "keyfob.db-shm"} <= names
    assert "DEBUG:aiosqlite" in server.printed()
    assert [] == leaks([server.log, *place.here.folder.glob("keyfob.db*")], place.canaries)
    server.stop()
    assert [] == leaks([server.log, *place.here.folder.glob("keyfob.db*")], place.canaries)


def test_se_02_a_broken_handler_gives_no_key_away(shared: Callable[..., Server], keys: Keys, http: str) -> None:
    """Neither a debug page nor a traceback with the locals of every frame holds the credential."""
    server = shared(http, wiring={"verbose": True, "debug": True})
    for headers in (keys.reader.headers, {"X-API-Key": keys.reader.text}):
        answer = server.ask("/boom", {**headers, "Accept": "text/html"})

        assert 500 == answer.status
        assert b"RuntimeError" in answer.body
        assert keys.reader.text[-64:-21].encode() not in answer.body
    assert "this handler is broken" in server.printed()
    assert "CRITICAL:telltale" in server.printed()
    assert [] == leaks([server.log], [keys.reader.text[-64:-21]])


def test_se_02_a_client_that_leaves_gives_no_key_away(server: Server, keys: Keys) -> None:
    """A refusal that cannot be sent any more is no occasion to log what was refused."""
    for headers in (keys.reader.headers, {"X-API-Key": keys.reader.text}):
        for path in ("/unknown", "/items"):
            with server.wire() as wire:
                wire.send(request(path, headers) + b"garbage\r\n\r\n")
            with server.wire() as wire:  # while h11 reads the broken body, nothing can be sent any more
                broken = {**headers, "Transfer-Encoding": "chunked"}
                wire.send(request(path, broken, method="POST") + b"5\r\nmore than five\r\n0\r\n\r\n")
                wire.rest_now()
    assert 200 == server.ask("/open").status
    assert [] == leaks([server.log], [keys.reader.text[-64:-21]])


def test_se_03_the_application_sees_who_but_not_the_key(server: Server, keys: Keys) -> None:
    """The scope holds the grant, and no header that carried the key nor one that only Keyfob may set."""
    forgeries = {"X-Keyfob-Key-Id": "forged", "x_keyfob_team": "forged", "X-KEYFOB-Permissions": "forged"}
    for headers in (keys.reader.headers, {"X-API-Key": keys.reader.text}):
        scope = server.ask("/scope", {**headers, **forgeries, "X-Mine": "kept"}).body.decode()

        assert keys.reader.text[-64:-21] not in scope
        assert "forged" not in scope
        assert "b'x-mine', b'kept'" in scope
        assert keys.reader.record.id in scope
        assert "items:read" in scope


def test_se_03_another_scheme_stays(server: Server, keys: Keys) -> None:
    """What is no key of ours is the application's: Basic beside an X-API-Key arrives."""
    scope = server.ask("/scope", {"Authorization": "Basic YTpi", "X-API-Key": keys.reader.text}).body.decode()

    assert "Basic YTpi" in scope
    assert keys.reader.text[-64:-21] not in scope


def test_public_paths_cannot_be_told_who_calls(shared: Callable[..., Server], http: str) -> None:
    """On a public path headers pass unchanged, but what only Keyfob may say is taken out."""
    public = shared(http, rules={"/{p:path}": {"public": True}})
    scope = public.ask("/scope", {"X-Keyfob-Key-Id": "forged", "Authorization": "Bearer theirs"}).body.decode()

    assert "forged" not in scope
    assert "Bearer theirs" in scope
    assert "'keyfob': None" in scope


def test_se_14_every_invalid_key_is_answered_alike(server: Server, place: Origin) -> None:
    """Unknown, wrong, disabled, expired, deleted, suspended and malformed keys get equal bytes, but for the date."""
    now, known = datetime.now(UTC), place.issue("items:read")
    disabled, expired = place.issue("items:read"), place.issue("items:read", expires_at=now - timedelta(seconds=1))
    deleted = place.issue("items:read", disabled_at=now, deleted_at=now)
    suspended = place.issue("items:read", team="small", plan="teams")
    place.disable(disabled)
    signing = place.here.signing
    texts = [
        "junk",
        forged(),
        forged(key_id=known.record.id),
        tagged(signing),
        tagged(signing, known.record.id),
        *(issued.text for issued in (disabled, expired, deleted, suspended)),
        known.text.replace("_api_", "_scim_"),
    ]
    answers = [server.ask("/items", {"X-API-Key": text}) for text in texts * 2]

    assert ["B401"] * len(answers) == [kind_of(answer) for answer in answers]
    assert [answers[0].without_date] * len(answers) == [answer.without_date for answer in answers]


def test_se_14_forged_keys_do_not_tell_which_ids_exist(server: Server, keys: Keys) -> None:
    """A forged key takes one way, without a read or a hash, whether its id exists or not, and so as long."""
    took: dict[bool, list[float]] = {True: [], False: []}
    with server.unmoved("store_reads", "argon2_verifications", "cache_hits"), server.wire() as wire:
        refused = server.stats()["refused_by_tag"]
        for turn in range(2000):
            exists = turn % 2 == 0
            data = request("/items", {"X-API-Key": forged(key_id=keys.reader.record.id if exists else None)})
            began = perf_counter()
            wire.send(data)
            assert 401 == wire.answer().status
            took[exists].append(perf_counter() - began)
        assert 2000 == server.stats()["refused_by_tag"] - refused

    most = max(0.001, median(took[True]) / 4)  # the number that is promised, and noise where the machine is busy
    assert most > abs(median(took[True]) - median(took[False]))
