"""What is kept in memory between runs is what the rows say, whatever happened in between."""

from __future__ import annotations

import msgspec
import pytest
from ledger_party import Party
from ledger_world import World, entries

from node.services.reconciliation.folding import EntrySeen, Fold
from node.services.reconciliation.memory import Memory, SideSeen
from reconcile.model import Direction, Entry, Side, window_of
from reconcile.terms import Terms, default_terms

TERMS = default_terms(["CNY"])


def look(
    party: Party, world: World, memory: Memory, after: int | None = None, terms: Terms = TERMS
) -> SideSeen:
    """Read the servicer's side by a memory, and hold it against one that is new."""
    with party.database.reading() as session:
        seen, anew = (
            found.read(session, world.agreement, Side.SERVICER, after, world.window, terms)
            for found in (memory, Memory())
        )
    assert seen == anew
    return seen


def post(world: World, count: int, prefix: str, size: int = 2, window: int | None = None) -> None:
    """Post entries of the servicer and let both read them."""
    chosen = world.window if window is None else window
    world.servicer.queue(world.agreement, Side.SERVICER, entries(count, prefix), chosen)
    world.servicer.seal(world.agreement, Side.SERVICER, size)
    world.settle()


def test_a_memory_reads_on(world: World) -> None:
    """Each look gives all entries so far in the order of the stream; older ones are not read."""
    memory = Memory()
    assert look(world.owner, world, memory).entries == []
    post(world, 4, "a")
    first = look(world.owner, world, memory)
    post(world, 3, "b")
    second = look(world.owner, world, memory)
    assert [item.entry_ref for item in second.entries] == [
        *(f"a{n:04d}" for n in range(4)),
        *(f"b{n:04d}" for n in range(3)),
    ]
    assert all(old is new for old, new in zip(first.entries, second.entries, strict=False))


def test_a_rewind_is_read_again(world: World) -> None:
    """After a fork the memory holds what stands now and nothing of what is gone."""
    memory = Memory()
    post(world, 2, "a")
    world.servicer.queue(world.agreement, Side.SERVICER, entries(2, "b"), world.window)
    world.servicer.seal(world.agreement, Side.SERVICER, 2)
    for party in world.parties:
        party.step()
        party.step()
    assert len(look(world.owner, world, memory).entries) == 4
    world.chain.reorg(1)
    world.owner.follower.step()
    assert len(look(world.owner, world, memory).entries) == 2
    world.settle()
    assert len(look(world.owner, world, memory).entries) == 4


def test_a_replay_is_read_again(world: World) -> None:
    """Dropping the derived rows empties the memory too."""
    memory = Memory()
    post(world, 4, "a")
    look(world.owner, world, memory)
    with world.owner.database.writing.begin() as session:
        world.owner.projections.drop_derived(session)
    assert look(world.owner, world, memory).entries == []
    world.owner.follower.catch_up()
    assert len(look(world.owner, world, memory).entries) == 4


def test_windows_behind_the_agreed_one_alone_are_read(world: World) -> None:
    """A run of later windows holds no entry of an earlier one; another end is folded anew."""
    memory = Memory()
    post(world, 2, "a")
    post(world, 2, "b", window=world.window + 8)
    assert len(look(world.owner, world, memory).entries) == 2
    later = look(world.owner, world, memory, after=world.window)
    assert later.entries == []
    assert len(look(world.owner, world, memory).entries) == 2


def test_other_terms_are_folded_anew(world: World) -> None:
    """What is late depends on the terms: with others the same entries are judged again."""
    memory = Memory()
    post(world, 2, "a")
    look(world.owner, world, memory)
    look(world.owner, world, memory, terms=default_terms(["CNY", "EUR"]))


def test_a_side_too_large_is_not_kept(world: World) -> None:
    """Above its limit a memory gives the same and keeps nothing."""
    memory = Memory(limit=1)
    post(world, 3, "a")
    first = look(world.owner, world, memory)
    second = look(world.owner, world, memory)
    assert first == second
    assert first.entries[0] is not second.entries[0]


DAY = 20_000
WINDOW = window_of(DAY)
ENTRY = Entry("r", 0, Direction.IN, 1, "CNY", DAY)


@pytest.mark.parametrize("cut", range(5))
def test_folding_in_parts_is_folding_at_once(cut: int) -> None:
    """Late, moved, restated and reversed refs do not depend on how often a run was made."""
    changed = msgspec.structs.replace
    items = [
        EntrySeen(1, WINDOW, repeat=False, entry=changed(ENTRY, entry_ref="a", occurred_at=5)),
        EntrySeen(2, WINDOW, repeat=True, entry=changed(ENTRY, entry_ref="a", occurred_at=5)),
        EntrySeen(3, WINDOW, repeat=False, entry=changed(ENTRY, entry_ref="b", occurred_at=5)),
        EntrySeen(
            4, WINDOW, repeat=False, entry=changed(ENTRY, entry_ref="c", booking_date=DAY - 7)
        ),
        EntrySeen(
            5, WINDOW, repeat=False, entry=changed(ENTRY, entry_ref="d", reversal_of="a", version=1)
        ),
    ]
    marks = [(2, 10)]
    whole, parts = Fold(TERMS, None), Fold(TERMS, None)
    whole.take(items, marks)
    parts.take(items[:cut], [mark for mark in marks if mark[0] <= cut])
    parts.take(items[cut:], marks)
    for name in ("entries", "late", "moved", "restated", "reversed"):
        assert getattr(whole, name) == getattr(parts, name), name
    assert whole.restated == {"a", "d"}
    assert whole.reversed == {"a"}
    assert {"b", "c"} <= whole.late
    assert whole.moved == {"CNY": {WINDOW}}
