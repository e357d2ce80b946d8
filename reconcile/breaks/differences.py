"""What differs between two entries of a near miss: all of it, in the order of the kinds."""

from __future__ import annotations

from dataclasses import dataclass, field

from reconcile.matching.core import ACCOUNT, NAME
from reconcile.matching.normalise import compile_chain
from reconcile.matching.run_input import NearMiss
from reconcile.matching.table import carrier_text, value_day
from reconcile.model import BreakKind, Entry, EntryStatus
from reconcile.terms import KeyPair, MatchPass, Terms

TWO_SIDED = (
    BreakKind.SPLIT,
    BreakKind.CURRENCY,
    BreakKind.DIRECTION,
    BreakKind.TIMEOUT,
    BreakKind.STATUS,
    BreakKind.FEE,
    BreakKind.ROUNDING,
    BreakKind.AMOUNT,
    BreakKind.VALUE_DATE,
    BreakKind.REFERENCE,
    BreakKind.PARTY,
)
UNDECIDED = frozenset({EntryStatus.PENDING, EntryStatus.TIMED_OUT})


@dataclass(frozen=True)
class Judge:
    """The terms as the kinds need them."""

    terms: Terms
    _always: tuple[MatchPass, ...] = field(init=False)
    _telling: tuple[MatchPass, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Keep the passes that always confirm, and those whose carriers tell payments apart."""
        always = tuple(rule for rule in self.terms.passes if rule.confirm == "always")
        telling = tuple(rule for rule in self.terms.passes if rule.tells_apart)
        object.__setattr__(self, "_always", always)
        object.__setattr__(self, "_telling", telling)

    def kinds(
        self, near: NearMiss, servicer: tuple[Entry, ...], owner: tuple[Entry, ...]
    ) -> tuple[BreakKind, ...]:
        """Return all kinds that hold, the first being the break's; () where all are VOID."""
        entries = servicer + owner
        if all(entry.status is EntryStatus.VOID for entry in entries):
            return ()
        if near.split:
            found = {BreakKind.SPLIT}
            if len({entry.currency for entry in entries}) > 1:
                found.add(BreakKind.CURRENCY)
            if any(entry.status in UNDECIDED for entry in entries):
                found.add(BreakKind.TIMEOUT)
        else:
            found = self._differences(near, servicer[0], owner[0])
        return tuple(kind for kind in TWO_SIDED if kind in found)

    def _differences(self, near: NearMiss, s: Entry, o: Entry) -> set[BreakKind]:
        found = set()
        if s.currency != o.currency:
            found.add(BreakKind.CURRENCY)
        if s.direction is not o.direction and (s.amount_minor or o.amount_minor):
            found.add(BreakKind.DIRECTION)
        if s.status in UNDECIDED or o.status in UNDECIDED:
            found.add(BreakKind.TIMEOUT)
        elif EntryStatus.VOID in {s.status, o.status}:
            found.add(BreakKind.STATUS)
        found |= self._amount_kinds(s, o)
        if self._days_apart(s, o) > self._limit(near):
            found.add(BreakKind.VALUE_DATE)
        if near.pass_name is None or self._references_differ(s, o):
            found.add(BreakKind.REFERENCE)
        if any(_both_differ(pair, s, o) for pair in (ACCOUNT, NAME)):
            found.add(BreakKind.PARTY)
        # Same in all that a pass compares, yet its order of dates left the two unpaired.
        return found or {BreakKind.VALUE_DATE}

    def _amount_kinds(self, s: Entry, o: Entry) -> set[BreakKind]:
        gap = abs(s.amount_minor - o.amount_minor)
        if gap == 0:
            return set()
        found = set()
        if self._is_fee(s, o, gap):
            found.add(BreakKind.FEE)
        if gap <= self.terms.rounding_minor:
            found.add(BreakKind.ROUNDING)
        return found or {BreakKind.AMOUNT}

    def _is_fee(self, s: Entry, o: Entry, gap: int) -> bool:
        """Say whether the gap is the fee either side states, or one that a schedule gives."""
        if gap in {s.fee_minor, o.fee_minor}:
            return True
        gross = max(s.amount_minor, o.amount_minor)
        return any(
            rule.fee is not None and rule.fee.fee_of(gross) == gap for rule in self.terms.passes
        )

    def _days_apart(self, s: Entry, o: Entry) -> int:
        ordinal = self.terms.common_calendar.ordinal
        return abs(ordinal(value_day(s)) - ordinal(value_day(o)))

    def _limit(self, near: NearMiss) -> int:
        if near.pass_name is None:
            return max((rule.value_date_days for rule in self._always), default=0)
        return next(
            rule.value_date_days for rule in self.terms.passes if rule.name == near.pass_name
        )

    def _references_differ(self, s: Entry, o: Entry) -> bool:
        """Say whether a carrier that tells payments apart holds valid, different values."""
        return any(_both_differ(pair, s, o) for rule in self._telling for pair in rule.keys)


def _both_differ(pair: KeyPair, s: Entry, o: Entry) -> bool:
    """Say whether both hold a valid value and the values differ; a missing one agrees."""
    mine, theirs = carrier_text(s, pair.servicer), carrier_text(o, pair.owner)
    if mine is None or theirs is None or mine == theirs:
        return False
    key = compile_chain(pair.normalise, pair.min_length)
    said, other = key(mine), key(theirs)
    return said is not None and other is not None and said != other
