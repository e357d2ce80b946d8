"""Forks: rows follow the chain that stands; evidence is kept; a wrong one stops signing."""

from __future__ import annotations

import pytest
from ledger_party import CONFIRMATIONS
from ledger_world import World, entries
from sqlalchemy import select

from devnet.local import EmbeddedChain
from node.chain import follower
from node.chain.client import ChainClient
from node.errors import ChainError, WrongChain
from node.tables import Batch, Block, Cursor, Incident, Intent, MemberKey, QueuedRecord, Transaction
from reconcile.model import Side

AFTER = ("after0000", "after0001")


def post(world: World, count: int, size: int = 2, prefix: str = "e") -> None:
    """Queue, seal and send entries of the servicer; each transaction is a block."""
    world.servicer.queue(world.agreement, Side.SERVICER, entries(count, prefix), world.window)
    world.servicer.seal(world.agreement, Side.SERVICER, size)


@pytest.mark.parametrize("depth", [1, 2, CONFIRMATIONS - 1])
def test_a_reorg_within_finality_ends_in_the_same_rows(world: World, depth: int) -> None:
    """Dropped batches are sent again as the same bytes and end as the same rows on both sides."""
    post(world, 9, 3)
    for party in world.parties:
        party.step()
        party.step()
    assert world.owner.count(Batch) == 3
    signed = world.servicer.count(Transaction)
    world.chain.reorg(depth)
    rewound = world.owner.follower.step()
    assert rewound.rewound_to is not None
    assert world.owner.count(Batch) == 0
    world.settle()
    assert world.servicer.count(Transaction) == signed, "signed once, sent again"
    for party in world.parties:
        assert party.refs(Side.SERVICER) == [f"e{n:04d}" for n in range(9)]
        assert party.count(Incident) == 0
    assert world.servicer.derived() == world.owner.derived()


def test_the_rows_after_a_reorg_are_those_of_a_chain_without_one(world: World) -> None:
    """Whatever was rewound, the rows equal those of a fresh reading of the chain."""
    post(world, 8, 2)
    for party in world.parties:
        party.step()
    world.chain.reorg(3)
    post(world, 4, 2, "later")
    world.settle()
    world.chain.reorg(2)
    world.settle()
    after = world.owner.derived()
    with world.owner.database.writing.begin() as session:
        world.owner.projections.drop_derived(session)
    assert world.owner.count(Batch) == 0
    world.owner.follower.catch_up()
    assert world.owner.derived() == after
    assert len(world.owner.refs(Side.SERVICER)) == 12


def test_control_facts_are_folded_anew_after_a_reorg(world: World) -> None:
    """A key whose ending was reorganised away counts as before, and ends once it is mined again."""
    key = world.servicer.poster.address
    args = (key, 2**63)
    world.servicer.ask("Registry", "endKey", args, lane_key="admin")
    world.servicer.step()
    world.owner.step()
    ended = MemberKey.state == "ENDED"
    assert world.owner.count(MemberKey, ended) == 1
    world.chain.reorg(1)
    world.owner.follower.step()
    assert world.owner.count(MemberKey, ended) == 0
    world.settle()
    assert world.owner.count(MemberKey, ended) == 1


def test_a_change_below_final_is_an_incident_that_stops_signing(world: World) -> None:
    """Evidence is kept, rows follow the new fork, nothing is signed; once closed, it goes on."""
    post(world, 4)
    world.settle()
    assert world.servicer.count(QueuedRecord, QueuedRecord.state == "POSTED") == 4
    with world.servicer.database.reading() as session:
        posted = session.scalars(select(Batch.block_number).order_by(Batch.seq)).first()
    assert posted is not None
    world.chain.reorg(world.client.head().number - posted + 1)
    step = world.servicer.follower.step()
    assert step.rewound_to is not None
    with world.servicer.database.reading() as session:
        incident = session.scalars(select(Incident)).one()
        cursor = session.get_one(Cursor, 1)
    assert incident.kind == "REORG_BELOW_FINAL"
    assert incident.stops_signing
    assert incident.evidence["old"]
    assert incident.evidence["lost"]["batches"][0]["seq"] == 1
    assert cursor.block_number == step.rewound_to
    post(world, 2, 2, "after")
    world.servicer.follower.catch_up()
    held = world.servicer.relay.step()
    assert held.signed == 0
    assert held.held is not None
    assert "incident" in held.held
    assert world.servicer.count(Intent, Intent.state == "WAITING") == 1
    assert world.servicer.count(Batch) == 0
    signed = world.servicer.count(Transaction)
    for party in world.parties:
        party.follower.catch_up()
        with party.database.writing.begin() as session:
            for found in session.scalars(select(Incident)):
                found.closed_at_ms = 1
    world.settle()
    assert world.owner.refs(Side.SERVICER) == [*(f"e{n:04d}" for n in range(4)), *AFTER]
    assert world.servicer.count(QueuedRecord, QueuedRecord.state != "POSTED") == 0
    assert world.servicer.count(Transaction) == signed + 1, "the old bytes went out again"
    assert world.servicer.derived() == world.owner.derived()


def test_another_chain_at_the_same_address_is_refused(world: World) -> None:
    """When not one known block is left, the node stops in words instead of starting anew."""
    with world.owner.database.writing.begin() as session:
        for block in session.scalars(select(Block)):
            block.hash = bytes(32)
        session.get_one(Cursor, 1).block_hash = bytes(32)
    with pytest.raises(WrongChain) as refused:
        world.owner.follower.catch_up()
    assert refused.value.code == "CHAIN_REPLACED"


def test_a_short_chain_started_anew_is_refused_however_long_the_old_one(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The block before the contracts' is never forgotten; else a short chain is waited for."""
    monkeypatch.setattr(follower, "KEEP_BELOW_FINAL", -1)
    reading = world.owner.follower
    world.chain.mine(2 * CONFIRMATIONS)
    reading.catch_up()
    with world.owner.database.reading() as session:
        first, *later = session.scalars(select(Block).order_by(Block.number)).all()
    assert not first.has_logs
    assert later[0].has_logs
    with EmbeddedChain(block_time_s=0) as short:
        monkeypatch.setattr(reading, "_client", ChainClient([short.url]))
        short.mine(first.number)
        with pytest.raises(WrongChain) as refused:
            reading.step()
        assert refused.value.code == "CHAIN_REPLACED"
        # As in a database that had forgotten that block.
        with world.owner.database.writing.begin() as session:
            session.delete(session.get_one(Block, first.number))
        with pytest.raises(ChainError, match=f"ends at block {first.number}") as behind:
            reading.step()
        assert behind.value.code == "BLOCK_UNKNOWN"


def test_a_database_of_another_network_is_refused(world: World) -> None:
    """A database never follows a second chain: its rows would mix."""
    with world.owner.database.writing.begin() as session:
        session.get_one(Cursor, 1).chain_id += 1
    with pytest.raises(WrongChain) as refused:
        world.owner.follower.step()
    assert refused.value.code == "DATABASE_OF_ANOTHER_NETWORK"
