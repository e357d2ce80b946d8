"""Cases that match: one function for each way in which a group comes about."""

from __future__ import annotations

import msgspec

from devnet.scenario.forge import Forge
from devnet.scenario.shapes import (
    Case,
    O,
    Place,
    S,
    matched,
    payout,
)
from reconcile.model import Carrier, Direction


def one_to_many(forge: Forge, place: Place) -> Case:
    """One payout of the servicer against all its parts."""
    whole, parts = payout(forge, place)
    return matched(place, (whole,), tuple(parts))


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
    return matched(place, parts, (whole,))


def by_account(forge: Forge, place: Place) -> Case:
    """No key; amount and account have one candidate on each side."""
    servicer, owner = forge.both(forge.mould(place.day, keyed=False))
    return matched(place, (servicer,), (owner,))


def by_account_alike(forge: Forge, place: Place) -> Case:
    """Two interchangeable payments on each side pair in the order of their refs."""
    mould = forge.mould(place.day, keyed=False)
    case = Case()
    for _ in range(2):
        one = matched(place, *((entry,) for entry in forge.both(mould)))
        case.entries += one.entries
        case.groups += one.groups
    return case


def by_servicer_ref(forge: Forge, place: Place) -> Case:
    """The bank's own reference stands on its advice, so the owner has it too."""
    mould = forge.mould(place.day, keyed=False)
    known = ((int(Carrier.SERVICER_REF), f"ADV{forge.special_minor():012d}"),)
    servicer = forge.cast(S, mould, references=known, counterparty_account=None)
    owner = forge.cast(O, mould, references=known, counterparty_name=None)
    return matched(place, (servicer,), (owner,))


def by_voucher(forge: Forge, place: Place) -> Case:
    """The bank carries the enterprise's voucher number as its end-to-end reference."""
    mould = forge.mould(place.day, keyed=False)
    number = f"PAY{forge.special_minor():012d}"
    servicer = forge.cast(S, mould, references=((int(Carrier.END_TO_END_ID), number),))
    owner = forge.cast(O, mould, references=((int(Carrier.VOUCHER_NO), number),))
    return matched(place, (servicer,), (owner,))


def same_key_twice(forge: Forge, place: Place) -> Case:
    """One key and amount twice on both sides: k-th with k-th."""
    mould = forge.mould(place.day)
    case = Case()
    for _ in range(2):
        one = matched(place, *((entry,) for entry in forge.both(mould)))
        case.entries += one.entries
        case.groups += one.groups
    return case


def reversed_pair(forge: Forge, place: Place) -> Case:
    """A payment and its reversal, booked by both: two groups and a link each."""
    mould = forge.mould(place.day)
    servicer, owner = forge.both(mould)
    case = matched(place, (servicer,), (owner,))
    back = msgspec.structs.replace(
        servicer,
        entry_ref=forge.ref(S),
        direction=Direction(1 - servicer.direction),
        is_reversal=True,
        reversal_of=servicer.entry_ref,
        references=forge.key(),
    )
    mirror = msgspec.structs.replace(back, entry_ref=forge.ref(O), reversal_of=owner.entry_ref)
    one = matched(place, (back,), (mirror,))
    case.entries += one.entries
    case.groups += one.groups
    return case
