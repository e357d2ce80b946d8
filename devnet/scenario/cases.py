"""The special cases: each makes its entries and says, by construction, what they must become.

Nothing here asks the engine. A case's amount and key are its own, so that it meets no other; what
it becomes follows from matching.md, "Rules of every pass" and "Breaks".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import msgspec

from devnet.scenario.forge import Forge, amended
from reconcile.model import (
    AgreementKind,
    BreakKind,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    Side,
)

S, O = Side.SERVICER, Side.OWNER  # noqa: E741 - the two sides, as in the rules
FEE_MINOR: Final = 600
ROUNDING_MINOR: Final = 3
DIFFERENCE_MINOR: Final = 450
FAR_VALUE_DAYS: Final = 10
GROUP_PARTS: Final = 3

Refs = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True)
class OpenCase:
    """A break from run `first` until run `until`; one-sided ones age from `booked`."""

    kind: BreakKind
    refs: Refs
    booked: int
    first: int
    until: int | None = None
    also: tuple[BreakKind, ...] = ()


@dataclass
class Case:
    """Entries by run and side, the groups they form and the breaks they are meanwhile."""

    entries: list[tuple[int, Side, Entry]] = field(default_factory=list)
    groups: list[tuple[int, Refs]] = field(default_factory=list)
    breaks: list[OpenCase] = field(default_factory=list)
    proposals: list[tuple[int, Refs]] = field(default_factory=list)

    def add(self, run: int, *entries: Entry, side: Side) -> None:
        """Put entries into a side's book of a run."""
        self.entries += [(run, side, entry) for entry in entries]

    def pair(self, run: int, servicer: Entry, owner: Entry) -> None:
        """Put one entry on each side."""
        self.add(run, servicer, side=S)
        self.add(run, owner, side=O)


@dataclass(frozen=True)
class Place:
    """Where a case happens: the run's number, its day, and how many runs there are."""

    run: int
    day: int
    runs: int

    @property
    def last(self) -> bool:
        """Say whether no later run can resolve the case."""
        return self.run + 1 >= self.runs


def refs_of(servicer: tuple[Entry, ...] = (), owner: tuple[Entry, ...] = ()) -> Refs:
    """Return the refs of both sides."""
    return tuple(e.entry_ref for e in servicer), tuple(e.entry_ref for e in owner)


def _near(
    kind: BreakKind, place: Place, servicer: Entry, owner: Entry, also: tuple[BreakKind, ...] = ()
) -> Case:
    case = Case()
    case.pair(place.run, servicer, owner)
    booked = min(servicer.booking_date, owner.booking_date)
    case.breaks.append(OpenCase(kind, refs_of((servicer,), (owner,)), booked, place.run, also=also))
    return case


def _alone(kind: BreakKind, place: Place, side: Side, entry: Entry) -> Case:
    case = Case()
    case.add(place.run, entry, side=side)
    refs = refs_of((entry,)) if side is S else refs_of((), (entry,))
    case.breaks.append(OpenCase(kind, refs, entry.booking_date, place.run))
    return case


def _matched(place: Place, servicer: tuple[Entry, ...], owner: tuple[Entry, ...]) -> Case:
    case = Case()
    case.add(place.run, *servicer, side=S)
    case.add(place.run, *owner, side=O)
    case.groups.append((place.run, refs_of(servicer, owner)))
    return case


# What stays open.
def amount(forge: Forge, place: Place) -> Case:
    """Same key, amounts apart by more than a rounding and no fee."""
    mould = forge.mould(place.day)
    wrong = mould.amount_minor + DIFFERENCE_MINOR
    return _near(BreakKind.AMOUNT, place, *forge.both(mould, amount_minor=wrong))


def amount_party(forge: Forge, place: Place) -> Case:
    """Same key, another amount and another name: AMOUNT, and PARTY stands beside it."""
    mould = forge.mould(place.day)
    wrong = mould.amount_minor + DIFFERENCE_MINOR
    other = mould.party[0] + "分公司"
    pair = forge.both(mould, amount_minor=wrong, counterparty_name=other)
    return _near(BreakKind.AMOUNT, place, *pair, also=(BreakKind.PARTY,))


def fee(forge: Forge, place: Place) -> Case:
    """The servicer booked net of the fee it states, the owner gross."""
    mould = forge.mould(place.day)
    owner = forge.cast(O, mould)
    net = mould.amount_minor - FEE_MINOR
    servicer = forge.cast(S, mould, amount_minor=net, fee_minor=FEE_MINOR)
    return _near(BreakKind.FEE, place, servicer, owner)


def rounding(forge: Forge, place: Place) -> Case:
    """Amounts apart by no more than the terms' rounding."""
    mould = forge.mould(place.day)
    near = mould.amount_minor - 1 - forge.below(ROUNDING_MINOR)
    return _near(BreakKind.ROUNDING, place, *forge.both(mould, amount_minor=near))


def direction(forge: Forge, place: Place) -> Case:
    """The owner booked the wrong way round."""
    mould = forge.mould(place.day)
    wrong = mould.direction.opposite
    return _near(BreakKind.DIRECTION, place, *forge.both(mould, direction=wrong))


def value_date(forge: Forge, place: Place) -> Case:
    """Value dates further apart than the passes allow."""
    mould = forge.mould(place.day)
    far = mould.day - FAR_VALUE_DAYS
    return _near(BreakKind.VALUE_DATE, place, *forge.both(mould, value_date=far))


def reference(forge: Forge, place: Place) -> Case:
    """Everything agrees but the key: both hold a valid one, and they differ."""
    mould = forge.mould(place.day)
    servicer = forge.cast(S, mould)
    owner = forge.cast(O, mould, references=_other_value(mould.references))
    return _near(BreakKind.REFERENCE, place, servicer, owner)


def _other_value(references: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Return the same carriers with values that no other case holds."""
    return tuple((carrier, "9" + text[1:]) for carrier, text in references)


def name_only(forge: Forge, place: Place) -> Case:
    """Neither key nor account, one name: nobody confirms it, so it is proposed and REFERENCE."""
    mould = forge.mould(place.day, keyed=False)
    servicer = forge.cast(S, mould, counterparty_account=None)
    owner = forge.cast(O, mould, counterparty_account=None)
    case = _near(BreakKind.REFERENCE, place, servicer, owner)
    case.proposals.append((place.run, refs_of((servicer,), (owner,))))
    return case


def status(forge: Forge, place: Place) -> Case:
    """The owner voided what the servicer booked."""
    pair = forge.both(forge.mould(place.day), status=EntryStatus.VOID)
    return _near(BreakKind.STATUS, place, *pair)


def timeout_pair(forge: Forge, place: Place) -> Case:
    """The owner still waits for what the servicer booked; the next day it hears and amends."""
    servicer, owner = forge.both(forge.mould(place.day), status=EntryStatus.PENDING)
    case = _near(BreakKind.TIMEOUT, place, servicer, owner)
    if not place.last:
        case.add(place.run + 1, amended(owner, status=EntryStatus.BOOKED), side=O)
        case.groups.append((place.run + 1, refs_of((servicer,), (owner,))))
        case.breaks = [resolved_in(item, place.run + 1) for item in case.breaks]
    return case


def resolved_in(item: OpenCase, until: int) -> OpenCase:
    """Return the same break, resolved in a run."""
    return OpenCase(item.kind, item.refs, item.booked, item.first, until, item.also)


def timeout_alone(forge: Forge, place: Place) -> Case:
    """An order that timed out on one side; the other never heard of it."""
    side = Side(forge.below(2))
    entry = forge.cast(side, forge.mould(place.day), status=EntryStatus.TIMED_OUT)
    return _alone(BreakKind.TIMEOUT, place, side, entry)


def timing(forge: Forge, place: Place) -> Case:
    """Booked today on one side; the other books it the next day, if there is one."""
    side, mould = Side(forge.below(2)), forge.mould(place.day)
    first = forge.cast(side, mould)
    case = _alone(BreakKind.TIMING, place, side, first)
    if not place.last:
        after = forge.calendar.add(place.day, 1)
        second = forge.cast(side.other, mould, booking_date=after)
        case.add(place.run + 1, second, side=side.other)
        pair = (first, second) if side is S else (second, first)
        case.groups.append((place.run + 1, refs_of((pair[0],), (pair[1],))))
        case.breaks = [resolved_in(item, place.run + 1) for item in case.breaks]
    return case


def timing_stays(forge: Forge, place: Place) -> Case:
    """Booked the business day before on one side: within grace today, missing tomorrow."""
    side = Side(forge.below(2))
    entry = forge.cast(side, forge.mould(forge.before(place.day, 1)))
    return _alone(BreakKind.TIMING, place, side, entry)


def missing_at_owner(forge: Forge, place: Place) -> Case:
    """The servicer booked it business days ago, the owner never."""
    day = forge.before(place.day, 2 + forge.below(3))
    return _alone(BreakKind.MISSING_AT_OWNER, place, S, forge.cast(S, forge.mould(day)))


def missing_at_servicer(forge: Forge, place: Place) -> Case:
    """The owner booked it business days ago, the servicer never."""
    day = forge.before(place.day, 2 + forge.below(3))
    return _alone(BreakKind.MISSING_AT_SERVICER, place, O, forge.cast(O, forge.mould(day)))


def stale(forge: Forge, place: Place) -> Case:
    """Missing for longer than the terms allow."""
    day = forge.before(place.day, 7 + forge.below(3))
    return _alone(BreakKind.MISSING_AT_OWNER, place, S, forge.cast(S, forge.mould(day)))


def duplicate(forge: Forge, place: Place) -> Case:
    """One side booked the same payment twice: the later ref is the extra one."""
    side, mould = Side(forge.below(2)), forge.mould(place.day)
    servicer, owner = forge.both(mould)
    extra = forge.cast(side, mould)
    case = _matched(place, (servicer,), (owner,))
    alone = _alone(BreakKind.DUPLICATE, place, side, extra)
    case.entries += alone.entries
    case.breaks += alone.breaks
    return case


def returned(forge: Forge, place: Place) -> Case:
    """A return that only the servicer booked."""
    entry = forge.cast(
        S, forge.mould(place.day), status=EntryStatus.RETURNED, remittance="退汇", kind="RETURN"
    )
    return _alone(BreakKind.RETURN, place, S, entry)


def reversal_orphan(forge: Forge, place: Place) -> Case:
    """A reversal whose original nobody has."""
    side = Side(forge.below(2))
    unknown = f"UNKNOWN{forge.below(10**9):09d}"
    entry = forge.cast(
        side, forge.mould(place.day), is_reversal=True, reversal_of=unknown, remittance="冲正"
    )
    return _alone(BreakKind.REVERSAL_ORPHAN, place, side, entry)


def currency(forge: Forge, place: Place) -> Case:
    """Same key and figure, another currency."""
    pair = forge.both(forge.mould(place.day), currency="USD")
    return _near(BreakKind.CURRENCY, place, *pair)


def split(forge: Forge, place: Place) -> Case:
    """One payout against its parts, of which one is missing."""
    whole, parts = _payout(forge, place)
    case = Case()
    case.add(place.run, whole, side=S)
    case.add(place.run, *parts[:-1], side=O)
    refs = refs_of((whole,), tuple(parts[:-1]))
    case.breaks.append(OpenCase(BreakKind.SPLIT, refs, place.day, place.run))
    return case


def _payout(forge: Forge, place: Place) -> tuple[Entry, list[Entry]]:
    """Return a servicer's sum and the owner's parts of it, under one group_ref and no other key."""
    mould = forge.mould(place.day, keyed=False)
    group = f"PAYOUT{forge.special_minor():012d}"
    sizes = [forge.special_minor() for _ in range(GROUP_PARTS - 1)]
    whole = forge.cast(
        S, mould, amount_minor=mould.amount_minor + sum(sizes), group_ref=group, remittance="批量"
    )
    parts = [
        forge.cast(O, mould, amount_minor=size, group_ref=group)
        for size in (mould.amount_minor, *sizes)
    ]
    return whole, parts


def twins(forge: Forge, place: Place) -> Case:
    """Two on each side without a key and not interchangeable: proposed, never confirmed."""
    mould = forge.mould(place.day, keyed=False)
    servicer = tuple(forge.cast(S, mould, remittance=f"{mould.remittance} {k}") for k in (1, 2))
    owner = tuple(forge.cast(O, mould, remittance=f"{mould.remittance} {k}") for k in (3, 4))
    case = Case()
    case.add(place.run, *servicer, side=S)
    case.add(place.run, *owner, side=O)
    for entry in servicer:
        case.breaks.append(OpenCase(BreakKind.TIMING, refs_of((entry,)), mould.day, place.run))
    for entry in owner:
        case.breaks.append(OpenCase(BreakKind.TIMING, refs_of((), (entry,)), mould.day, place.run))
    case.proposals.append((place.run, refs_of(servicer, owner)))
    return case


# What matches.
def one_to_many(forge: Forge, place: Place) -> Case:
    """One payout of the servicer against all its parts."""
    whole, parts = _payout(forge, place)
    return _matched(place, (whole,), tuple(parts))


def many_to_one(forge: Forge, place: Place) -> Case:
    """The servicer's parts against one booking of the owner."""
    mould = forge.mould(place.day, keyed=False)
    group = f"BOOKING{forge.special_minor():012d}"
    sizes = (mould.amount_minor, forge.special_minor())
    parts = tuple(
        forge.cast(S, mould, amount_minor=size, group_ref=group, references=forge.key())
        for size in sizes
    )
    whole = forge.cast(O, mould, amount_minor=sum(sizes), group_ref=group)
    return _matched(place, parts, (whole,))


def by_account(forge: Forge, place: Place) -> Case:
    """No key; amount and account have one candidate on each side."""
    servicer, owner = forge.both(forge.mould(place.day, keyed=False))
    return _matched(place, (servicer,), (owner,))


def by_account_alike(forge: Forge, place: Place) -> Case:
    """Two interchangeable payments on each side pair in the order of their refs."""
    mould = forge.mould(place.day, keyed=False)
    case = Case()
    for _ in range(2):
        one = _matched(place, *((entry,) for entry in forge.both(mould)))
        case.entries += one.entries
        case.groups += one.groups
    return case


def by_servicer_ref(forge: Forge, place: Place) -> Case:
    """The bank's own reference stands on its advice, so the owner has it too."""
    mould = forge.mould(place.day, keyed=False)
    known = ((int(Carrier.SERVICER_REF), f"ADV{forge.special_minor():012d}"),)
    servicer = forge.cast(S, mould, references=known, counterparty_account=None)
    owner = forge.cast(O, mould, references=known, counterparty_name=None)
    return _matched(place, (servicer,), (owner,))


def by_voucher(forge: Forge, place: Place) -> Case:
    """The bank carries the enterprise's voucher number as its end-to-end reference."""
    mould = forge.mould(place.day, keyed=False)
    number = f"PAY{forge.special_minor():012d}"
    servicer = forge.cast(S, mould, references=((int(Carrier.END_TO_END_ID), number),))
    owner = forge.cast(O, mould, references=((int(Carrier.VOUCHER_NO), number),))
    return _matched(place, (servicer,), (owner,))


def same_key_twice(forge: Forge, place: Place) -> Case:
    """One key and amount twice on both sides: k-th with k-th."""
    mould = forge.mould(place.day)
    case = Case()
    for _ in range(2):
        one = _matched(place, *((entry,) for entry in forge.both(mould)))
        case.entries += one.entries
        case.groups += one.groups
    return case


def reversed_pair(forge: Forge, place: Place) -> Case:
    """A payment and its reversal, booked by both: two groups and a link each."""
    mould = forge.mould(place.day)
    servicer, owner = forge.both(mould)
    case = _matched(place, (servicer,), (owner,))
    back = msgspec.structs.replace(
        servicer,
        entry_ref=forge.ref(S),
        direction=Direction(1 - servicer.direction),
        is_reversal=True,
        reversal_of=servicer.entry_ref,
        references=forge.key(),
    )
    mirror = msgspec.structs.replace(back, entry_ref=forge.ref(O), reversal_of=owner.entry_ref)
    one = _matched(place, (back,), (mirror,))
    case.entries += one.entries
    case.groups += one.groups
    return case


Make = Callable[[Forge, Place], Case]

# In this order, so that a small scenario still holds one of each of the commonest.
CASES: Final[tuple[Make, ...]] = (
    timing,
    missing_at_owner,
    missing_at_servicer,
    amount,
    duplicate,
    fee,
    one_to_many,
    direction,
    value_date,
    reference,
    timeout_pair,
    twins,
    many_to_one,
    rounding,
    status,
    timeout_alone,
    split,
    returned,
    reversal_orphan,
    timing_stays,
    stale,
    amount_party,
    name_only,
    by_account,
    by_account_alike,
    by_servicer_ref,
    same_key_twice,
    reversed_pair,
)


def cases_of(kind: AgreementKind) -> tuple[Make, ...]:
    """Return the cases that the default terms of a relation can find."""
    if kind is AgreementKind.BANK_ENTERPRISE:
        return (*CASES, currency, by_voucher)
    return CASES
