"""Shapes of the blacklist's REST calls: micro-points and numbers as strings, ids hex without 0x."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

HEX64 = "^[0-9a-f]{64}$"
MAX_RECEIPT = 1 << 25
MAX_AGREED = 1 << 24


class RefusalOut(BaseModel):
    """Why the ledger did not take a ticket."""

    code: str = Field(examples=["POINTS_SHORT"])
    message: str


class NoticeOut(BaseModel):
    """Whom a profile asks to notify, and of which step: LISTED, RAISED, ANSWERED or SETTLED."""

    party: str = Field(examples=["person", "readers", "furnisher"])
    of: str = Field(examples=["LISTED"])
    says: str


class ProfileOut(BaseModel):
    """A jurisdiction's periods, in days, and whom it asks to notify."""

    name: str = Field(examples=["CN-2013"])
    number: str
    notice_days: str
    dispute_days: str
    extension_days: str
    answer_days: str
    contest_days: str
    commit_days: str
    reveal_days: str
    retention_days: str
    on_time_out: str
    notify: list[NoticeOut]


class EntryOut(BaseModel):
    """An entry in a list; `state` WAITING, REFUSED or TAKEN before it is ours on the ledger.

    `ends_at` is its last day, earlier than its statement's `expires_at` where time suspended it.
    """

    entry: str
    uploader: str
    name: str
    state: str = Field(examples=["LISTED"])
    profile: str | None = Field(examples=["CN-2013"])
    posted_at: str | None
    effective_from: str
    expires_at: str
    suspended_at: str | None
    ends_at: str
    reason: str | None
    product: str | None
    ours: bool
    erased: bool
    refusal: RefusalOut | None


class StepOut(BaseModel):
    """One change; `tx` and `block` are null for what time alone did."""

    what: str = Field(examples=["EntryPosted"])
    says: str
    at: str
    block: str | None
    tx: str | None


class CheckOut(BaseModel):
    """One thing that holds, does not, or (null) cannot be said here."""

    name: str
    ok: bool | None
    says: str


class ListingConsentOut(BaseModel):
    """What an entry rests on: `document` is SHA-256 of what the person agreed to.

    `consent` is the salted digest under which its uploader recorded it. RECORDED and REVOKED stand
    on the ledger; WAITING: asked for; UNRECORDED: named by the statement alone; UNREAD: not known
    here. `level` is its uploader's word unless `verified`.
    """

    entry: str
    document: str | None
    state: str = Field(examples=["RECORDED"])
    consent: str | None
    recorder: str | None
    level: str | None
    verified: bool
    recorded_at: str | None
    valid_to: str | None
    tx: str | None
    revoked_at: str | None
    revoked_tx: str | None


class DisputeOut(BaseModel):
    """A dispute with its clocks; `due_at` ends the present phase.

    `moves` is what we may do now, `asked` what we asked for that waits for the ledger, `notify`
    whom the entry's profile asks to notify of where it stands.
    """

    dispute: str
    entry: str
    by: str
    target: str
    by_person: bool
    phase: str = Field(examples=["OPEN"])
    opened_at: str
    due_at: str | None
    suspends_at: str
    extended: bool
    answer: str | None
    answered_at: str | None
    contested_at: str | None
    contested_by: str | None
    contest_staked: bool
    panel: list[str] | None
    seats: str
    ballots: list[dict[str, str | None]]
    outcome: str | None
    settled_at: str | None
    role: str
    moves: list[str]
    asked: list[str]
    notify: list[NoticeOut]
    grounds: str
    answer_hash: str | None
    tx: str


class TraceOut(EntryOut):
    """Where an entry comes from and what became of it, each change with its transaction."""

    code: str | None
    commitment: str
    stage: str
    stake_held: bool
    notify: list[NoticeOut]
    notice: dict[str, str | None]
    proof: dict[str, str | None] | None
    statement: dict[str, Any] | None
    signer: str | None
    supersedes: str | None
    superseded_by: list[str]
    erased_from: str | None
    tx: str
    block: str
    checks: list[CheckOut]
    holds: bool
    consents: list[ListingConsentOut]
    history: list[StepOut]
    disputes: list[DisputeOut]
    recalls: dict[str, str]
    certificates: list[dict[str, str]]
    releases: list[dict[str, str | None]]
    moves: list[str]
    custody: dict[str, list[dict[str, str | bool | None]]]


class MovementOut(BaseModel):
    """One movement of points, with its reason and what it was for."""

    kind: str = Field(examples=["STAKED"])
    amount_micro: str
    reason: str = Field(examples=["listing"])
    entry: str | None
    dispute: str | None
    tickets: dict[str, str] | None
    audit: str | None
    at: str
    block: str
    tx: str


class PointsOut(BaseModel):
    """A member's points and a page of their movements, newest first."""

    member: str
    balance_micro: str
    staked_micro: str
    free_micro: str
    debt_micro: str
    earned_micro: str
    minted_micro: str
    burned_micro: str
    entries: str
    upheld: str
    overturned: str
    accuracy_ppm: str
    allowance_due_micro: str
    movements: list[MovementOut]
    next: str | None


class ListingIn(BaseModel):
    """A person to list. `words` are a list's fields by name; `evidence` documents in base64.

    `agreed`, in base64, is what she agreed to: its hash is the statement's consent. What she signed
    with her wallet or a certificate is recorded as the level that it holds as.
    """

    identifier: str = Field(min_length=1, max_length=256, repr=False)
    words: dict[str, str] = Field(examples=[{"reason": "OVERDUE_M3", "product": "CARD"}])
    policy: str = Field(default="CN-2013", max_length=40)
    evidence: list[str] = Field(default_factory=list, max_length=16, repr=False)
    supersedes: str | None = Field(default=None, pattern=HEX64)
    agreed: str | None = Field(default=None, max_length=MAX_AGREED, repr=False)
    test_identifiers: bool = False


class ReceiptIn(BaseModel):
    """The receipt of a lookup, in base64; it names the person."""

    receipt: str = Field(max_length=MAX_RECEIPT, repr=False)


class GroundsIn(BaseModel):
    """Why an entry is disputed; for the person, whose identity we attest, or with a stake."""

    grounds: str = Field(min_length=1, max_length=4_000)
    for_person: bool = False


class ContestIn(BaseModel):
    """Beside who raised the dispute: for the person, whose identity we attest, or with a stake."""

    for_person: bool = False
    grounds: str = Field(default="", max_length=4_000)


class AnswerIn(BaseModel):
    """The uploader's answer to a dispute."""

    verdict: str = Field(max_length=40, examples=["UPHELD"])
    reasons: str = Field(min_length=1, max_length=4_000)


class VerdictIn(BaseModel):
    """A panelist's hidden vote, or the regulator's verdict."""

    verdict: str = Field(max_length=40, examples=["REMOVED"])


class PaperOut(BaseModel):
    """What this node wrote in a dispute, with the salt that opens its hash on the ledger."""

    kind: str = Field(examples=["GROUNDS", "ANSWER"])
    entry: str
    hash: str
    salt: str
    text: str


class EntryAsked(BaseModel):
    """An entry about which something was asked of the ledger."""

    entry: str


class ListingAsked(EntryAsked):
    """A listing that waits for the ledger, the days in which it holds, and whom to notify."""

    effective_from: str = Field(examples=["2026-12-01"])
    expires_at: str
    notify: list[NoticeOut]


class DisputeAsked(BaseModel):
    """A dispute about which something was asked of the ledger."""

    dispute: str
