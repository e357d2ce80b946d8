"""How much a run may leave open, and how much its tolerance has used."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from reconcile.matching.engine import Engine
from reconcile.matching.source import TOLERANT
from reconcile.model import InputError, Where

# Each is a break of its own, about 6 kB with its place in the report: 12 GB.
MAX_OPEN: Final = 2_000_000


def require_listable(left: int, entries: int) -> None:
    """Refuse more open entries than a report can list; counted, so that all machines refuse alike.

    Raises InputError OPEN_TOO_MANY.
    """
    if left > MAX_OPEN:
        raise InputError(
            "OPEN_TOO_MANY",
            f"{left:,} of {entries:,} entries have no counterpart; a run lists at most "
            f"{MAX_OPEN:,}",
            where=Where(field="entries"),
            help="see that both books are there, of the same account and days, and that the "
            "passes compare a reference that both of them hold",
        )


def tolerant_residuals(engine: Engine) -> Mapping[str, int]:
    """Return per currency the sum of the absolute residuals that tolerant steps left."""
    totals: dict[str, int] = defaultdict(int)
    if any(TOLERANT in plan.loose_kinds for plan in engine.plans):
        totals.update(engine.steps.tolerant_residuals())
    for group in engine.groups:
        if group.kind == TOLERANT:
            totals[group.currency] += abs(group.residual_minor)
    return totals
