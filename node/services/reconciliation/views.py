"""What the reconciliation service answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from reconcile.model import AgreementKind, Break, MatchGroup, Proposal
from reconcile.report import AdjustmentSheet

OPEN = "OPEN"
PROVISIONAL = "PROVISIONAL"
CLOSED_BY_US = "CLOSED_BY_US"
CLOSED_BY_THEM = "CLOSED_BY_THEM"
CLOSED = "CLOSED"
PROVEN = "PROVEN"
ATTESTED = "ATTESTED"
AWAITING_US = "AWAITING_US"
AGREED = "AGREED"
DIFFERS = "DIFFERS"
UNANSWERED = "UNANSWERED"
ONE_SIDED = "ONE_SIDED"
NOT_COMPUTED = "NOT_COMPUTED"
SETTLED_STATES = frozenset({AGREED, ONE_SIDED})


@dataclass(frozen=True, slots=True)
class RunView:
    """A run that was just made."""

    agreement: bytes
    window: int
    provisional: bool
    digest: bytes
    complete: bool
    balance_proven: bool
    entries: tuple[int, int]
    groups: int
    breaks: tuple[Break, ...]
    timing_ms: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Latency:
    """T+0 latency: a batch posted (its block's time where another side's) to rows written."""

    count: int
    p50_ms: int | None
    p99_ms: int | None


@dataclass(frozen=True, slots=True)
class WindowStatus:
    """One agreement × window. `breaks` counts by kind; `proof` is per currency.

    `basis` is the weaker balance basis of both sides; None before any run. `refusal`: why the
    engine computes nothing (state NOT_COMPUTED), and what to do.
    """

    agreement: bytes
    label: str
    kind: AgreementKind
    window: int
    day_iso: str
    servicer_entries: int
    owner_entries: int
    matched_groups: int
    matched_entries: int
    breaks: tuple[tuple[str, int], ...]
    open_breaks: int
    oldest_days: int
    proof: tuple[tuple[str, int], ...]
    balance_proven: bool
    complete: bool
    basis: str | None
    latency: Latency
    digest: bytes | None
    their_digest: bytes | None
    state: str
    close_at_ms: int | None
    attested: tuple[bool, bool]
    differing_sections: tuple[str, ...] = ()
    refusal: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the row for `kanhe status --json`."""
        return {
            "agreement": self.agreement.hex(),
            "label": self.label,
            "kind": self.kind.name,
            "window": str(self.window),
            "day": self.day_iso,
            "entries": {
                "servicer": str(self.servicer_entries),
                "owner": str(self.owner_entries),
            },
            "groups": str(self.matched_groups),
            "matched_entries": str(self.matched_entries),
            "breaks": {kind: str(count) for kind, count in self.breaks},
            "open_breaks": str(self.open_breaks),
            "oldest_days": str(self.oldest_days),
            "proof": [{"currency": code, "minor": str(minor)} for code, minor in self.proof],
            "balance_proven": self.balance_proven,
            "complete": self.complete,
            "basis": self.basis,
            "latency_ms": {
                "count": str(self.latency.count),
                "p50": self.latency.p50_ms,
                "p99": self.latency.p99_ms,
            },
            "digest": None if self.digest is None else self.digest.hex(),
            "their_digest": None if self.their_digest is None else self.their_digest.hex(),
            "state": self.state,
            "refusal": self.refusal,
            "close_at_ms": None if self.close_at_ms is None else str(self.close_at_ms),
            "attested": {"servicer": self.attested[0], "owner": self.attested[1]},
            "differing_sections": list(self.differing_sections),
        }


@dataclass(frozen=True, slots=True)
class StoredReport:
    """A stored proof: the digested report, and what travels beside it."""

    window: int
    digest: bytes
    state: str
    report: Mapping[str, Any]
    groups: tuple[MatchGroup, ...]
    proposals: tuple[Mapping[str, Any], ...]
    signature: bytes | None
    signer: bytes | None
    revision: int | None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """余额调节表 of a stored proof; the persons are this side's, empty where nobody acted."""

    stored: StoredReport
    sheets: tuple[AdjustmentSheet, ...]
    agreed: bool
    prepared_by: str
    reviewed_by: str


@dataclass(frozen=True, slots=True)
class TodayTotals:
    """The first line of the desk: over every agreement's newest run."""

    agreements: int
    entries: int
    matched_entries: int
    open_breaks: int
    unexplained: tuple[tuple[str, int], ...]
    waiting_for_us: int


__all__ = [
    "Adjustment",
    "Break",
    "Latency",
    "MatchGroup",
    "Proposal",
    "RunView",
    "StoredReport",
    "TodayTotals",
    "WindowStatus",
]
