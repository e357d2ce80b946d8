"""What the break service answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from reconcile.model import Entry
from reconcile.report import entry_json


@dataclass(frozen=True, slots=True)
class BreakRow:
    """One break of a run; `signed` is the servicer's sum minus the owner's, per currency."""

    key: bytes
    kind: str
    window: int
    number: int
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    signed: tuple[tuple[str, int], ...]
    age_days: int
    marks: tuple[str, ...]
    also: tuple[str, ...]
    proposals: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the row as `interfaces.md` names a break."""
        return {
            "key": self.key.hex(),
            "kind": self.kind,
            "window": str(self.window),
            "servicer": list(self.servicer),
            "owner": list(self.owner),
            "signed": [{"currency": code, "minor": str(minor)} for code, minor in self.signed],
            "age_days": str(self.age_days),
            "marks": list(self.marks),
            "also": list(self.also),
            "proposals": list(self.proposals),
        }


@dataclass(frozen=True, slots=True)
class Tried:
    """What one pass made of the break's entries, and why it did not confirm them."""

    pass_name: str
    confirm: str
    verdict: str
    why: str


@dataclass(frozen=True, slots=True)
class ProposalRow:
    """Candidates that nobody confirmed."""

    key: bytes
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    servicer_count: int
    owner_count: int
    reason: str


@dataclass(frozen=True, slots=True)
class BreakDetail:
    """A break with both sides' entries; `differing` names fields that are not the same."""

    row: BreakRow
    servicer: tuple[Entry, ...]
    owner: tuple[Entry, ...]
    differing: tuple[str, ...]
    tried: tuple[Tried, ...]
    proposals: tuple[ProposalRow, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Return the object of `kanhe break show --json`."""
        return {
            **self.row.to_json(),
            "entries": {
                "servicer": [entry_json(entry) for entry in self.servicer],
                "owner": [entry_json(entry) for entry in self.owner],
            },
            "differing": list(self.differing),
            "tried": [
                {
                    "pass": item.pass_name,
                    "confirm": item.confirm,
                    "verdict": item.verdict,
                    "why": item.why,
                }
                for item in self.tried
            ],
            "says": self.sentence,
        }


@dataclass(frozen=True, slots=True)
class GroupRow:
    """A confirmed group of a run."""

    number: int
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    currency: str
    residual_minor: int


@dataclass(frozen=True, slots=True)
class DecisionView:
    """A decision: `state` DRAFTED, DONE (queued, sealed, posted), REJECTED or WITHDRAWN."""

    decision_id: int
    verdict: str
    subject: bytes
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    reason: str
    state: str
    maker: str
    made_at_ms: int
    checker: str | None
    checked_at_ms: int | None

    def to_json(self) -> dict[str, Any]:
        """Return the row for `--json`."""
        return {
            "id": str(self.decision_id),
            "verdict": self.verdict,
            "subject": self.subject.hex(),
            "servicer": list(self.servicer),
            "owner": list(self.owner),
            "reason": self.reason,
            "state": self.state,
            "maker": self.maker,
            "checker": self.checker,
        }
