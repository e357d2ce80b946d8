"""Cases that stay open: one function for each way in which a break comes about."""

from __future__ import annotations

from typing import Final

from devnet.scenario.forge import Forge, amended
from devnet.scenario.shapes import (
    Case,
    O,
    OpenCase,
    Place,
    S,
    alone,
    matched,
    near,
    payout,
    refs_of,
    resolved_in,
)
from reconcile.model import BreakKind, EntryStatus, Side

FEE_MINOR: Final = 600
ROUNDING_MINOR: Final = 3
DIFFERENCE_MINOR: Final = 450
FAR_VALUE_DAYS: Final = 10


def amount(forge: Forge, place: Place) -> Case:
    """Same key, amounts apart by more than a rounding and no fee."""
    mould = forge.mould(place.day)
    wrong = mould.amount_minor + DIFFERENCE_MINOR
    return near(BreakKind.AMOUNT, place, *forge.both(mould, amount_minor=wrong))


def amount_party(forge: Forge, place: Place) -> Case:
    """Same key, another amount and another name: AMOUNT, and PARTY stands beside it."""
    mould = forge.mould(place.day)
    wrong = mould.amount_minor + DIFFERENCE_MINOR
    other = mould.party[0] + "分公司"
    pair = forge.both(mould, amount_minor=wrong, counterparty_name=other)
    return near(BreakKind.AMOUNT, place, *pair, also=(BreakKind.PARTY,))


def fee(forge: Forge, place: Place) -> Case:
    """The servicer booked net of the fee it states, the owner gross."""
    mould = forge.mould(place.day)
    owner = forge.cast(O, mould)
    net = mould.amount_minor - FEE_MINOR
    servicer = forge.cast(S, mould, amount_minor=net, fee_minor=FEE_MINOR)
    return near(BreakKind.FEE, place, servicer, owner)


def rounding(forge: Forge, place: Place) -> Case:
    """Amounts apart by no more than the terms' rounding."""
    mould = forge.mould(place.day)
    close = mould.amount_minor - 1 - forge.below(ROUNDING_MINOR)
    return near(BreakKind.ROUNDING, place, *forge.both(mould, amount_minor=close))


def direction(forge: Forge, place: Place) -> Case:
    """The owner booked the wrong way round."""
    mould = forge.mould(place.day)
    wrong = mould.direction.opposite
    return near(BreakKind.DIRECTION, place, *forge.both(mould, direction=wrong))


def value_date(forge: Forge, place: Place) -> Case:
    """Value dates further apart than the passes allow."""
    mould = forge.mould(place.day)
    far = mould.day - FAR_VALUE_DAYS
    return near(BreakKind.VALUE_DATE, place, *forge.both(mould, value_date=far))


def reference(forge: Forge, place: Place) -> Case:
    """Everything agrees but the key: both hold a valid one, and they differ."""
    mould = forge.mould(place.day)
    servicer = forge.cast(S, mould)
    owner = forge.cast(O, mould, references=_other_value(mould.references))
    return near(BreakKind.REFERENCE, place, servicer, owner)


def _other_value(references: tuple[tuple[int, str], ...]) -> tuple[tuple[int, str], ...]:
    """Return the same carriers with values that no other case holds."""
    return tuple((carrier, "9" + text[1:]) for carrier, text in references)


def name_only(forge: Forge, place: Place) -> Case:
    """Neither key nor account, one name: nobody confirms it, so it is proposed and REFERENCE."""
    mould = forge.mould(place.day, keyed=False)
    servicer = forge.cast(S, mould, counterparty_account=None)
    owner = forge.cast(O, mould, counterparty_account=None)
    case = near(BreakKind.REFERENCE, place, servicer, owner)
    case.proposals.append((place.run, refs_of((servicer,), (owner,))))
    return case


def status(forge: Forge, place: Place) -> Case:
    """The owner voided what the servicer booked."""
    pair = forge.both(forge.mould(place.day), status=EntryStatus.VOID)
    return near(BreakKind.STATUS, place, *pair)


def timeout_pair(forge: Forge, place: Place) -> Case:
    """The owner still waits for what the servicer booked; the next day it hears and amends."""
    servicer, owner = forge.both(forge.mould(place.day), status=EntryStatus.PENDING)
    case = near(BreakKind.TIMEOUT, place, servicer, owner)
    if not place.last:
        case.add(place.run + 1, amended(owner, status=EntryStatus.BOOKED), side=O)
        case.groups.append((place.run + 1, refs_of((servicer,), (owner,))))
        case.breaks = [resolved_in(item, place.run + 1) for item in case.breaks]
    return case


def timeout_alone(forge: Forge, place: Place) -> Case:
    """An order that timed out on one side; the other never heard of it."""
    side = Side(forge.below(2))
    entry = forge.cast(side, forge.mould(place.day), status=EntryStatus.TIMED_OUT)
    return alone(BreakKind.TIMEOUT, place, side, entry)


def timing(forge: Forge, place: Place) -> Case:
    """Booked today on one side; the other books it the next day, if there is one."""
    side, mould = Side(forge.below(2)), forge.mould(place.day)
    first = forge.cast(side, mould)
    case = alone(BreakKind.TIMING, place, side, first)
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
    return alone(BreakKind.TIMING, place, side, entry)


def missing_at_owner(forge: Forge, place: Place) -> Case:
    """The servicer booked it business days ago, the owner never."""
    day = forge.before(place.day, 2 + forge.below(3))
    return alone(BreakKind.MISSING_AT_OWNER, place, S, forge.cast(S, forge.mould(day)))


def missing_at_servicer(forge: Forge, place: Place) -> Case:
    """The owner booked it business days ago, the servicer never."""
    day = forge.before(place.day, 2 + forge.below(3))
    return alone(BreakKind.MISSING_AT_SERVICER, place, O, forge.cast(O, forge.mould(day)))


def stale(forge: Forge, place: Place) -> Case:
    """Missing for longer than the terms allow."""
    day = forge.before(place.day, 7 + forge.below(3))
    return alone(BreakKind.MISSING_AT_OWNER, place, S, forge.cast(S, forge.mould(day)))


def duplicate(forge: Forge, place: Place) -> Case:
    """One side booked the same payment twice: the later ref is the extra one."""
    side, mould = Side(forge.below(2)), forge.mould(place.day)
    servicer, owner = forge.both(mould)
    extra = forge.cast(side, mould)
    case = matched(place, (servicer,), (owner,))
    doubled = alone(BreakKind.DUPLICATE, place, side, extra)
    case.entries += doubled.entries
    case.breaks += doubled.breaks
    return case


def returned(forge: Forge, place: Place) -> Case:
    """A return that only the servicer booked."""
    entry = forge.cast(
        S, forge.mould(place.day), status=EntryStatus.RETURNED, remittance="退汇", kind="RETURN"
    )
    return alone(BreakKind.RETURN, place, S, entry)


def reversal_orphan(forge: Forge, place: Place) -> Case:
    """A reversal whose original nobody has."""
    side = Side(forge.below(2))
    unknown = f"UNKNOWN{forge.below(10**9):09d}"
    entry = forge.cast(
        side, forge.mould(place.day), is_reversal=True, reversal_of=unknown, remittance="冲正"
    )
    return alone(BreakKind.REVERSAL_ORPHAN, place, side, entry)


def currency(forge: Forge, place: Place) -> Case:
    """Same key and figure, another currency."""
    pair = forge.both(forge.mould(place.day), currency="USD")
    return near(BreakKind.CURRENCY, place, *pair)


def split(forge: Forge, place: Place) -> Case:
    """One payout against its parts, of which one is missing."""
    whole, parts = payout(forge, place)
    case = Case()
    case.add(place.run, whole, side=S)
    case.add(place.run, *parts[:-1], side=O)
    refs = refs_of((whole,), tuple(parts[:-1]))
    case.breaks.append(OpenCase(BreakKind.SPLIT, refs, place.day, place.run))
    return case


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
