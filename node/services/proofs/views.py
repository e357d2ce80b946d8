"""What the proof service answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconcile.model import BreakKind


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One difference between the own core book and the own posted records.

    COMMITMENT (指纹不符): both have the ref, with other content in `field`; LEDGER_ONLY: posted
    but not in the book; BOOK_ONLY: in the book but not posted.
    """

    kind: BreakKind
    entry_ref: str
    field: str | None
    book: str | None
    ledger: str | None
    line: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the row for `kanhe audit --json`."""
        return {
            "kind": str(self.kind),
            "entry_ref": self.entry_ref,
            "field": self.field,
            "book": self.book,
            "ledger": self.ledger,
            "line": self.line,
        }


@dataclass(frozen=True, slots=True)
class AuditResult:
    """An audit: how many entries were compared, over which days, and every difference."""

    compared: int
    first_day: str | None
    last_day: str | None
    rows: tuple[AuditRow, ...]

    @property
    def ok(self) -> bool:
        """Say whether book and ledger agree."""
        return not self.rows

    def to_json(self) -> dict[str, Any]:
        """Return the object of `kanhe audit --json`."""
        return {
            "compared": str(self.compared),
            "first_day": self.first_day,
            "last_day": self.last_day,
            "ok": self.ok,
            "rows": [row.to_json() for row in self.rows],
        }
