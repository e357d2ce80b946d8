"""A market of members that list, look up, confirm and dispute, over seeded periods of ten days.

The accounts follow `Points.sol` with the functions of `node.screening.points`. What members do is
what the design fears: honest ones, a newcomer, a sleeper that only reads, spammers that list ghosts
or real people falsely, rings that look up and confirm each other's ghosts. All look up alike.

`Turning` has a sleeper that earns its accuracy honestly and turns, beside a spammer, and both
concede whatever is found; after the last listing it plays on until no stake is open, so that
nothing that would be found stays hidden behind the end.
"""

from __future__ import annotations

import enum
import random
from collections import defaultdict
from dataclasses import dataclass, field

from node.screening import points

PERIODS = 36
PERIOD_DAYS = 10
WINDOW = 9
LOOKUPS = 150
ENTRIES = 4
#: A period's chance that an entry of a real person who should not be listed is overturned.
FOUND_FALSE = 0.3
#: The same for an honest member's entry: about one in a hundred over its ninety days.
MISTAKEN = 0.0011
HIT_RATE = 0.25


class Kind(enum.Enum):
    """How a member behaves."""

    HONEST = "honest"
    NEWCOMER = "newcomer"
    SLEEPER = "sleeper"
    GHOSTS = "spammer of ghosts"
    FALSE = "spammer of real people"
    TURNING = "sleeper that turns"
    RING_2 = "ring of two"
    RING_5 = "ring of five"


@dataclass
class Member:
    """One account and what it came to."""

    kind: Kind
    group: int
    balance: int = 0
    debt: int = 0
    upheld: int = 0
    overturned: int = 0
    earned: int = 0
    slashed: int = 0
    burned_on_own: int = 0
    listed: int = 0
    stakes: list[int] = field(default_factory=list)
    starved: int = 0
    #: The periods in which it conceded.
    conceded: list[int] = field(default_factory=list)

    @property
    def staked(self) -> int:
        """Return what is bound."""
        return len(self.stakes) * points.LISTING_STAKE

    @property
    def free(self) -> int:
        """Return what may be spent."""
        return self.balance - self.staked

    @property
    def score(self) -> int:
        """Return earned − slashed − burned on the own group's entries."""
        return self.earned - self.slashed - self.burned_on_own


class Market:
    """All members, period by period."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        kinds = [Kind.HONEST] * 8 + [Kind.NEWCOMER, Kind.SLEEPER, Kind.GHOSTS, Kind.FALSE]
        self.members = [Member(kind, number) for number, kind in enumerate(kinds)]
        self.members += [Member(Kind.RING_2, 100) for _ in range(2)]
        self.members += [Member(Kind.RING_5, 200) for _ in range(5)]
        self.hits: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * PERIODS)
        self.minted = 0
        self.burned = 0

    def run(self) -> list[int]:
        """Play all periods; return the supply after each."""
        supply = []
        for period in range(PERIODS):
            for number, member in enumerate(self.members):
                if member.kind is Kind.NEWCOMER and period < PERIODS // 2:
                    continue
                self._allow(member)
                self._vest(member, period)
                self._list(member, period)
                self._look_up(number, member, period)
            supply.append(sum(member.balance for member in self.members))
            assert supply[-1] == self.minted - self.burned
            assert all(member.balance >= member.staked >= 0 for member in self.members)
        return supply

    def _allow(self, member: Member) -> None:
        paid, added = points.allowance(PERIOD_DAYS, member.free, member.debt)
        self._mint(member, paid + added)

    def _vest(self, member: Member, period: int) -> None:
        due = [at for at in member.stakes if at + WINDOW <= period]
        member.stakes = [at for at in member.stakes if at + WINDOW > period]
        member.upheld += len(due)

    def _list(self, member: Member, period: int) -> None:
        if member.kind is Kind.SLEEPER:
            return
        for _ in range(ENTRIES):
            if member.debt or member.free < points.LISTING_STAKE:
                member.starved += 1
                return
            member.stakes.append(period)
            member.listed += 1
        self._find(member, period)

    def _find(self, member: Member, period: int) -> None:
        wrong = {Kind.FALSE: FOUND_FALSE, Kind.HONEST: MISTAKEN, Kind.NEWCOMER: MISTAKEN}
        for at in list(member.stakes):
            if self.random.random() < wrong.get(member.kind, 0.0):
                self._overturn(member, at, period)

    def _overturn(self, member: Member, at: int, period: int) -> None:
        assert at <= period, "an entry is found after it was listed"
        member.stakes.remove(at)
        member.overturned += 1
        mean = member.earned // max(1, member.listed)
        self._fine(member, points.LISTING_STAKE)
        self._fine(member, points.penalty(points.LISTING_STAKE, mean))

    def _look_up(self, number: int, member: Member, period: int) -> None:
        count = min(LOOKUPS, member.free // points.LOOKUP_PRICE)
        own = [i for i, other in enumerate(self.members) if other.group == member.group]
        found: dict[int, int] = defaultdict(int)
        if member.kind in {Kind.RING_2, Kind.RING_5}:
            # A ring spends everything on its own ghosts, and all of it "hits".
            for _ in range(count):
                found[self.random.choice([i for i in own if i != number])] += 1
        else:
            sources = [
                i
                for i, other in enumerate(self.members)
                if i != number and other.kind in {Kind.HONEST, Kind.NEWCOMER, Kind.FALSE}
                if other.stakes
            ]
            for _ in range(count if sources else 0):
                if self.random.random() < HIT_RATE:
                    target = self.random.choice(sources)
                    found[target] += self.members[target].kind is not Kind.FALSE or (
                        self.random.random() > FOUND_FALSE
                    )
        self._burn(member, count * points.LOOKUP_PRICE)
        for target in sorted(found):
            hits = found[target]
            if hits:
                self._settle(number, target, hits, period)

    def _settle(self, reader: int, uploader: int, hits: int, period: int) -> None:
        member, source = self.members[uploader], self.members[reader]
        burned = hits * points.LOOKUP_PRICE
        self.hits[reader, uploader][period] = hits
        k = sum(self.hits[reader, uploader][max(0, period - WINDOW + 1) : period + 1])
        accuracy = points.accuracy_floor(member.upheld, member.overturned)
        paid = points.settlement_floor(hits, k, burned, accuracy)
        member.earned += paid
        if member.group == source.group:
            source.burned_on_own += burned
        self._mint(member, paid)

    def _mint(self, member: Member, amount: int) -> None:
        member.balance += amount
        self.minted += amount
        paid = min(amount, member.debt)
        member.debt -= paid
        self._burn(member, paid)

    def _burn(self, member: Member, amount: int) -> None:
        member.balance -= amount
        self.burned += amount

    def _fine(self, member: Member, amount: int) -> None:
        member.slashed += amount
        burned = min(amount, member.free)
        self._burn(member, burned)
        member.debt += amount - burned


class Turning(Market):
    """A market in which who lists falsely concedes, one of them after years of honesty."""

    def __init__(self, seed: int, *, turns: int, found: float, free: int) -> None:
        """Take when the sleeper turns, how often a false entry is found, how much is forgiven.

        `free`: so many concessions of the last 90 days cost the stake alone.
        """
        super().__init__(seed)
        self.turns, self.found, self.forgiven = turns, found, free
        (self.sleeper,) = [member for member in self.members if member.kind is Kind.SLEEPER]

    def run(self) -> list[int]:
        """Play all periods and those in which the last stakes are still open."""
        self.sleeper.kind = Kind.HONEST
        supply = []
        for period in range(PERIODS + WINDOW):
            if period == self.turns:
                self.sleeper.kind = Kind.FALSE
            for number, member in enumerate(self.members):
                if member.kind is Kind.NEWCOMER and period < PERIODS // 2:
                    continue
                self._allow(member)
                self._vest(member, period)
                if period < PERIODS:
                    self._list(member, period)
                    self._look_up(number, member, period)
                else:
                    self._find(member, period)
            supply.append(sum(member.balance for member in self.members))
        self.sleeper.kind = Kind.TURNING
        return supply

    def _find(self, member: Member, period: int) -> None:
        if member.kind is not Kind.FALSE:
            super()._find(member, period)
            return
        for at in list(member.stakes):
            if self.random.random() < self.found:
                self._overturn(member, at, period)

    def _overturn(self, member: Member, at: int, period: int) -> None:
        if member.kind is not Kind.FALSE:
            super()._overturn(member, at, period)
            return
        recent = [one for one in member.conceded if one > period - WINDOW]
        member.conceded = [*recent, period]
        if len(recent) >= self.forgiven:
            super()._overturn(member, at, period)
            return
        member.stakes.remove(at)
        member.overturned += 1
        self._fine(member, points.LISTING_STAKE)
