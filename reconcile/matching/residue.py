"""N:M over the residue: from what no other pass settled to solutions, and those that are sole.

A block is all that remains under one key and currency. Its entries fall into *fields*: those that
dates and the references of `always` passes allow to go together, directly or through others. Each
field is searched whole or not at all (`subset.admitted`); what is not searched is said.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from reconcile.matching.grouping import GroupFound
from reconcile.matching.source import EXACT
from reconcile.matching.subset import Choice, Field, Item, admitted, sole

if TYPE_CHECKING:
    from reconcile.matching.engine import Engine, Plan

# Wider fields are not searched: a choice over them would not fit a machine's cache line by far.
MAX_ITEMS: Final = 512

AMBIGUOUS: Final = "AMBIGUOUS"
NEVER_CONFIRMED: Final = "NEVER_CONFIRMED"
SEARCH_EXHAUSTED: Final = "SEARCH_EXHAUSTED"

Sets = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of a block with the carriers whose valid, different values forbid it a partner."""

    entry_id: int
    side: int
    signed: int
    day: int
    held: tuple[str | None, ...]


@dataclass(frozen=True)
class Block:
    """Classes of interchangeable rows of one key and currency, by side in the total order."""

    currency: str
    items: tuple[Item, ...]
    held: tuple[tuple[str | None, ...], ...]
    members: tuple[tuple[int, ...], ...]

    def near_pairs(self, distance: int) -> int:
        """Return how many pairs of items, one of each side, lie within the distance."""
        days = sorted(item.day for item in self.items if item.side)
        return sum(
            bisect_right(days, item.day + distance) - bisect_left(days, item.day - distance)
            for item in self.items
            if not item.side
        )

    def ids(self) -> Sets:
        """Return all ids by side."""
        found: Sets = ([], [])
        for item, members in zip(self.items, self.members, strict=True):
            found[item.side].extend(members)
        return found


@dataclass(frozen=True)
class Searched:
    """A field with its solutions, None where the budget did not reach."""

    block: Block
    solutions: tuple[Choice, ...] | None

    def instances(self, choice: Choice) -> Iterator[Sets]:
        """Yield the solution's ids as often as its classes hold it, k-th with k-th."""
        members = self.block.members
        for turn in range(min(len(members[place]) // times for place, times in choice)):
            found: Sets = ([], [])
            for place, times in choice:
                taken = members[place][turn * times : (turn + 1) * times]
                found[self.block.items[place].side].extend(taken)
            yield found


def settle_subsets(engine: Engine, plan: Plan) -> list[GroupFound]:
    """Confirm the solutions that share no entry with another; return their groups."""
    found = []
    for field in search(engine, plan):
        choices = field.solutions or ()
        for choice, alone in zip(choices, sole(choices), strict=True):
            for servicer, owner in field.instances(choice) if alone else ():
                if (frozenset(servicer), frozenset(owner)) not in engine.rejected:
                    sides = (tuple(servicer), tuple(owner))
                    found.append(GroupFound(plan.number, EXACT, *sides, field.block.currency, 0))
    engine.steps.take([i for group in found for i in group.servicer + group.owner])
    return found


def subset_proposals(engine: Engine, plan: Plan) -> Iterator[tuple[list[int], list[int], str]]:
    """Yield what a person may confirm: each solution, and each field that was not searched.

    Of a field with more solutions than the terms list, the smallest stand here and then the whole
    field, so that every entry names a proposal.
    """
    for field in search(engine, plan):
        if field.solutions is None:
            yield (*field.block.ids(), SEARCH_EXHAUSTED)
            continue
        listed = list(_by_size(engine, field))
        shown = _shown(listed, plan)
        for _, servicer, owner, alone in shown:
            lone = NEVER_CONFIRMED if alone else AMBIGUOUS
            yield servicer, owner, lone
        if len(shown) < len(listed):
            every: tuple[set[int], set[int]] = (set(), set())
            for _, servicer, owner, _ in listed:
                every[0].update(servicer)
                every[1].update(owner)
            yield list(every[0]), list(every[1]), AMBIGUOUS


_Listed = tuple[object, list[int], list[int], bool]


def _by_size(engine: Engine, field: Searched) -> list[_Listed]:
    """Return all solutions with their rank: the number of entries, then the order of all of them.

    The rank knows no side, so swapped sides list alike.
    """
    choices = field.solutions or ()
    found: list[_Listed] = []
    for choice, alone in zip(choices, sole(choices), strict=True):
        for servicer, owner in field.instances(choice):
            if (frozenset(servicer), frozenset(owner)) not in engine.rejected:
                # The rank knows no side: the order's last part is left out.
                order = sorted(place[:3] for place in engine.orders(servicer + owner).values())
                found.append(((len(order), order), servicer, owner, alone))
    return sorted(found)


def _shown(listed: list[_Listed], plan: Plan) -> list[_Listed]:
    """Return the first so many; solutions of one rank are listed together or not at all."""
    subset = plan.rule.subset
    assert subset is not None
    if len(listed) <= subset.max_solutions:
        return listed
    beyond = listed[subset.max_solutions][0]
    return [item for item in listed[: subset.max_solutions] if item[0] != beyond]


# ------------------------------------------------------------------------- searching
def search(engine: Engine, plan: Plan) -> list[Searched]:
    """Search every field of the residue that the budget reaches, three times counted.

    In pairs that dates let meet, in states, in choices that balance: each time the cheapest first.
    """
    subset, distance = plan.rule.subset, plan.rule.value_date_days
    assert subset is not None
    blocks = list(_blocks(engine, plan))
    done: list[Searched] = []
    near = _within(blocks, [block.near_pairs(distance) for block in blocks], plan, done)
    parts = [part for block in near for part in _parts(block, distance)]
    costs = [_states(part, plan) for part in parts]
    reached = _within(parts, costs, plan, done)
    counts = [_field(part, plan).balanced_count() for part in reached]
    for part in _within(reached, counts, plan, done):
        found = _field(part, plan).solutions()
        done.append(Searched(part, None if found is None else tuple(found)))
    return [item for item in done if item.solutions is None or item.solutions]


def _within(
    blocks: Sequence[Block], costs: Sequence[int], plan: Plan, done: list[Searched]
) -> list[Block]:
    """Return the blocks whose costs fit the budget; the others are done without solutions."""
    assert plan.rule.subset is not None
    fits = admitted(costs, plan.rule.subset.max_states)
    done += [Searched(block, None) for block, fit in zip(blocks, fits, strict=True) if not fit]
    return [block for block, fit in zip(blocks, fits, strict=True) if fit]


def _states(block: Block, plan: Plan) -> int:
    subset = plan.rule.subset
    assert subset is not None
    if len(block.items) > MAX_ITEMS:
        return subset.max_states + 1
    return _field(block, plan).states(subset.max_states)


def _field(block: Block, plan: Plan) -> Field:
    assert plan.rule.subset is not None
    distance = plan.rule.value_date_days
    return Field(block.items, _mates(block, distance), distance, plan.rule.subset.max_parts)


def _mates(block: Block, distance: int) -> tuple[int, ...]:
    """Return for each item a bit for each item of the other side that may go with it."""
    mates = [0] * len(block.items)
    owners = sorted((item.day, place) for place, item in enumerate(block.items) if item.side)
    for s, mine in enumerate(block.items):
        if mine.side:
            continue
        start = bisect_left(owners, (mine.day - distance, 0))
        end = bisect_left(owners, (mine.day + distance + 1, 0))
        for _, o in owners[start:end]:
            if not _contradict(block.held[s], block.held[o]):
                mates[s] |= 1 << o
                mates[o] |= 1 << s
    return tuple(mates)


def _contradict(mine: Sequence[str | None], theirs: Sequence[str | None]) -> bool:
    return any(
        a is not None and b is not None and a != b for a, b in zip(mine, theirs, strict=True)
    )


def _parts(block: Block, distance: int) -> list[Block]:
    """Split a block into its fields; an item that nothing goes with is in none."""
    mates = _mates(block, distance)
    seen = bytearray(len(mates))
    found = []
    for start, mask in enumerate(mates):
        if not mask or seen[start]:
            continue
        part, waiting = [], [start]
        seen[start] = 1
        while waiting:
            part.append(waiting.pop())
            fresh = [place for place in _bits(mates[part[-1]]) if not seen[place]]
            waiting += fresh
            for place in fresh:
                seen[place] = 1
        places = sorted(part)
        found.append(
            Block(
                block.currency,
                tuple(block.items[place] for place in places),
                tuple(block.held[place] for place in places),
                tuple(block.members[place] for place in places),
            )
        )
    return found


def _bits(mask: int) -> Iterator[int]:
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


# --------------------------------------------------------------------------- reading
def _blocks(engine: Engine, plan: Plan) -> Iterator[Block]:
    """Yield what remains under each key and currency that both sides hold."""
    apart = frozenset(i for sets in engine.rejected for refs in sets for i in refs)
    blocks: dict[tuple[str, str], list[Piece]] = defaultdict(list)
    for key, currency, entry_id, side, signed, day, *held in engine.steps.residue(plan):
        blocks[key, currency].append(Piece(entry_id, side, signed, day, tuple(held)))
    for (_, currency), pieces in blocks.items():
        yield _block(engine, currency, pieces, apart)


def _block(engine: Engine, currency: str, pieces: Sequence[Piece], apart: frozenset[int]) -> Block:
    """Join interchangeable rows (rule 3); entries of a rejected set are told apart."""
    classes: dict[bytes, list[Piece]] = defaultdict(list)
    ids = [piece.entry_id for piece in pieces]
    order, said = engine.orders(ids), engine.said(ids)
    for piece in sorted(pieces, key=lambda item: order[item.entry_id]):
        alone = piece.entry_id if piece.entry_id in apart else None
        content = msgspec.msgpack.encode([piece.side, alone, said[piece.entry_id]])
        classes[content].append(piece)
    members = list(classes.values())
    return Block(
        currency,
        tuple(Item(p[0].side, p[0].signed, p[0].day, len(p)) for p in members),
        tuple(p[0].held for p in members),
        tuple(tuple(piece.entry_id for piece in p) for p in members),
    )
