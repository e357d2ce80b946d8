"""REST: the committee's runs and key epochs, the index's versions, the regulator's audit."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.screening.auditing import ONE_OF
from node.web.api.calls import By, Caller, Key, Limit
from node.web.api.shapes import plain
from node.web.numbers import Number
from reconcile.model import day_number

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
MemberNumber = Annotated[int, Field(ge=1, lt=2**31)]
MemberQuery = Annotated[int | None, Query(ge=1, lt=2**31)]


class VersionOut(BaseModel):
    """A version of the index on the ledger, and whether this node has built it."""

    version: str
    key_epoch: str
    cut_block: str
    leaf_count: str
    root: str | None
    revision: str
    state: str = Field(examples=["LIVE"])
    built_here: bool


class EpochOut(BaseModel):
    """A key epoch and its committee."""

    key_epoch: str
    sharing: str
    threshold: str
    members: list[str]
    public_key: str
    switch_block: str
    current: bool
    held: bool
    for_demonstration: bool


class RunOut(BaseModel):
    """A run: JOIN before it began, OVER after its last block; `ours` is this node's part in it."""

    run: str
    key_epoch: str
    sharing: str
    attempt: str
    threshold: str
    members: list[str]
    dealers: list[str]
    joined: list[str]
    phase: str = Field(examples=["JOIN", "DEAL", "OVER"])
    ends_block: str | None
    ours: str
    error_code: str | None
    error: str | None


class RunIn(BaseModel):
    """Who will hold shares, and how many of them evaluate; `reshare` keeps the present key."""

    members: list[MemberNumber] = Field(min_length=1, max_length=255)
    threshold: int = Field(ge=1, le=255)
    reshare: bool = False
    phase_blocks: int | None = Field(default=None, ge=1, lt=2**31)


class RunAsked(BaseModel):
    """A run about which something was asked of the ledger."""

    run: str


class EntryIn(BaseModel):
    """An own entry, by its id or the id's beginning."""

    entry: str = Field(max_length=66)


class RefusalOut(BaseModel):
    """A request that this node did not evaluate: when, whose, for which ticket, and why."""

    at_ms: str
    reader: str
    ticket: str
    code: str = Field(examples=["CONSENT_NOT_RECORDED"])
    says: str


class VersionAsked(BaseModel):
    """A version about which something was asked of the ledger."""

    version: str


class AuditIn(BaseModel):
    """A day of the chain (UTC), and that one of so many evaluations is opened."""

    day: dt.date
    one_of: int = Field(default=ONE_OF, ge=1, le=1_000_000)


class WrongOut(BaseModel):
    """What did not hold; the evidence is kept as an incident."""

    kind: str = Field(examples=["AUDIT_NOT_OPENED"])
    member: str
    says: str


class DrawOut(BaseModel):
    """What drew the sample: key, what it makes of the roots, proof, and the roots by member."""

    key: str
    evaluated: str
    proof: str
    roots: dict[str, str]


class AuditOut(BaseModel):
    """What an audit found: logs that hold, evaluations, those sampled, opened and erased.

    `erased`: the uploader's certificate of deletion stands on the ledger. `unread`: openings of
    people who cannot exist, which only KANHE_TEST_IDENTIFIERS lets the node read.
    """

    day: str
    logs: str
    evaluations: str
    sampled: str
    opened: str
    draw: DrawOut
    erased: str
    erased_by: dict[str, str]
    unread: list[WrongOut]
    wrong: list[WrongOut]
    holds: bool


class StandingAuditOut(BaseModel):
    """An audit of one evaluation: PENDING, DUE, OPENED, FINED or LAPSED.

    `entry` for a listing, else `ticket` and the consent's digest. `word`: the regulator's signed
    word that it was opened is kept here. `asked_at` and `refusal` on the regulator's node alone.
    """

    audit: str
    member: str
    ticket: str | None
    consent: str | None
    entry: str | None
    key_epoch: str
    state: str = Field(examples=["PENDING"])
    begun_at: str
    due_at: str
    ended_at: str | None
    ours: bool
    word: bool
    asked_at: str | None
    refusal: str | None = Field(examples=["AUDIT_UNKNOWN"])
    tx: str
    ended_tx: str | None


class StandingAuditsOut(BaseModel):
    """Audits, and how many evaluations this node found unopened that are not accused yet."""

    audits: list[StandingAuditOut]
    waiting: str


@router.get("/index")
def index(by: By) -> list[VersionOut]:
    """Versions of the index, newest first."""
    by.who.require("view")
    return [VersionOut(**plain(asdict(item))) for item in by.node.parts.index.versions()]


@router.get("/committee")
def committee(by: By) -> list[EpochOut]:
    """Key epochs and their committees, newest first."""
    by.who.require("view")
    return [EpochOut(**plain(asdict(item))) for item in by.node.committee.epochs()]


@router.get("/committee/refusals")
def refusals(by: By, limit: Limit = 50) -> list[RefusalOut]:
    """Lookups and listings that this node did not evaluate, newest first, and why."""
    by.who.require("audit")
    found = by.node.parts.answering.refusals(limit=limit)
    return [RefusalOut(**plain(asdict(item))) for item in found]


@router.get("/committee/runs")
def runs(by: By) -> list[RunOut]:
    """Runs of the committee with their phases and who joined, newest first."""
    by.who.require("view")
    return [RunOut(**plain(asdict(item))) for item in by.node.committee.runs()]


# ------------------------------------------------------------------------- the committee
@router.post("/committee/runs", status_code=202, response_model=RunAsked)
def propose(by: By, wanted: RunIn, key: Key = None) -> JSONResponse:
    """Propose the next key, or the present one shared anew, and join; the others join by its id."""
    by.who.require("operate")

    def act() -> dict[str, Any]:
        run = by.node.committee.propose(
            wanted.members,
            wanted.threshold,
            reshare=wanted.reshare,
            phase_blocks=wanted.phase_blocks,
            actor=by.who.login,
        )
        return {"run": run.hex()}

    return by.once("committee-propose", key, wanted.model_dump_json().encode(), act)


@router.post("/committee/runs/{run}/join", status_code=202, response_model=RunAsked)
def join(by: By, run: str, key: Key = None) -> JSONResponse:
    """Take part in a run that another member proposed, and approve what comes out of it."""
    by.who.require("operate")
    call = by.node.committee.join
    return _on_run(by, "join", run, key, lambda found: call(found, actor=by.who.login))


@router.post("/committee/runs/{run}/approve", status_code=202, response_model=RunAsked)
def approve(by: By, run: str, key: Key = None) -> JSONResponse:
    """Approve a finished run's outcome as a full member outside of its committee."""
    by.who.require("judge")
    call = by.node.committee.approve
    return _on_run(by, "approve", run, key, lambda found: call(found, actor=by.who.login))


def _on_run(
    by: Caller, act: str, run: str, key: str | None, call: Callable[[bytes], object]
) -> JSONResponse:
    """Do a write about a run, once a key."""
    found = by.node.committee.find_run(run)

    def work() -> dict[str, Any]:
        call(found)
        return {"run": found.hex()}

    return by.once(f"committee-{act}", key, found, work)


# ------------------------------------------------------------------------- the index
@router.post("/index/cut", status_code=202, response_model=VersionAsked)
def cut(by: By, key: Key = None) -> JSONResponse:
    """Cut the log for the next version now, as a member of the committee."""
    by.who.require("operate")

    def act() -> dict[str, Any]:
        return {"version": str(by.node.parts.index.cut(actor=by.who.login))}

    return by.once("index-cut", key, b"", act)


@router.post("/index/{version}/challenge", status_code=202, response_model=VersionAsked)
def challenge(by: By, version: Number, lacks: EntryIn, key: Key = None) -> JSONResponse:
    """Stop a root that lacks an own leaf; a node does so by itself when it finds one missing."""
    by.who.require("screen")
    found = by.node.screening.find_entry(lacks.entry)

    def act() -> dict[str, Any]:
        by.node.parts.index.challenge(version, found, actor=by.who.login)
        return {"version": str(version)}

    return by.once("index-challenge", key, f"{version}/{found.hex()}".encode(), act)


# ------------------------------------------------------------------------- the audit
@router.get("/audits")
def audits(
    by: By,
    member: MemberQuery = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> StandingAuditsOut:
    """Audits on the ledger, of one accused member or of all: those that wait first."""
    by.who.require("view")
    return StandingAuditsOut.model_validate(
        by.node.parts.audits.audits(member=member, limit=limit).to_json()
    )


@router.post("/audits", response_model=AuditOut)
def audit(by: By, wanted: AuditIn, key: Key = None) -> JSONResponse:
    """Audit a day on the regulator's node: every anchored log, and a sample opened.

    What does not hold is in the answer, and is an incident of the node.
    """
    by.who.require("audit")

    def act() -> dict[str, Any]:
        day = day_number(wanted.day)
        report = by.node.parts.audits.audit(day, one_of=wanted.one_of, actor=by.who.login)
        return report.to_json()

    return by.once("blacklist-audit", key, wanted.model_dump_json().encode(), act, status=200)
