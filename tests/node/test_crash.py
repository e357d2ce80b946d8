"""Death between any two writes: nothing is lost, nothing is doubled."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_party import no_boundary
from ledger_world import Killed, World, entries, killer

from node.tables import Batch, Incident, QueuedRecord, SealedPayload
from reconcile.model import Side

BOUNDARIES = (
    "follower.read",
    "follower.applied",
    "follower.written",
    "relay.settled",
    "relay.looked_up",
    "relay.recorded",
    "relay.signing",
    "relay.signed",
    "relay.sent",
    "relay.noted",
)


def prepare(world: World, prefix: str) -> None:
    """Queue and seal five entries in three batches on each side."""
    for side, party in zip(Side, world.parties, strict=True):
        party.queue(world.agreement, side, entries(5, prefix), world.window)
        party.seal(world.agreement, side, 2)


def check(world: World, expected: list[str]) -> None:
    """Every entry once, on both sides, and every record known as posted."""
    world.settle()
    for party in world.parties:
        for side in Side:
            assert party.refs(side) == expected
        assert party.count(Incident) == 0
        assert party.count(Batch, Batch.state != "VALID") == 0
        assert party.count(QueuedRecord, QueuedRecord.state != "POSTED") == 0
        assert party.count(SealedPayload, SealedPayload.state != "POSTED") == 0
    assert world.servicer.derived() == world.owner.derived()


@pytest.mark.parametrize("name", BOUNDARIES)
def test_death_at_a_boundary_loses_and_doubles_nothing(world: World, name: str) -> None:
    """Killed once at each place between two writes, a node goes on where it was."""
    prepare(world, "e")
    left = {"count": 1}

    def boundary(at: str) -> None:
        if at == name and left["count"]:
            left["count"] -= 1
            raise Killed(at)

    world.servicer.boundary = boundary
    assert world.pump_with_crashes() == [name]
    check(world, [f"e{n:04d}" for n in range(5)])


@pytest.mark.parametrize("one_in", [3, 5, 7])
def test_dying_again_and_again_loses_and_doubles_nothing(world: World, one_in: int) -> None:
    """Both nodes killed at a third, fifth or seventh of all boundaries: each entry stands once."""
    prepare(world, "e")
    for party in world.parties:
        party.boundary = killer(party.member, one_in)
    died = world.pump_with_crashes()
    assert len(died) > 5
    for party in world.parties:
        party.boundary = no_boundary
    check(world, [f"e{n:04d}" for n in range(5)])


def test_random_deaths_and_forks_lose_and_double_nothing(world: World) -> None:
    """Deaths at random places, reorganisations in between: the streams hold each entry once."""
    expected: list[str] = []

    @settings(max_examples=4)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        prefix = f"r{len(expected):03d}-"
        prepare(world, prefix)
        expected.extend(f"{prefix}{n:04d}" for n in range(5))
        for party in world.parties:
            deaths = data.draw(st.sets(st.integers(1, 40), max_size=6))
            calls = iter(range(1, 10_000))

            def boundary(at: str, deaths: set[int] = deaths, calls: object = calls) -> None:
                if next(calls) in deaths:  # type: ignore[call-overload]
                    raise Killed(at)

            party.boundary = boundary
        for _ in range(data.draw(st.integers(0, 2))):
            for party in world.parties:
                try:
                    party.step()
                except Killed:
                    party.restart()
            world.chain.reorg(data.draw(st.integers(1, 3)))
        world.pump_with_crashes()
        for party in world.parties:
            party.boundary = no_boundary
        check(world, expected)

    run()
