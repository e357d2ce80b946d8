"""What the break service answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
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
    """What one pass made of the break's entries, and why it did not confirm them.

    `facts` are what the sentence `why` is made of, for who says it in another language.
    """

    pass_name: str
    confirm: str
    verdict: str
    why: str
    facts: tuple[str, ...] = ()


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
    """A decision: `state` DRAFTED, DONE (queued, sealed, posted), REJECTED or WITHDRAWN.

    `seen`: what its maker had before the eyes; `body_sha256` pins it with what is posted.
    `workbook`: SHA-256 of the file it came in, in hex.
    """

    decision_id: int
    agreement: bytes
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
    check_reason: str | None
    window: int | None
    body_sha256: bytes
    workbook: str | None
    seen: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the row for `--json`."""
        return {
            "id": str(self.decision_id),
            "agreement": self.agreement.hex(),
            "verdict": self.verdict,
            "subject": self.subject.hex(),
            "servicer": list(self.servicer),
            "owner": list(self.owner),
            "reason": self.reason,
            "state": self.state,
            "maker": self.maker,
            "checker": self.checker,
            "check_reason": self.check_reason,
            "window": None if self.window is None else str(self.window),
            "body_sha256": self.body_sha256.hex(),
            "workbook": self.workbook,
            "seen": dict(self.seen),
        }


class Listed(StrEnum):
    """What a row of a workbook shows, and so what its key names."""

    BREAK = "breaks"
    PROPOSAL = "proposals"
    GROUP = "groups"


@dataclass(frozen=True, slots=True)
class Wish:
    """One row that a maker filled in: a verdict with the reason.

    `row`: its line in the sheet, `cell`: where the verdict stands. `key`: of the break or the
    proposal; of a group, what a decision on it would be about. `proposal`: of a break, the one
    whose entries a confirmation is about. `number`: a group's in the run.
    """

    row: int
    key: bytes
    verdict: str
    reason: str
    proposal: bytes | None = None
    listed: Listed = Listed.BREAK
    number: int | None = None
    cell: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row: `decision` where it was taken, else why not.

    `cell`: the one that is wrong, or the verdict's; empty where no workbook was.
    """

    row: int
    key: str
    verdict: str
    decision: DecisionView | None = None
    code: str | None = None
    message: str = ""
    help: str = ""
    listed: Listed = Listed.BREAK
    cell: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row for `--json` and REST."""
        return {
            "row": self.row,
            "sheet": self.listed.value,
            "cell": self.cell,
            "key": self.key,
            "verdict": self.verdict,
            "id": None if self.decision is None else str(self.decision.decision_id),
            "error": None
            if self.code is None
            else {"code": self.code, "message": self.message, "help": self.help},
        }
