"""Breaks without entries: a balance identity that fails, a statement that is missing.

They never enter the proof amount, so they have no signed amount.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from reconcile.matching.keys import bare_break_key
from reconcile.matching.run_input import Matched, RunInput
from reconcile.model import BalanceBasis, Break, BreakKind, Side


def bare_breaks(run: RunInput, matched: Matched) -> Iterator[Break]:
    """Yield BALANCE per side and currency, STATEMENT_GAP per side."""
    for side in Side:
        for currency in unbalanced(run, matched, side):
            yield _bare(run, BreakKind.BALANCE, side, currency)
        if run.book(side).gaps:
            yield _bare(run, BreakKind.STATEMENT_GAP, side, "")


def unbalanced(run: RunInput, matched: Matched, side: Side) -> tuple[str, ...]:
    """Return the currencies where opening + IN - OUT is not the closing.

    Asked only where both balances are known from a source: a derived one proves nothing.
    """
    book, moved = run.book(side), moved_minor(run, matched, side)
    failing = []
    for currency in sorted(book.opening.keys() & book.closing.keys()):
        opening, closing = book.opening[currency], book.closing[currency]
        if BalanceBasis.DERIVED in {opening.basis, closing.basis}:
            continue
        if opening.signed_minor + moved.get(currency, 0) != closing.signed_minor:
            failing.append(currency)
    return tuple(failing)


def moved_minor(run: RunInput, matched: Matched, side: Side) -> Mapping[str, int]:
    """Return per currency what moved a side's balance in this run, IN + and OUT -.

    An entry counts where it first moves: a carried one that moved already does not count again,
    and an amendment of a settled one never does.
    """
    book = run.book(side)
    before = {item.entry.entry_ref for item in book.carried if item.entry.moving}
    totals: dict[str, int] = defaultdict(int)
    known = matched.entries[side]
    for ref in {entry.entry_ref for entry in book.entries} - before:
        current = known.get(ref)
        if current is not None and current.moving:
            totals[current.currency] += current.signed_minor
    return totals


def _bare(run: RunInput, kind: BreakKind, side: Side, currency: str) -> Break:
    return Break(
        key=bare_break_key(run.agreement, kind, side, currency, run.window),
        kind=kind,
        servicer=(),
        owner=(),
        signed=(),
        age_days=0,
    )
