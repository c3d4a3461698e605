from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from bench import peer_environments, peer_load, peer_servers
from bench.effort import Effort

if TYPE_CHECKING:
    from pathlib import Path

SMALL = Effort(rounds=1, seconds=0.2, is_quick=True)
NOBODY = peer_servers.Peer("nobody", "nobody")


async def test_a_peer_that_cannot_be_installed_is_named_with_the_reason() -> None:
    """It has no row and no figure; the others are measured all the same."""
    found = await peer_load.measure(SMALL, peers=(NOBODY,))

    shown = json.loads(json.dumps(found.as_json()))
    assert {"nobody": "there is no requirements/peers/nobody.txt"} == shown["absent"]
    assert list(peer_load.OURS) == [row["name"] for row in shown["rows"]]
    assert "not measured: there is no requirements/peers/nobody.txt" in found.table()


@pytest.mark.parametrize("peer", peer_servers.PEERS, ids=lambda peer: peer.title)
def test_a_peer_lets_in_and_refuses_as_it_should(peer: peer_servers.Peer, tmp_path: Path) -> None:
    """Each peer, in each of its set-ups, admits its valid key and refuses the four kinds of bogus ones."""
    if not peer_environments.is_installed(peer.name):
        pytest.skip(f"scripts/bench peers installs {peer.name}, and has not done so here")
    with ExitStack() as stack:
        ready, absent = peer_servers.start(stack, (peer,), tmp_path)

    assert ({}, [peer]) == (absent, [one.peer for one in ready])


@pytest.mark.parametrize("name", sorted({peer.name for peer in peer_servers.PEERS}))
def test_the_lines_of_a_set_up_are_counted(name: str) -> None:
    """A peer's file marks where its set-up begins and ends, and only that is counted."""
    text = (peer_environments.PEERS / f"{name}_app.py").read_text(encoding="utf-8")

    assert 5 < peer_environments.set_up_lines(name) < len(text.splitlines()) - 20


@pytest.mark.parametrize("status", [200, 500])
def test_a_peer_that_does_not_refuse_is_not_measured(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Letting a bogus key in, or breaking over it, is a reason to leave the peer out."""
    monkeypatch.setattr("bench.servers.answer", lambda *_: (status, b""))

    with pytest.raises(peer_environments.AbsentError, match=f"answered {status}"):
        peer_servers.check(1, {"random junk": [("Authorization", "Bearer junk")]})
