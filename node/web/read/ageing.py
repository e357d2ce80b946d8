"""Open breaks by kind and age: how many, how much, and how old the oldest is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import MatchRun, RunBreak
from reconcile.model import BreakKind, UsageError

SORTS: Final = ("kind", "count", "oldest", "amount")


@dataclass(frozen=True, slots=True)
class Bucket:
    """A span of ages in business days; `last` None: no end."""

    first: int
    last: int | None

    @property
    def word(self) -> str:
        """Return the span as it stands in addresses and tables: `0`, `2-3`, `31-`."""
        if self.last is None:
            return f"{self.first}-"
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"

    def holds(self, age_days: int) -> bool:
        """Say whether an age falls into it."""
        return self.first <= age_days and (self.last is None or age_days <= self.last)


BUCKETS: Final = (
    Bucket(0, 0),
    Bucket(1, 1),
    Bucket(2, 3),
    Bucket(4, 5),
    Bucket(6, 10),
    Bucket(11, 30),
    Bucket(31, None),
)


def bucket_of_words(text: str | None) -> Bucket | None:
    """Return the span that an address names, None for all; UsageError AGE_UNKNOWN."""
    if not text:
        return None
    found = {bucket.word: bucket for bucket in BUCKETS}.get(text)
    if found is None:
        raise UsageError(
            "AGE_UNKNOWN",
            f"{text!r} is no span of ages",
            help=", ".join(bucket.word for bucket in BUCKETS),
        )
    return found


@dataclass(slots=True)
class AgeCell:
    """Breaks of one kind and age; `sums`: absolute amounts by currency, minor units."""

    count: int = 0
    sums: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add(self, signed: Sequence[Sequence[str]]) -> None:
        """Count one break."""
        self.count += 1
        for currency, minor in signed:
            self.sums[currency] += abs(int(minor))


@dataclass(frozen=True, slots=True)
class AgeRow:
    """One kind of break of one agreement, by age, and in all."""

    agreement: bytes
    window: int
    kind: BreakKind
    cells: tuple[AgeCell, ...]
    total: AgeCell
    oldest_days: int


def load_ageing(
    session: Session,
    runs: Mapping[bytes, int],
    *,
    kind: BreakKind | None = None,
    sort: str = "kind",
) -> tuple[AgeRow, ...]:
    """Return the ageing of the runs that show each agreement's open breaks.

    `sort`: kind, count (most first), oldest, or amount (largest sum in any currency first).
    """
    query = (
        select(
            MatchRun.agreement, MatchRun.window, RunBreak.kind, RunBreak.age_days, RunBreak.signed
        )
        .join(MatchRun, MatchRun.id == RunBreak.run_id)
        .where(RunBreak.run_id.in_(list(runs.values())))
        .order_by(RunBreak.run_id, RunBreak.kind)
    )
    if kind is not None:
        query = query.where(RunBreak.kind == kind.value)
    found: dict[tuple[bytes, int, str], tuple[list[AgeCell], AgeCell, list[int]]] = {}
    for agreement, window, name, age_days, signed in session.execute(query):
        cells, total, oldest = found.setdefault(
            (agreement, window, name), ([AgeCell() for _ in BUCKETS], AgeCell(), [0])
        )
        place = next(n for n, bucket in enumerate(BUCKETS) if bucket.holds(age_days))
        cells[place].add(signed)
        total.add(signed)
        oldest[0] = max(oldest[0], age_days)
    rows = [
        AgeRow(agreement, window, BreakKind(name), tuple(cells), total, oldest[0])
        for (agreement, window, name), (cells, total, oldest) in found.items()
    ]
    return tuple(_sorted(rows, sort))


def _sorted(rows: list[AgeRow], sort: str) -> list[AgeRow]:
    if sort == "count":
        return sorted(rows, key=lambda row: -row.total.count)
    if sort == "oldest":
        return sorted(rows, key=lambda row: -row.oldest_days)
    if sort == "amount":
        return sorted(rows, key=lambda row: -max(row.total.sums.values(), default=0))
    if sort != "kind":
        raise UsageError("SORT_UNKNOWN", f"{sort!r} is no order", help=", ".join(SORTS))
    return rows
