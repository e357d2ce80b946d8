"""Reorganisations at several moments of a day: the same results, every transaction sent again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from drill_town import FINALITY_BLOCKS, Town, check_day, check_streams
from sqlalchemy import func, select

from devnet.story import close_day
from node.bootstrap import Node
from node.tables import Attestation, Batch, Block, Closing, Cursor, Incident, Transaction

DEEP = FINALITY_BLOCKS + 8


def pump(town: Town, done: Callable[[], bool], what: str, rounds: int = 300) -> None:
    """Let every node take a turn, mine a block, and again: here no block comes by itself."""
    for _ in range(rounds):
        town.network.turn()
        if done():
            return
        town.chain.mine()
    raise AssertionError(f"not after {rounds} blocks: {what}")


def settle(town: Town) -> None:
    """Mine until all that was sent is final and read, and nothing waits."""
    pump(town, town.network.turn, "the network to come to rest")


@pytest.fixture
def still(town: Town) -> Town:
    """A town whose chain mines on demand alone, so that a fork hits what it is meant to hit."""
    town.chain.rpc("evm_setIntervalMining", 0)
    town.network.hurried = False
    return town


def unconfirmed(node: Node, table: Any) -> int:  # noqa: ANN401 - any table with blocks
    """Return how many rows of a table stand in blocks that are not final."""
    with node.database.reading() as session:
        final = session.get_one(Cursor, 1).final_block
        found = select(func.count()).select_from(table).where(table.block_number > final)
        return session.scalar(found) or 0


def fork_at(town: Town, table: Any, count: int, depth: int) -> None:  # noqa: ANN401 - the same
    """Wait until `count` rows of a table are unconfirmed everywhere, then fork below them."""
    pump(
        town,
        lambda: all(unconfirmed(node, table) >= count for node in town.parties),
        f"{count} unconfirmed rows of {table.__tablename__}",
    )
    rewound = {node.name: newest(node) for node in town.parties}
    town.chain.reorg(depth)
    pump(town, lambda: all(newest(n) != rewound[n.name] for n in town.parties), "the fork")


def newest(node: Node) -> bytes:
    """Return the hash of the newest block a node has read."""
    with node.database.reading() as session:
        return session.scalars(select(Block.hash).order_by(Block.number.desc())).first() or b""


def signed(node: Node) -> set[bytes]:
    """Return the hashes of everything a node has signed."""
    with node.database.reading() as session:
        return set(session.scalars(select(Transaction.tx_hash)))


def comparable(report: Any) -> dict[str, Any]:  # noqa: ANN401 - parsed JSON
    """Return a report without the heads, which hold each batch's random salt."""
    return {name: item for name, item in report.items() if name != "heads"}


@pytest.mark.parametrize("depths", [(3, 5, 7), (11, 8, 11)])
def test_forks_all_day_end_in_the_same_results(
    still: Town, agreed: Town, depths: tuple[int, int, int]
) -> None:
    """Forks after posting, closing and attesting: what an undisturbed day ends in, signed once."""
    town = still
    window = town.window()
    founding = {node.name: signed(node) for node in town.parties}
    town.import_day()
    fork_at(town, Batch, 2, depths[0])
    settle(town)
    close_day(town.network, town.relation, window)
    fork_at(town, Closing, 2, depths[1])
    pump(town, lambda: all(town.state(n) == "PROVEN" for n in town.parties), "the proofs")
    before = {node.name: signed(node) for node in town.parties}
    for node in town.parties:
        node.reconciliation.attest(town.agreement, window)
    fork_at(town, Attestation, 2, depths[2])
    pump(town, lambda: all(town.state(n) == "AGREED" for n in town.parties), "the agreement")
    settle(town)
    check_day(town)
    check_streams(town)
    mine = town.bank.reconciliation.report(town.agreement, window)
    undisturbed = agreed.bank.reconciliation.report(agreed.agreement, window)
    assert comparable(mine.report) == comparable(undisturbed.report)
    for node in town.parties:
        assert len(signed(node) - before[node.name]) == 1, "an attestation is signed once"
        with node.database.reading() as session:
            states = session.scalars(
                select(Transaction.state)
                .where(Transaction.tx_hash.not_in(founding[node.name]))
                .distinct()
            ).all()
            assert session.scalar(select(func.count()).select_from(Incident)) == 0
        assert list(states) == ["FINAL"]


def test_a_fork_below_final_is_an_incident(still: Town) -> None:
    """Deeper than finality: evidence is kept, the node says so and signs nothing any more."""
    town = still
    town.chain.mine(DEEP)
    town.import_day()
    settle(town)
    before = {node.name: signed(node) for node in town.parties}
    town.chain.mine(2)
    town.network.turn()
    town.chain.reorg(DEEP)
    stopped: Callable[[], bool] = lambda: all(n.tip()["incidents"] for n in town.parties)  # noqa: E731
    pump(town, stopped, "the incident")
    for node in town.parties:
        node.posting.close_window(town.agreement, town.window())
    for _ in range(2 * FINALITY_BLOCKS):
        town.network.turn()
        town.chain.mine()
    for node in town.parties:
        assert signed(node) == before[node.name], "nothing is signed behind an incident"
        with node.database.reading() as session:
            incident = session.scalars(select(Incident)).first()
        assert incident is not None
        assert incident.stops_signing
        assert incident.evidence["old"]
