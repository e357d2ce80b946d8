"""CLEARING: counts and sums per settlement date, session and business type.

Where a clearing house settles net, there is no running balance: both sides' counts and sums agree
in every line, or the open breaks explain the difference. The net of a settlement entry (kind
`SETTLEMENT`, linked by group_ref) is sum IN - sum OUT - fees of its parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable, places_where
from reconcile.matching.groups import WIDE
from reconcile.matching.run_input import Matched
from reconcile.matching.table import signed_column
from reconcile.model import Entry, Side, day_iso
from reconcile.report.totals import Flow, Identity, flows_by

SETTLEMENT: Final = "SETTLEMENT"


@dataclass(frozen=True, order=True, slots=True)
class Line:
    """What a clearing line is counted by; -1 and "" where the entry does not say."""

    settlement_date: int
    session: int
    business_type: str
    currency: str


def clearing_lines(
    matched: Matched,
    fresh: tuple[pa.Array, pa.Array],
    open_refs: tuple[frozenset[str], frozenset[str]],
) -> list[dict[str, Any]]:
    """Return the clearing table: counts and sums of both sides, and whether breaks explain them.

    `fresh`: which entries count, by side. `open_refs`: refs in open breaks, by side.
    """
    flows: dict[Line, tuple[Flow, Flow]] = defaultdict(lambda: (Flow(), Flow()))
    fees: dict[Line, list[int]] = defaultdict(lambda: [0, 0])
    unmatched: dict[Line, int] = defaultdict(int)
    for side in Side:
        places = places_where(fresh[side])
        keys = [column.take(places) for column in _line_columns(matched, fresh, side)]
        entries = matched.entries[side].take(places)
        for key, flow in flows_by(keys, entries).items():
            both = flows[Line(*key)]
            flows[Line(*key)] = (flow, both[1]) if side is Side.SERVICER else (both[0], flow)
        for key, fee_minor in _fees_by(keys, entries):
            fees[Line(*key)][side] = fee_minor
        names = pa.array(sorted(open_refs[side]), pa.string())
        found = places_where(pc.is_in(entries.column("entry_ref"), value_set=names))
        signed = signed_column(entries).take(found).to_pylist()
        lines = zip(*(column.take(found).to_pylist() for column in keys), strict=True)
        for key, minor in zip(lines, signed, strict=True):
            unmatched[Line(*key)] += minor * (1 - 2 * side)
    return [_line_json(line, flows[line], fees[line], unmatched[line]) for line in sorted(flows)]


def _fees_by(keys: list[pa.Array], entries: EntryTable) -> Iterator[tuple[tuple[Any, ...], int]]:
    """Yield what the entries of each combination of keys state as their fees."""
    names = [*map(str, range(len(keys)))]
    rows = pa.table([*keys, entries.column("fee_minor").cast(WIDE)], names=[*names, "fee"])
    for row in rows.group_by(names).aggregate([("fee", "sum")]).to_pylist():
        yield tuple(row[name] for name in names), int(row["fee_sum"] or 0)


def _line_columns(matched: Matched, fresh: tuple[pa.Array, pa.Array], side: Side) -> list[pa.Array]:
    """Return each entry's line; what it leaves out, the entry it is grouped with says."""
    entries, others = matched.entries[side], matched.entries[side.other]
    count = pc.and_(*(fresh[one].take(matched.mates[one]) for one in Side))
    mine, theirs = (matched.mates[one].filter(count) for one in (side, side.other))
    mate = theirs.take(pc.inverse_permutation(mine, max_index=len(entries) - 1))

    def said(name: str) -> pa.Array:
        return pc.coalesce(entries.column(name), others.column(name).take(mate))

    return [
        pc.coalesce(said("settlement_date"), entries.column("booking_date")),
        pc.coalesce(said("session"), pa.scalar(-1, pa.int8())),
        pc.coalesce(said("business_type"), pa.scalar("")),
        entries.column("currency"),
    ]


def _line_json(
    line: Line, flows: tuple[Flow, Flow], fees: Sequence[int], unmatched: int
) -> dict[str, Any]:
    servicer, owner = flows
    agrees = (servicer.count, servicer.in_minor, servicer.out_minor) == (
        owner.count,
        owner.in_minor,
        owner.out_minor,
    )
    return {
        "settlement_date": day_iso(line.settlement_date),
        "session": None if line.session < 0 else str(line.session),
        "business_type": line.business_type or None,
        "currency": line.currency,
        **{
            side.word: {
                "count": str(flows[side].count),
                "in_minor": str(flows[side].in_minor),
                "out_minor": str(flows[side].out_minor),
                "fee_minor": str(fees[side]),
                # What the line contributes to the position that is settled.
                "net_minor": str(flows[side].net_minor - fees[side]),
            }
            for side in Side
        },
        "difference_minor": str(servicer.net_minor - owner.net_minor),
        "breaks_minor": str(unmatched),
        "agrees": agrees,
    }


def settlement_identities(fresh: Sequence[EntryTable]) -> tuple[Identity, ...]:
    """Return one line for each settlement entry whose parts stand in the same run and book.

    The entry pays out what its parts add up to, so it stands on the account with the opposite
    direction or beside it with the same; its size is what must agree.
    """
    lines: list[Identity] = []
    for side, entries in zip(Side, fresh, strict=True):
        is_settlement = pc.equal(entries.column("kind"), pa.scalar(SETTLEMENT))
        named = pc.and_(pc.is_valid(entries.column("group_ref")), is_settlement)
        settled = entries.at(places_where(named).to_pylist())
        parts = _parts(entries, [item.group_ref or "" for item in settled]) if settled else {}
        lines += settlement_lines(side, settled, parts)
    return tuple(lines)


def settlement_lines(
    side: Side, settled: Sequence[Entry], parts: Mapping[tuple[str | None, str], int]
) -> list[Identity]:
    """Return a line for each settlement entry; `parts`: sums by group_ref and currency."""
    return [
        Identity(
            f"settlement {entry.group_ref}",
            side,
            entry.currency,
            abs(parts[entry.group_ref, entry.currency]),
            entry.amount_minor,
        )
        for entry in sorted(settled, key=lambda item: item.entry_ref)
        if (entry.group_ref, entry.currency) in parts
    ]


def _parts(entries: EntryTable, names: Sequence[str]) -> dict[tuple[str | None, str], int]:
    """Return by group_ref and currency what the entries it names, settlements apart, add up to."""
    refs = entries.column("group_ref")
    kinds = pc.coalesce(entries.column("kind"), pa.scalar(""))
    part = pc.and_(
        pc.is_in(refs, value_set=pa.array(names, pa.string())),
        pc.not_equal(kinds, pa.scalar(SETTLEMENT)),
    )
    fees = pc.coalesce(entries.column("fee_minor"), pa.scalar(0, pa.int64()))
    wide = pa.decimal128(19, 0)
    net = pc.subtract(signed_column(entries).cast(wide), fees.cast(wide)).cast(WIDE)
    codes = entries.column("currency").filter(part)
    sums = pa.table({"ref": refs.filter(part), "code": codes, "net": net.filter(part)})
    rows = sums.group_by(["ref", "code"]).aggregate([("net", "sum")]).to_pylist()
    return {(row["ref"], row["code"]): int(row["net_sum"]) for row in rows}
