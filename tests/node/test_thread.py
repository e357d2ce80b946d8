"""The thin thread: an entry goes out by the relay and comes back by the follower."""

from __future__ import annotations

from ledger_world import World, entries

from node.tables import Batch, Intent, QueuedRecord, StreamState, Transaction, WindowTotals
from reconcile.model import Side


def test_a_posted_batch_comes_back_as_rows_on_both_sides(world: World) -> None:
    """What one institution posts, both read as the same rows; the queue learns it is posted."""
    poster = world.servicer
    poster.queue(world.agreement, Side.SERVICER, entries(7), world.window)
    assert poster.seal(world.agreement, Side.SERVICER) == 3
    world.settle()
    for party in world.parties:
        assert party.refs(Side.SERVICER) == [f"e{n:04d}" for n in range(7)]
        assert party.count(Batch, Batch.state == "VALID") == 3
        with party.database.reading() as session:
            stream = session.get_one(StreamState, (world.agreement, 0))
            totals = session.get_one(WindowTotals, (world.agreement, 0, world.window, "CNY"))
        assert (stream.last_seq, stream.entry_count, stream.contiguous) == (3, 7, True)
        assert (totals.entry_count, totals.in_minor, totals.out_minor) == (7, "309", "412")
    assert poster.count(QueuedRecord, QueuedRecord.state == "POSTED") == 7
    assert poster.count(Intent, Intent.state != "DONE") == 0
    assert poster.count(Transaction, Transaction.state != "FINAL") == 0
    assert world.servicer.derived() == world.owner.derived()
