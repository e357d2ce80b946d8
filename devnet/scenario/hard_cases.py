"""Adversarial cases of a bank and an enterprise: what looks like a match, and what hides one.

Under the default terms each becomes what matching.md says; a scenario that opted in (`forge.opted`)
holds the terms that find the hidden ones, and says so in its labels.
"""

from __future__ import annotations

from typing import Final

from devnet.scenario.forge import Forge, Mould, References
from devnet.scenario.names import FIRMS
from devnet.scenario.shapes import (
    Case,
    Make,
    O,
    OpenCase,
    Place,
    S,
    alone,
    matched,
    near,
    refs_of,
)
from reconcile.model import BreakKind, Carrier, Entry

CUT: Final = 16
FEE_MINOR: Final = 600
OLD_DAYS: Final = 20
LIMIT_DAYS: Final = 3


def _join(*cases: Case) -> Case:
    whole = Case()
    for case in cases:
        whole.entries += case.entries
        whole.groups += case.groups
        whole.breaks += case.breaks
        whole.proposals += case.proposals
    return whole


def _other_party(forge: Forge, mould: Mould) -> tuple[str, str]:
    place = next(i for i, firm in enumerate(FIRMS) if firm == mould.party)
    return FIRMS[(place + 1 + forge.below(len(FIRMS) - 1)) % len(FIRMS)]


def tied_dates(forge: Forge, place: Place) -> Case:
    """One key and amount on two days on both sides, and an older third on one: equal dates pair."""
    mould = forge.mould(place.day)
    days = (forge.before(place.day, 1), place.day)
    pairs = []
    for day in days:
        dates = {"booking_date": day, "value_date": day}
        pairs.append(
            matched(place, (forge.cast(S, mould, **dates),), (forge.cast(O, mould, **dates),))
        )
    older = forge.before(place.day, 2)
    extra = forge.cast(S, mould, booking_date=older, value_date=older)
    return _join(*pairs, alone(BreakKind.DUPLICATE, place, S, extra))


def coincident(forge: Forge, place: Place) -> Case:
    """Two strangers of one amount and day, one on each side: references and accounts differ."""
    mould = forge.mould(place.day)
    name, account = _other_party(forge, mould)
    servicer = forge.cast(S, mould)
    owner = forge.cast(
        O, mould, references=forge.key(), counterparty_name=name, counterparty_account=account
    )
    return _join(
        alone(BreakKind.TIMING, place, S, servicer), alone(BreakKind.TIMING, place, O, owner)
    )


def coincident_accounts(forge: Forge, place: Place) -> Case:
    """The same without references: only the accounts tell them apart, so nobody confirms."""
    mould = forge.mould(place.day, keyed=False)
    name, account = _other_party(forge, mould)
    servicer = forge.cast(S, mould)
    owner = forge.cast(O, mould, counterparty_name=name, counterparty_account=account)
    case = _join(
        alone(BreakKind.TIMING, place, S, servicer), alone(BreakKind.TIMING, place, O, owner)
    )
    case.proposals.append((place.run, refs_of((servicer,), (owner,))))
    return case


def recurring(forge: Forge, place: Place) -> Case:
    """A reference used every month: this month's pair, and an old item of one side beside it."""
    mould = forge.mould(place.day)
    servicer, owner = forge.both(mould)
    day = forge.before(place.day, OLD_DAYS)
    old = forge.cast(S, mould, booking_date=day, value_date=None)
    return _join(matched(place, (servicer,), (owner,)), alone(BreakKind.DUPLICATE, place, S, old))


def same_day_twins(forge: Forge, place: Place) -> Case:
    """Two payments of one party, amount and day: their references tell them apart."""
    mould, again = forge.mould(place.day), forge.key()
    return _join(
        matched(place, *((entry,) for entry in forge.both(mould))),
        matched(
            place,
            (forge.cast(S, mould, references=again),),
            (forge.cast(O, mould, references=again),),
        ),
    )


def _e2e(text: str) -> References:
    return ((int(Carrier.END_TO_END_ID), text),)


def truncated(forge: Forge, place: Place) -> Case:
    """The bank's system cuts the reference: another value, found by terms that cut both."""
    mould = forge.mould(place.day, keyed=False)
    full = f"CUT{forge.special_minor():013d}TAIL"
    servicer = forge.cast(S, mould, references=_e2e(full[:CUT]))
    owner = forge.cast(O, mould, references=_e2e(full))
    if forge.opted:
        return matched(place, (servicer,), (owner,))
    return near(BreakKind.REFERENCE, place, servicer, owner)


def embedded(forge: Forge, place: Place) -> Case:
    """The order's number stands in the bank's remittance text, and nothing else is shared."""
    mould = forge.mould(place.day, keyed=False)
    number = f"INV{forge.special_minor():012d}"
    servicer = forge.cast(
        S, mould, remittance=f"invoice {number} settled", counterparty_account=None
    )
    owner = forge.cast(
        O, mould, references=((int(Carrier.ORDER_NO), number),), counterparty_name=None
    )
    if forge.opted:
        return matched(place, (servicer,), (owner,))
    case = near(BreakKind.REFERENCE, place, servicer, owner)
    case.proposals.append((place.run, refs_of((servicer,), (owner,))))
    return case


def split_payout(forge: Forge, place: Place) -> Case:
    """One order paid in three parts under its number; the default terms pair one to one only."""
    mould = forge.mould(place.day, keyed=False)
    number = ((int(Carrier.ORDER_NO), f"ORD{forge.special_minor():012d}"),)
    sizes = [forge.special_minor() for _ in range(3)]
    parts = tuple(forge.cast(S, mould, amount_minor=size, references=number) for size in sizes)
    whole = forge.cast(O, mould, amount_minor=sum(sizes), references=number)
    if forge.opted:
        return matched(place, parts, (whole,))
    return _join(
        near(BreakKind.AMOUNT, place, parts[0], whole),
        *(alone(BreakKind.TIMING, place, S, part) for part in parts[1:]),
    )


def fee_unstated(forge: Forge, place: Place) -> Case:
    """The bank booked net of a fee that no line states: only a schedule explains it."""
    mould = forge.mould(place.day)
    owner = forge.cast(O, mould)
    servicer = forge.cast(S, mould, amount_minor=mould.amount_minor - FEE_MINOR)
    if forge.opted:
        return matched(place, (servicer,), (owner,))
    return near(BreakKind.AMOUNT, place, servicer, owner)


def two_currencies(forge: Forge, place: Place) -> Case:
    """One key and figure in two currencies: each pairs in its own."""
    mould = forge.mould(place.day)
    return _join(
        *(
            matched(
                place,
                (forge.cast(S, mould, currency=code),),
                (forge.cast(O, mould, currency=code),),
            )
            for code in ("CNY", "USD")
        )
    )


def over_holidays(forge: Forge, place: Place) -> Case:
    """Value dates three business days apart over a holiday: many calendar days, one group."""
    mould = forge.mould(place.day)
    return matched(
        place, *((entry,) for entry in forge.both(mould, value_date=_ago(forge, place, 0)))
    )


def beyond_holidays(forge: Forge, place: Place) -> Case:
    """One business day more is too far."""
    mould = forge.mould(place.day)
    pair = forge.both(mould, value_date=_ago(forge, place, 1))
    return near(BreakKind.VALUE_DATE, place, *pair)


def _ago(forge: Forge, place: Place, more: int) -> int:
    return forge.before(place.day, LIMIT_DAYS + more)


def sums(forge: Forge, place: Place) -> Case:
    """Two payments against two others of one account, equal in sum alone."""
    mould = forge.mould(place.day, keyed=False)
    first, second = forge.special_minor(), forge.special_minor()
    moved = 311
    sides: list[tuple[Entry, ...]] = [
        tuple(forge.cast(side, mould, amount_minor=size) for size in sizes)
        for side, sizes in ((S, (first, second)), (O, (first - moved, second + moved)))
    ]
    if forge.opted:
        return matched(place, *sides)
    case = Case()
    for side, entries in zip((S, O), sides, strict=True):
        case.add(place.run, *entries, side=side)
        for entry in entries:
            refs = refs_of((entry,)) if side is S else refs_of((), (entry,))
            case.breaks.append(OpenCase(BreakKind.TIMING, refs, mould.day, place.run))
    return case


HARD_CASES: Final[tuple[Make, ...]] = (
    tied_dates,
    coincident,
    coincident_accounts,
    recurring,
    same_day_twins,
    truncated,
    embedded,
    split_payout,
    fee_unstated,
    two_currencies,
    over_holidays,
    beyond_holidays,
    sums,
)
