"""What the screening service answers; `to_json` gives decimal strings, ISO days and times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from node.blacklist import Account
from node.screening.notices import Notice
from reconcile import days
from reconcile.model import day_iso

if TYPE_CHECKING:
    from node.services.screening.custody_views import CustodyView


def time_iso(at_s: int | None) -> str | None:
    """Return a Unix time as ISO 8601 in UTC; its day's number where that has no date."""
    return None if at_s is None else days.time_iso(at_s)


def hex_or_none(data: bytes | None) -> str | None:
    """Return bytes as hexadecimal."""
    return None if data is None else data.hex()


def text_or_none(number: int | None) -> str | None:
    """Return a number as a decimal string."""
    return None if number is None else str(number)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that holds or does not; `ok` None where this node cannot say.

    `what` and `args` say it for other languages (`checking.SAYS`); "" for a refusal's own words.
    """

    name: str
    ok: bool | None
    says: str
    what: str = ""
    args: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the check."""
        return {"name": self.name, "ok": self.ok, "says": self.says}


@dataclass(frozen=True, slots=True)
class Step:
    """One change of an entry; `tx_hash` and `block` are None for what time alone did.

    `args` are the fact's, by the ABI's names, for who says it in other words.
    """

    what: str
    says: str
    at_s: int
    block: int | None = None
    tx_hash: bytes | None = None
    args: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the step."""
        return {
            "what": self.what,
            "says": self.says,
            "at": time_iso(self.at_s),
            "block": text_or_none(self.block),
            "tx": hex_or_none(self.tx_hash),
        }


@dataclass(frozen=True, slots=True)
class ConsentView:
    """What an entry rests on: `document` is SHA-256 of what the person agreed to.

    `state` is a word of `node.screening.listing_consents`. `consent` is the salted digest under
    which the uploader, `recorder`, recorded it; both are None where this node does not hold them.
    `level` is what was recorded; `verified` where this node is the uploader, which held what the
    person gave it.
    """

    entry: bytes
    document: bytes | None
    state: str
    consent: bytes | None = None
    recorder: int | None = None
    level: int | None = None
    verified: bool = False
    recorded_at_s: int | None = None
    valid_to_s: int | None = None
    tx_hash: bytes | None = None
    revoked_at_s: int | None = None
    revoked_tx: bytes | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the consent."""
        return {
            "entry": self.entry.hex(),
            "document": hex_or_none(self.document),
            "state": self.state,
            "consent": hex_or_none(self.consent),
            "recorder": text_or_none(self.recorder),
            "level": text_or_none(self.level),
            "verified": self.verified,
            "recorded_at": time_iso(self.recorded_at_s),
            "valid_to": time_iso(self.valid_to_s),
            "tx": hex_or_none(self.tx_hash),
            "revoked_at": time_iso(self.revoked_at_s),
            "revoked_tx": hex_or_none(self.revoked_tx),
        }


@dataclass(frozen=True, slots=True)
class DisputeView:
    """A dispute with its clocks: `due_s` ends the present phase, `suspends_s` the entry's peace.

    `contested_by` took the answer to the panel, with a stake of its own where `contest_staked`.
    `role` is ours: by, target, contester, panelist, regulator or "". `moves` are what we may do
    now, `asked` what we asked for that waits for the ledger. `notify`: whom the profile asks to
    notify of where it stands.
    """

    dispute: int
    entry: bytes
    by: int
    target: int
    by_person: bool
    phase: str
    opened_at_s: int
    due_s: int | None
    suspends_s: int
    extended: bool
    answer: str | None
    answered_at_s: int | None
    contested_at_s: int | None
    contested_by: int | None
    contest_staked: bool
    panel: tuple[int, ...] | None
    seats: int
    ballots: tuple[tuple[int, str | None], ...]
    outcome: str | None
    settled_at_s: int | None
    role: str
    moves: tuple[str, ...]
    asked: tuple[str, ...]
    notify: tuple[Notice, ...]
    grounds: bytes
    answer_hash: bytes | None
    tx_hash: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the dispute."""
        return {
            "dispute": str(self.dispute),
            "entry": self.entry.hex(),
            "by": str(self.by),
            "target": str(self.target),
            "by_person": self.by_person,
            "phase": self.phase,
            "opened_at": time_iso(self.opened_at_s),
            "due_at": time_iso(self.due_s),
            "suspends_at": time_iso(self.suspends_s),
            "extended": self.extended,
            "answer": self.answer,
            "answered_at": time_iso(self.answered_at_s),
            "contested_at": time_iso(self.contested_at_s),
            "contested_by": text_or_none(self.contested_by),
            "contest_staked": self.contest_staked,
            "panel": None if self.panel is None else [str(member) for member in self.panel],
            "seats": str(self.seats),
            "ballots": [
                {"member": str(member), "verdict": verdict} for member, verdict in self.ballots
            ],
            "outcome": self.outcome,
            "settled_at": time_iso(self.settled_at_s),
            "role": self.role,
            "moves": list(self.moves),
            "asked": list(self.asked),
            "notify": [notice.to_json() for notice in self.notify],
            "grounds": self.grounds.hex(),
            "answer_hash": hex_or_none(self.answer_hash),
            "tx": self.tx_hash.hex(),
        }


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry in a list. `state` is the ledger's, or WAITING, REFUSED or TAKEN before it is there.

    `expires_day` is its statement's last day, `ends_day` the one that counts: earlier where time
    suspended it, at `suspended_s`. `refusal` is code and words of what the ledger did not take.
    """

    entry: bytes
    uploader: int
    name: str
    state: str
    profile: str | None
    posted_at_s: int | None
    effective_day: int
    expires_day: int
    ends_day: int
    reason: str | None
    product: str | None
    ours: bool
    erased: bool
    suspended_s: int | None = None
    refusal: tuple[str, str] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry."""
        code, says = self.refusal or (None, None)
        return {
            "entry": self.entry.hex(),
            "uploader": str(self.uploader),
            "name": self.name,
            "state": self.state,
            "profile": self.profile,
            "posted_at": time_iso(self.posted_at_s),
            "effective_from": day_iso(self.effective_day),
            "expires_at": day_iso(self.expires_day),
            "suspended_at": time_iso(self.suspended_s),
            "ends_at": day_iso(self.ends_day),
            "reason": self.reason,
            "product": self.product,
            "ours": self.ours,
            "erased": self.erased,
            "refusal": None if code is None else {"code": code, "message": says},
        }


@dataclass(frozen=True, slots=True)
class TraceView:
    """Where an entry comes from and what became of it, each change with its transaction.

    `statement` and `signer` are None where this node never read the statement, or destroyed it.
    `notify`: whom the entry's profile asks to notify, of what. `erased_from_s`: an erasure that
    was asked for waits until then, the chain's time in seconds; None where none does.
    """

    entry: EntryView
    code_text: str | None
    commitment: bytes
    stage: str
    stake_held: bool
    notify: tuple[Notice, ...]
    notice_day: int
    notice_hash: bytes | None
    proof_level: str | None
    evidence_root: bytes | None
    statement: dict[str, object] | None
    signer: str | None
    supersedes: bytes | None
    superseded_by: tuple[bytes, ...]
    erased_from_s: int | None
    tx_hash: bytes
    block: int
    checks: tuple[Check, ...]
    consents: tuple[ConsentView, ...]
    history: tuple[Step, ...]
    disputes: tuple[DisputeView, ...]
    recalls: tuple[int, int]
    certificates: tuple[tuple[int, bytes, bytes], ...]
    releases: tuple[tuple[int, int, bytes, int], ...]
    moves: tuple[str, ...]
    custody: CustodyView

    @property
    def holds(self) -> bool:
        """Say whether nothing contradicts it."""
        return all(check.ok is not False for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Return the trace."""
        opened, acknowledged = self.recalls
        return {
            **self.entry.to_json(),
            "code": self.code_text,
            "commitment": self.commitment.hex(),
            "stage": self.stage,
            "stake_held": self.stake_held,
            "notify": [notice.to_json() for notice in self.notify],
            "notice": {"day": day_iso(self.notice_day), "hash": hex_or_none(self.notice_hash)},
            "proof": None
            if self.proof_level is None
            else {"level": self.proof_level, "evidence_root": hex_or_none(self.evidence_root)},
            "statement": self.statement,
            "signer": self.signer,
            "supersedes": hex_or_none(self.supersedes),
            "superseded_by": [item.hex() for item in self.superseded_by],
            "erased_from": None if self.erased_from_s is None else time_iso(self.erased_from_s),
            "tx": self.tx_hash.hex(),
            "block": str(self.block),
            "checks": [check.to_json() for check in self.checks],
            "holds": self.holds,
            "consents": [consent.to_json() for consent in self.consents],
            "history": [step.to_json() for step in self.history],
            "disputes": [dispute.to_json() for dispute in self.disputes],
            "recalls": {"opened": str(opened), "acknowledged": str(acknowledged)},
            "certificates": [
                {"member": str(member), "certificate": hash_.hex(), "tx": tx.hex()}
                for member, hash_, tx in self.certificates
            ],
            "releases": [
                {"ticket": str(t), "reader": str(r), "consent": c.hex(), "at": time_iso(at // 1000)}
                for t, r, c, at in self.releases
            ],
            "moves": list(self.moves),
            "custody": self.custody.to_json(),
        }


@dataclass(frozen=True, slots=True)
class MovementView:
    """One movement of points; `reason` says why; entry, dispute, tickets or audit what for."""

    kind: str
    amount: int
    reason: str
    entry: bytes | None
    dispute: int | None
    tickets: tuple[int, int] | None
    audit: int | None
    at_s: int
    block: int
    tx_hash: bytes

    def to_json(self) -> dict[str, Any]:
        """Return the movement."""
        return {
            "kind": self.kind,
            "amount_micro": str(self.amount),
            "reason": self.reason,
            "entry": hex_or_none(self.entry),
            "dispute": text_or_none(self.dispute),
            "tickets": None
            if self.tickets is None
            else {"first": str(self.tickets[0]), "last": str(self.tickets[1])},
            "audit": text_or_none(self.audit),
            "at": time_iso(self.at_s),
            "block": str(self.block),
            "tx": self.tx_hash.hex(),
        }


@dataclass(frozen=True, slots=True)
class PointsView:
    """A member's points in micro-points, and a page of its movements, newest first."""

    account: Account
    allowance_due: int
    movements: tuple[MovementView, ...]
    next: str | None

    def to_json(self) -> dict[str, Any]:
        """Return account and movements."""
        a = self.account
        return {
            "member": str(a.member),
            "balance_micro": str(a.balance),
            "staked_micro": str(a.staked),
            "free_micro": str(a.free),
            "debt_micro": str(a.debt),
            "earned_micro": str(a.earned),
            "minted_micro": str(a.minted),
            "burned_micro": str(a.burned),
            "entries": str(a.entries),
            "upheld": str(a.upheld),
            "overturned": str(a.overturned),
            "accuracy_ppm": str(a.accuracy),
            "allowance_due_micro": str(self.allowance_due),
            "movements": [movement.to_json() for movement in self.movements],
            "next": self.next,
        }
