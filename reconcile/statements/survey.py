"""What the checks of a statement need to know of its entries, gathered in one pass.

It grows by eight bytes an entry, so a statement can be checked without being held: sums, days,
the first lines of a currency, hashes of references, and how running balances follow each other.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field

from reconcile.model import MOVING_STATUSES, Direction
from reconcile.statements.drafts import MAX_CONTRADICTIONS, Draft


@dataclass(frozen=True, slots=True)
class Misfit:
    """A line whose running balance does not follow from its neighbour."""

    line: int
    due: int
    found: int


@dataclass(slots=True)
class Running:
    """Running balances in file order, judged as oldest first and as newest first."""

    rows: int = 0
    first: tuple[int, int, int] | None = None
    last: tuple[int, int, int] | None = None
    oldest_fits: int = 0
    newest_fits: int = 0
    oldest_count: int = 0
    newest_count: int = 0
    oldest: list[Misfit] = field(default_factory=list)
    newest: list[Misfit] = field(default_factory=list)
    last_line: int = 0

    def add(self, draft: Draft, running: int, moved: int) -> None:
        """Compare one line with the line above it."""
        self.rows += 1
        if self.last is None:
            self.first = (running, moved, draft.booking_date)
        else:
            before, before_moved, _ = self.last
            if before + moved == running:
                self.oldest_fits += 1
            else:
                self.oldest_count += 1
                _keep(self.oldest, Misfit(draft.line, before + moved, running))
            # Newest first, the line above is the later one.
            if running + before_moved == before:
                self.newest_fits += 1
            else:
                self.newest_count += 1
                _keep(self.newest, Misfit(self.last_line, running + before_moved, before))
        self.last = (running, moved, draft.booking_date)
        self.last_line = draft.line


@dataclass(slots=True)
class Survey:
    """Sums and extremes of a statement's entries, per currency where that matters."""

    count: int = 0
    moved: dict[str, int] = field(default_factory=dict)
    lines: dict[str, list[int]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    first_currency: str | None = None
    days: set[int] = field(default_factory=set)
    running: Running = field(default_factory=Running)
    refs: array[int] = field(default_factory=lambda: array("q"))

    def add(self, drafts: Iterable[Draft]) -> None:
        """Take the next entries in file order."""
        days, moved, counts, refs = self.days, self.moved, self.counts, self.refs
        for draft in drafts:
            code = draft.currency
            if code not in counts:
                self._begin(code)
            counts[code] += 1
            signed = 0
            if draft.status in MOVING_STATUSES:
                minor = draft.amount_minor
                signed = minor if draft.direction is Direction.IN else -minor
                moved[code] += signed
            lines = self.lines[code]
            if len(lines) < MAX_CONTRADICTIONS:
                lines.append(draft.line)
            if draft.running_minor is not None:
                self.running.add(draft, draft.running_minor, signed)
            days.add(draft.booking_date)
            if draft.source_ref is not None and not draft.named:
                refs.append(hash(draft.source_ref))
        self.count = sum(counts.values())

    def _begin(self, code: str) -> None:
        self.counts[code], self.moved[code], self.lines[code] = 0, 0, []
        if self.first_currency is None:
            self.first_currency = code


def _keep(kept: list[Misfit], one: Misfit) -> None:
    if len(kept) < MAX_CONTRADICTIONS:
        kept.append(one)
