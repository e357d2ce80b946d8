"""Subset search: which entries of one side add up to which of the other (rule 6).

Pure integer arithmetic over *items*, classes of entries that only their ref and moment tell apart.
A solution is a choice of items, each so and so often, of both sides, whose signed sums are equal,
where every servicer's item goes with every owner's (`Field.mates`), and of which no proper part
balances by itself: two payments that each match are two solutions, never one of four entries.

Meet in the middle: the items are split in two halves, the sums of one are looked up among those of
the other. A choice is one integer with a few bits an item, so that to hold another is one
subtraction. Nothing here knows time or memory: what is counted is *states*, choices that are made,
and a count is the same on every machine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

# Bits for how often an item is chosen, and one above them that a comparison borrows from.
_BITS: Final = 5
_TIMES: Final = 15
# A field with more solutions than a person could look at is not searched to its end.
MAX_SOLUTIONS: Final = 256

Choice = tuple[tuple[int, int], ...]
"""(item, how often), ascending."""


@dataclass(frozen=True, slots=True)
class Item:
    """Interchangeable entries: `signed` as the step compares it, `day` an ordinal."""

    side: int
    signed: int
    day: int
    count: int


@dataclass(frozen=True, slots=True)
class Field:
    """Items that may belong together: `mates[i]` holds a bit for each item that goes with item i.

    `distance`: how far the days of two items of a solution may lie apart. `parts`: how many
    entries of one side a solution may have.
    """

    items: tuple[Item, ...]
    mates: tuple[int, ...]
    distance: int
    parts: int

    def windows(self) -> list[tuple[int, ...]]:
        """Return the greatest sets of items that lie within twice the distance.

        All of a solution's items are within the distance of the other side's, so no solution
        reaches beyond one of these.
        """
        order = sorted(range(len(self.items)), key=lambda place: self.items[place].day)
        days = [self.items[place].day for place in order]
        found: list[tuple[int, ...]] = []
        end = 0
        for start, day in enumerate(days):
            last = end
            while end < len(days) and days[end] <= day + 2 * self.distance:
                end += 1
            if end > last:
                found.append(tuple(sorted(order[start:end])))
        return found

    def halves(self, window: Sequence[int]) -> tuple[list[int], list[int]]:
        """Split a window: every second item of each side, so that swapped sides split alike."""
        first: list[int] = []
        second: list[int] = []
        for side in (0, 1):
            mine = [place for place in window if self.items[place].side == side]
            first += mine[::2]
            second += mine[1::2]
        return first, second

    def states(self, limit: int) -> int:
        """Return how many choices a search makes, exactly up to `limit`, else something above."""
        total = 0
        for window in self.windows():
            for half in self.halves(window):
                total += self._choices(half, limit)
                if total > limit:
                    return total
        return total

    def _choices(self, half: Sequence[int], limit: int) -> int:
        made = 1
        for side in (0, 1):
            ways = [1] + [0] * self.parts
            for place in half:
                item = self.items[place]
                if item.side == side:
                    most = min(item.count, self.parts)
                    ways = [
                        sum(ways[size - times] for times in range(min(most, size) + 1))
                        for size in range(self.parts + 1)
                    ]
                    if sum(ways) > limit:
                        return sum(ways)
            made *= sum(ways)
        return made

    def balanced_count(self) -> int:
        """Return how many choices balance, the empty ones and repeats over windows included."""
        total = 0
        for window in self.windows():
            first, second = self._sums(window)
            total += sum(len(codes) * len(second.get(-sum_, ())) for sum_, codes in first.items())
        return total

    def _sums(self, window: Sequence[int]) -> tuple[Mapping[int, list[int]], ...]:
        """Return for each half: servicer's sum - owner's -> the choices that have it."""
        tables = []
        for half in self.halves(window):
            table: dict[int, list[int]] = defaultdict(list)
            for sum_, code in self._made(half):
                table[sum_].append(code)
            tables.append(table)
        return tuple(tables)

    def _made(self, half: Sequence[int]) -> list[tuple[int, int]]:
        """Return (sum, choice) of all choices over a half within the number of parts."""
        made = [(0, 0, 0, 0)]
        for place in half:
            item = self.items[place]
            signed = item.signed if item.side == 0 else -item.signed
            unit, most = 1 << _BITS * place, min(item.count, self.parts)
            more = []
            for sum_, code, servicer, owner in made:
                used = owner if item.side else servicer
                for times in range(1, min(most, self.parts - used) + 1):
                    s, o = (0, times) if item.side else (times, 0)
                    more.append(
                        (sum_ + times * signed, code + times * unit, servicer + s, owner + o)
                    )
            made += more
        return [(sum_, code) for sum_, code, _, _ in made]

    def solutions(self) -> list[Choice] | None:
        """Return all solutions, None where there are more than `MAX_SOLUTIONS`."""
        guard = sum(1 << _BITS * place + _BITS - 1 for place in range(len(self.items)))
        sound = sorted({code for code in self._balanced() if self._goes_together(code)})
        sound.sort(key=self._size)
        least: list[int] = []
        for code in sound:
            over = code | guard
            if any((over - part) & guard == guard for part in least):
                continue
            least.append(code)
            if len(least) > MAX_SOLUTIONS:
                return None
        choices = map(self._choice, least)
        return [choice for choice in choices if self._two_sided(choice)]

    def _balanced(self) -> Iterator[int]:
        for window in self.windows():
            first, second = self._sums(window)
            for sum_, codes in first.items():
                for other in second.get(-sum_, ()):
                    for code in codes:
                        if code + other and self._few(code + other):
                            yield code + other

    def _few(self, code: int) -> bool:
        parts = [0, 0]
        for place, times in self._choice(code):
            parts[self.items[place].side] += times
        return max(parts) <= self.parts

    def _size(self, code: int) -> int:
        return sum(times for _, times in self._choice(code))

    def _choice(self, code: int) -> Choice:
        found = []
        while code:
            place = ((code & -code).bit_length() - 1) // _BITS
            found.append((place, code >> _BITS * place & _TIMES))
            code &= ~(_TIMES << _BITS * place)
        return tuple(found)

    def _goes_together(self, code: int) -> bool:
        """Say whether each servicer's item goes with each owner's; one side alone always does."""
        masks = [0, 0]
        places = [place for place, _ in self._choice(code)]
        for place in places:
            masks[self.items[place].side] |= 1 << place
        return all(
            not masks[1] & ~self.mates[place] for place in places if self.items[place].side == 0
        )

    def _two_sided(self, choice: Choice) -> bool:
        return len({self.items[place].side for place, _ in choice}) > 1


def admitted(costs: Iterable[int], budget: int) -> list[bool]:
    """Say which costs fit a budget: the cheapest first, equal ones together or not at all.

    So neither the order of lines nor the side decides who is searched.
    """
    many: dict[int, int] = defaultdict(int)
    every = list(costs)
    for cost in every:
        many[cost] += 1
    bound, spent = -1, 0
    for cost in sorted(many):
        spent += cost * many[cost]
        if spent > budget:
            break
        bound = cost
    return [cost <= bound for cost in every]


def sole(choices: Sequence[Choice]) -> list[bool]:
    """Say which solutions share no item with another."""
    users: dict[int, int] = defaultdict(int)
    for choice in choices:
        for place, _ in choice:
            users[place] += 1
    return [all(users[place] == 1 for place, _ in choice) for choice in choices]
