"""Entries that book an open residual or a write-off: their group_ref is its subject, in hex.

Such an entry joins the group: it forms a one-sided group of its own whose residual cancels the
open amount, so that what stays open is their sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final

from reconcile.matching.opening import OpenSide, total_order
from reconcile.matching.run_input import Booked
from reconcile.model import Entry, MatchGroup, OpenResidual, Side, WrittenOff

BOOKING_PASS: Final = "booking"  # noqa: S105 - a name

Subjects = Mapping[tuple[str, str], tuple[bytes, bool]]


def subjects_of(residuals: Iterable[OpenResidual], written_off: Iterable[WrittenOff]) -> Subjects:
    """Return (hex of the subject, currency) -> (subject, whether it is a write-off)."""
    found = {(item.subject.hex(), item.currency): (item.subject, False) for item in residuals}
    found |= {(item.subject.hex(), item.currency): (item.subject, True) for item in written_off}
    return found


def take_bookings(
    sides: Iterable[OpenSide],
    subjects: Subjects,
    apart: tuple[set[str], set[str]] = (set(), set()),
) -> list[Booked]:
    """Take the entries that book one of these subjects, in the total order; `apart` are grouped."""
    if not subjects:
        return []
    booked = []
    for side in sides:
        found = [
            entry
            for ref, entry in side.entries.items()
            if booking_subject(entry, subjects) is not None
            and ref not in side.held
            and ref not in apart[side.side]
        ]
        for entry in sorted(found, key=total_order):
            subject, written_off = subjects[_named(entry)]
            minor = entry.signed_minor if side.side is Side.SERVICER else -entry.signed_minor
            booked.append(
                Booked(subject, side.side, entry.entry_ref, entry.currency, minor, written_off)
            )
            side.take((entry.entry_ref,))
    return booked


def booking_subject(entry: Entry, subjects: Subjects) -> bytes | None:
    """Return the subject that a balance-moving entry books, if any."""
    if entry.group_ref is None or not entry.moving:
        return None
    found = subjects.get(_named(entry))
    return None if found is None else found[0]


def _named(entry: Entry) -> tuple[str, str]:
    return ((entry.group_ref or "").lower(), entry.currency)


def booking_group(booked: Booked) -> MatchGroup:
    """Return the one-sided group of a booking entry."""
    refs = (booked.entry_ref,)
    servicer, owner = (refs, ()) if booked.side is Side.SERVICER else ((), refs)
    return MatchGroup(BOOKING_PASS, servicer, owner, booked.currency, booked.minor)


def open_residuals(
    before: Iterable[OpenResidual], booked: Iterable[Booked]
) -> tuple[OpenResidual, ...]:
    """Return what stays open of residuals after the bookings, in the order of their subjects."""
    totals: dict[tuple[bytes, str], int] = defaultdict(int)
    for item in before:
        totals[item.subject, item.currency] += item.minor
    for entry in booked:
        if not entry.written_off:
            totals[entry.subject, entry.currency] += entry.minor
    return tuple(
        OpenResidual(subject, currency, minor)
        for (subject, currency), minor in sorted(totals.items())
        if minor
    )


def open_written_off(
    before: Iterable[WrittenOff], booked: Iterable[Booked]
) -> tuple[WrittenOff, ...]:
    """Return what stays of write-offs after the bookings, in the order of their subjects."""
    totals: dict[tuple[bytes, bytes, str], int] = defaultdict(int)
    for item in before:
        totals[item.subject, item.break_key, item.currency] += item.minor
    for entry in booked:
        if entry.written_off:
            keys = [key for key in totals if (key[0], key[2]) == (entry.subject, entry.currency)]
            totals[min(keys)] += entry.minor
    return tuple(
        WrittenOff(subject, key, currency, minor)
        for (subject, key, currency), minor in sorted(totals.items())
        if minor
    )
