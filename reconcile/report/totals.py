"""Totals and identities per side and currency (matching.md, "Identities").

For each side: opening + sum IN - sum OUT = closing. Between the sides, per currency, the proof
amount = (servicer's closing - owner's closing) - open breaks - open residuals - written off but
not yet booked. It is zero when the difference of the two closings is explained to the last cent.

An entry counts where it first moves the balance: not again when it is amended, carried or taken
out of a group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from reconcile.entries import EntryTable
from reconcile.matching.groups import WIDE
from reconcile.matching.run_input import RunInput
from reconcile.matching.table import moving_column
from reconcile.model import MAX_AMOUNT_MINOR, Balance, BalanceBasis, Break, BreakKind, Side

# Found by an identity, not by entries: they never enter the proof amount.
BALANCE_KINDS: Final = frozenset({BreakKind.BALANCE, BreakKind.STATEMENT_GAP})


@dataclass(slots=True)
class Flow:
    """One side's turnover in one currency, minor units; gross counts reversals as movements."""

    count: int = 0
    in_minor: int = 0
    out_minor: int = 0
    reversed_in_minor: int = 0
    reversed_out_minor: int = 0

    @property
    def net_minor(self) -> int:
        """Return sum IN - sum OUT."""
        return self.in_minor - self.out_minor


@dataclass(frozen=True, slots=True)
class Position:
    """One side's opening and closing in one currency, signed, each with its basis."""

    opening_minor: int
    opening_basis: BalanceBasis
    closing_minor: int
    closing_basis: BalanceBasis

    @property
    def proven(self) -> bool:
        """Say whether both balances come from the source and not from the entries themselves."""
        return BalanceBasis.DERIVED not in {self.opening_basis, self.closing_basis}


@dataclass(frozen=True, slots=True)
class Identity:
    """One line of the proof: what was expected, what was found."""

    name: str
    side: Side | None
    currency: str
    expected_minor: int
    found_minor: int
    basis: str = ""

    @property
    def holds(self) -> bool:
        """Say whether the line agrees."""
        return self.expected_minor == self.found_minor

    def to_json(self) -> dict[str, Any]:
        """Return the line as it stands in the report."""
        return {
            "name": self.name,
            "side": None if self.side is None else self.side.word,
            "currency": self.currency,
            "expected_minor": str(self.expected_minor),
            "found_minor": str(self.found_minor),
            "basis": self.basis,
            "holds": self.holds,
        }


@dataclass(frozen=True, slots=True)
class CurrencyTotals:
    """Both sides' turnover and balances in one currency, and what explains their difference."""

    currency: str
    digits: int
    flows: tuple[Flow, Flow]
    positions: tuple[Position, Position]
    breaks_minor: int
    residual_minor: int
    written_off_minor: int

    @property
    def proof_minor(self) -> int:
        """Return the balance difference that nothing explains."""
        servicer, owner = self.positions
        return (
            servicer.closing_minor
            - owner.closing_minor
            - self.breaks_minor
            - self.residual_minor
            - self.written_off_minor
        )


def fresh_rows(run: RunInput, side: Side, entries: EntryTable) -> pa.Array:
    """Say which of a side's entries move the balance for the first time in this run.

    `entries`: every entry of the run, each ref once, as matching left them.
    """
    before = set(run.settled[side])
    for agreed in run.agreed_groups:
        before.update(agreed.refs[side])
    before.update(item.entry.entry_ref for item in run.book(side).carried if item.entry.moving)
    moving = moving_column(entries)
    if not before:
        return moving
    seen = pc.is_in(entries.column("entry_ref"), value_set=pa.array(sorted(before)))
    return pc.and_not(moving, seen)


def flows_of(entries: EntryTable) -> dict[str, Flow]:
    """Return the turnover by currency of entries that move the balance."""
    return {code: flow for (code,), flow in flows_by([entries.column("currency")], entries).items()}


def flows_by(keys: Sequence[pa.Array], entries: EntryTable) -> dict[tuple[Any, ...], Flow]:
    """Return the turnover of entries for each combination of keys that occurs."""
    amounts = entries.column("amount_minor")
    if (pc.max(amounts).as_py() or 0) * len(entries) > MAX_AMOUNT_MINOR:
        # Sums of int64 outgrow one: they are added up in 38 digits.
        amounts = amounts.cast(WIDE)
    rows = pa.table(
        [*keys, amounts, *(entries.column(name) for name in ("direction", "is_reversal"))],
        names=[*map(str, range(len(keys))), "amount", "direction", "is_reversal"],
    )
    parts = [*rows.column_names[: len(keys)], "direction", "is_reversal"]
    sums = rows.group_by(parts).aggregate([("amount", "sum"), ("amount", "count")])
    flows: dict[tuple[Any, ...], Flow] = defaultdict(Flow)
    for row in sums.to_pylist():
        flow, minor = flows[tuple(row[name] for name in parts[:-2])], int(row["amount_sum"])
        flow.count += row["amount_count"]
        flow.out_minor += minor if row["direction"] else 0
        flow.in_minor += 0 if row["direction"] else minor
        if row["is_reversal"]:
            flow.reversed_out_minor += minor if row["direction"] else 0
            flow.reversed_in_minor += 0 if row["direction"] else minor
    return dict(flows)


@dataclass(slots=True)
class Explained:
    """What explains the difference of the closings, by currency, signed minor units."""

    breaks: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    residuals: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    written_off: dict[str, int] = field(default_factory=lambda: defaultdict(int))


class Transit(NamedTuple):
    """What was open when the run began, by currency; `carried`: the currencies of carried items.

    `minor`: the servicer's minus the owner's opening as the last report explained it.
    """

    minor: Mapping[str, int]
    carried: frozenset[str]


def in_transit(run: RunInput) -> Transit:
    """Return what the last report left open."""
    minor: dict[str, int] = defaultdict(int)
    for left in run.residuals:
        minor[left.currency] += left.minor
    for off in run.written_off:
        minor[off.currency] += off.minor
    carried: set[str] = set()
    for side, sign in ((Side.SERVICER, 1), (Side.OWNER, -1)):
        for item in run.book(side).carried:
            carried.add(item.entry.currency)
            minor[item.entry.currency] += sign * item.entry.signed_minor * item.entry.moving
    return Transit(minor, frozenset(carried))


def positions_of(
    run: RunInput, currency: str, flows: tuple[Flow, Flow], transit: int
) -> tuple[Position, Position]:
    """Return both sides' balances; what a source does not state is derived and marked so.

    A missing balance follows from the side's other one and its turnover. A side without any
    opens where the other side and the items in transit put it, else at zero: that proves nothing.
    """
    known = [
        _stated(run.book(side).opening.get(currency), run.book(side).closing.get(currency), flow)
        for side, flow in zip(Side, flows, strict=True)
    ]
    servicer, owner = known
    if owner is None:
        base = 0 if servicer is None else servicer.opening_minor - transit
        owner = _derived(base, flows[Side.OWNER])
    if servicer is None:
        servicer = _derived(owner.opening_minor + transit, flows[Side.SERVICER])
    return servicer, owner


def _stated(opening: Balance | None, closing: Balance | None, flow: Flow) -> Position | None:
    derived = BalanceBasis.DERIVED
    if closing is not None and closing.basis is derived:
        # It was added up from entries; what this run reads is what counts.
        closing = None
    if opening is None and closing is None:
        return None
    if opening is None:
        assert closing is not None
        start = closing.signed_minor - flow.net_minor
        return Position(start, derived, closing.signed_minor, closing.basis)
    if closing is None:
        end = opening.signed_minor + flow.net_minor
        return Position(opening.signed_minor, opening.basis, end, derived)
    return Position(opening.signed_minor, opening.basis, closing.signed_minor, closing.basis)


def _derived(opening_minor: int, flow: Flow) -> Position:
    derived = BalanceBasis.DERIVED
    return Position(opening_minor, derived, opening_minor + flow.net_minor, derived)


def currency_totals(
    run: RunInput,
    flows: tuple[Mapping[str, Flow], Mapping[str, Flow]],
    explained: Explained,
    transit: Transit,
) -> tuple[CurrencyTotals, ...]:
    """Return the totals of every currency that occurs, by its code."""
    names = transit.carried | {name for side in Side for name in flows[side]}
    for side in Side:
        book = run.book(side)
        names |= {*book.opening, *book.closing}
    names |= {*explained.breaks, *explained.residuals, *explained.written_off}
    totals = []
    for currency in sorted(names):
        pair = (
            flows[Side.SERVICER].get(currency, Flow()),
            flows[Side.OWNER].get(currency, Flow()),
        )
        totals.append(
            CurrencyTotals(
                currency=currency,
                digits=run.terms.currencies.get(currency, 0),
                flows=pair,
                positions=positions_of(run, currency, pair, transit.minor.get(currency, 0)),
                breaks_minor=explained.breaks.get(currency, 0),
                residual_minor=explained.residuals.get(currency, 0),
                written_off_minor=explained.written_off.get(currency, 0),
            )
        )
    return tuple(totals)


def identities_of(run: RunInput, totals: Iterable[CurrencyTotals]) -> tuple[Identity, ...]:
    """Return every identity of the run, line by line: by currency, then the sides' own streams."""
    lines: list[Identity] = []
    for row in totals:
        for side in Side:
            place, flow = row.positions[side], row.flows[side]
            before = run.book(side).previous_closing.get(row.currency)
            if before is not None:
                lines.append(
                    Identity(
                        "opening",
                        side,
                        row.currency,
                        before.signed_minor,
                        place.opening_minor,
                        str(place.opening_basis),
                    )
                )
            lines.append(
                Identity(
                    "flow",
                    side,
                    row.currency,
                    place.opening_minor + flow.net_minor,
                    place.closing_minor,
                    str(BalanceBasis.DERIVED if not place.proven else place.closing_basis),
                )
            )
        lines.append(Identity("proof", None, row.currency, 0, row.proof_minor))
    lines += [Identity("gapless", side, "", 0, len(run.book(side).gaps)) for side in Side]
    return tuple(lines)


def explained_by(
    breaks: Iterable[Break], residuals: Iterable[tuple[str, int]], off: Iterable[tuple[str, int]]
) -> Explained:
    """Sum what explains the closing difference; residuals and write-offs as (currency, minor)."""
    found = Explained()
    for item in breaks:
        if item.kind not in BALANCE_KINDS:
            for currency, minor in item.signed:
                found.breaks[currency] += minor
    for currency, minor in residuals:
        found.residuals[currency] += minor
    for currency, minor in off:
        found.written_off[currency] += minor
    return found
