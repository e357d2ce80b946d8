"""The proof of a run: totals and identities by currency, and the breaks of those that fail."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reconcile.matching.keys import bare_break_key
from reconcile.matching.run_input import RunInput
from reconcile.model import Break, BreakKind, Side
from reconcile.report.totals import (
    BALANCE_KINDS,
    CurrencyTotals,
    Explained,
    Flow,
    Identity,
    Transit,
    currency_totals,
    identities_of,
)

__all__ = ["BALANCE_KINDS", "Proof", "prove"]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a run proves; `breaks`: BALANCE and STATEMENT_GAP alone."""

    totals: tuple[CurrencyTotals, ...]
    identities: tuple[Identity, ...]
    breaks: tuple[Break, ...]
    complete: bool
    balance_proven: bool


def prove(
    run: RunInput,
    flows: tuple[Mapping[str, Flow], Mapping[str, Flow]],
    explained: Explained,
    transit: Transit,
    settlements: tuple[Identity, ...],
) -> Proof:
    """Add up each currency and hold every identity against what was found."""
    totals = currency_totals(run, flows, explained, transit)
    identities = identities_of(run, totals) + settlements
    complete = all(line.holds for line in identities)
    stated = bool(totals) and all(place.proven for row in totals for place in row.positions)
    return Proof(
        totals, identities, _balance_breaks(run, identities), complete, complete and stated
    )


def _balance_breaks(run: RunInput, identities: Sequence[Identity]) -> tuple[Break, ...]:
    """Return BALANCE and STATEMENT_GAP: one each for every side and currency that fails.

    A proof amount that is not zero is a break of its own only where no side's own identity fails:
    otherwise it is the same difference again.
    """
    failed = [line for line in identities if not line.holds]
    own = {line.currency for line in failed if line.side is not None and line.name != "gapless"}
    found: dict[bytes, Break] = {}
    for line in failed:
        if line.side is None and line.currency in own:
            continue
        kind = BreakKind.STATEMENT_GAP if line.name == "gapless" else BreakKind.BALANCE
        side = Side.SERVICER if line.side is None else line.side
        key = bare_break_key(run.agreement, kind, side, line.currency, run.window)
        # The first line that fails is the one to ask about: the opening before the flow.
        found.setdefault(
            key,
            Break(
                key=key,
                kind=kind,
                servicer=(),
                owner=(),
                signed=((line.currency, 0),) if line.currency else (),
                age_days=0,
                side=line.side,
                unexplained_minor=line.found_minor - line.expected_minor,
            ),
        )
    return tuple(found.values())
