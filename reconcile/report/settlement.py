"""CLEARING: counts and sums per settlement date, session and business type.

Where a clearing house settles net, there is no running balance: both sides' counts and sums agree
in every line, or the open breaks explain the difference. The net of a settlement entry (kind
`SETTLEMENT`, linked by group_ref) is sum IN - sum OUT - fees of its parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reconcile.model import Entry, MatchGroup, Side, day_iso
from reconcile.report.totals import Flow, Identity

SETTLEMENT: Final = "SETTLEMENT"


@dataclass(frozen=True, order=True, slots=True)
class Line:
    """What a clearing line is counted by; -1 and "" where the entry does not say."""

    settlement_date: int
    session: int
    business_type: str
    currency: str


def line_of(entry: Entry, other: Entry | None = None) -> Line:
    """Return an entry's line; what it leaves out, the entry it is grouped with says."""
    settled, session, kind = entry.settlement_date, entry.session, entry.business_type
    if other is not None:
        settled = other.settlement_date if settled is None else settled
        session = other.session if session is None else session
        kind = other.business_type if kind is None else kind
    return Line(
        settled if settled is not None else entry.booking_date,
        -1 if session is None else session,
        kind or "",
        entry.currency,
    )


def clearing_lines(
    fresh: tuple[Mapping[str, Entry], Mapping[str, Entry]],
    groups: Iterable[MatchGroup],
    open_refs: tuple[frozenset[str], frozenset[str]],
) -> list[dict[str, Any]]:
    """Return the clearing table: counts and sums of both sides, and whether breaks explain them.

    `open_refs`: refs in open breaks, by side.
    """
    mates: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
    for group in groups:
        if len(group.servicer) == 1 == len(group.owner):
            servicer = fresh[Side.SERVICER].get(group.servicer[0])
            owner = fresh[Side.OWNER].get(group.owner[0])
            if servicer is not None and owner is not None:
                mates[Side.SERVICER][servicer.entry_ref] = owner
                mates[Side.OWNER][owner.entry_ref] = servicer
    flows: dict[Line, tuple[Flow, Flow]] = defaultdict(lambda: (Flow(), Flow()))
    unmatched: dict[Line, int] = defaultdict(int)
    for side in Side:
        for ref, entry in fresh[side].items():
            line = line_of(entry, mates[side].get(ref))
            flows[line][side].add(entry)
            if ref in open_refs[side]:
                unmatched[line] += entry.signed_minor * (1 - 2 * side)
    return [_line_json(line, flows[line], unmatched[line]) for line in sorted(flows)]


def _line_json(line: Line, flows: tuple[Flow, Flow], unmatched: int) -> dict[str, Any]:
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
            }
            for side in Side
        },
        "difference_minor": str(servicer.net_minor - owner.net_minor),
        "breaks_minor": str(unmatched),
        "agrees": agrees,
    }


def settlement_identities(
    fresh: tuple[Mapping[str, Entry], Mapping[str, Entry]],
) -> tuple[Identity, ...]:
    """Return one line for each settlement entry whose parts stand in the same run and book.

    The entry pays out what its parts add up to, so it stands on the account with the opposite
    direction or beside it with the same; its size is what must agree.
    """
    lines = []
    for side in Side:
        parts: dict[str, int] = defaultdict(int)
        settled: list[Entry] = []
        for entry in [item for item in fresh[side].values() if item.group_ref is not None]:
            assert entry.group_ref is not None
            if entry.kind == SETTLEMENT:
                settled.append(entry)
            else:
                parts[entry.group_ref] += entry.signed_minor - (entry.fee_minor or 0)
        lines += [
            Identity(
                f"settlement {entry.group_ref}",
                side,
                entry.currency,
                abs(parts[entry.group_ref]),
                entry.amount_minor,
            )
            for entry in sorted(settled, key=lambda item: item.entry_ref)
            if entry.group_ref in parts
        ]
    return tuple(lines)
