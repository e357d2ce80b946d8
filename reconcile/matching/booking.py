"""Entries that book an open residual or a write-off: their group_ref is its subject, in hex.

Such an entry joins the group: it forms a one-sided group of its own whose residual cancels the
open amount, so that what stays open is their sum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import compress
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable, places_where
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
    sides: Iterable[OpenSide], subjects: Subjects, left: Sequence[pa.Array] | None = None
) -> list[Booked]:
    """Take the entries that book one of these subjects, in the total order.

    `left`: by side the places that no group holds, where passes have run already.
    """
    if not subjects:
        return []
    booked = []
    for side in sides:
        found = [
            entry
            for place, entry in _naming(side.table, subjects)
            if place not in side.taken and entry.entry_ref not in side.held
        ]
        if left is not None:
            open_refs = side.table.column("entry_ref").take(left[side.side])
            found = _among(found, open_refs)
        for entry in sorted(found, key=total_order):
            subject, written_off = subjects[_named(entry)]
            minor = entry.signed_minor if side.side is Side.SERVICER else -entry.signed_minor
            booked.append(
                Booked(subject, side.side, entry.entry_ref, entry.currency, minor, written_off)
            )
            side.look_up((entry.entry_ref,))
            side.take((entry.entry_ref,))
    return booked


def _naming(table: EntryTable, subjects: Subjects) -> list[tuple[int, Entry]]:
    """Return the balance-moving entries whose group_ref is a subject, with their places."""
    named = pa.array(sorted({subject for subject, _ in subjects}), pa.string())
    refs = pc.ascii_lower(table.column("group_ref"))
    places = places_where(pc.is_in(refs, value_set=named)).to_pylist()
    rows = zip(places, table.at(places), strict=True)
    return [(place, item) for place, item in rows if item.moving and _named(item) in subjects]


def _among(entries: Sequence[Entry], refs: pa.Array) -> list[Entry]:
    named = pa.array([entry.entry_ref for entry in entries], pa.string())
    return list(compress(entries, pc.is_in(named, value_set=refs).to_pylist()))


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
