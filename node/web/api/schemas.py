"""Shapes of the REST answers. Amounts are decimal strings in minor units, ids hex without 0x."""

from __future__ import annotations

from typing import Generic, TypeVar

from pydantic import BaseModel, Field

Row = TypeVar("Row")


class Amount(BaseModel):
    """An amount of one currency."""

    currency: str = Field(examples=["CNY"])
    minor: str = Field(examples=["-312000"])


class SideCount(BaseModel):
    """A figure of each side."""

    servicer: str
    owner: str


class StatusOut(BaseModel):
    """Is the ledger alive, is the outbox moving."""

    institution: str
    member: int | None
    health: str = Field(examples=["good"])
    head_block: int
    read_block: int
    final_block: int
    lag: int
    outbox: int
    held: int
    queued: int
    incidents: int
    signing_stopped: bool


class AgreementOut(BaseModel):
    """One agreement."""

    agreement: str
    label: str
    account: str | None
    kind: str = Field(examples=["BANK_ENTERPRISE"])
    servicer: str
    owner: str
    our_side: str | None = Field(examples=["owner"])
    state: str = Field(examples=["ACTIVE"])
    terms_hash: str


class WindowOut(BaseModel):
    """One window with its state and kept figures."""

    agreement: str
    window: int
    day: str = Field(examples=["2026-11-22"])
    state: str = Field(examples=["AGREED"])
    refusal: str | None = Field(description="Why nothing is compared (NOT_COMPUTED), what to do.")
    provisional: bool | None
    posted: SideCount
    entries: SideCount | None
    matched: SideCount | None
    groups: str | None
    breaks: str | None
    breaks_by_kind: dict[str, str]
    proof: list[Amount]
    complete: bool | None
    balance_proven: bool | None
    digest: str | None
    closed: dict[str, bool]
    attested: dict[str, bool]


class BreakOut(BaseModel):
    """One break, named as the report names it."""

    agreement: str
    window: int
    key: str
    kind: str = Field(examples=["AMOUNT"])
    servicer: list[str]
    owner: list[str]
    signed: list[Amount]
    age_days: str
    marks: list[str]
    also: list[str]
    proposals: list[str]


class GroupOut(BaseModel):
    """One confirmed group."""

    number: int
    pass_: str = Field(alias="pass", serialization_alias="pass")
    servicer: list[str]
    owner: list[str]
    currency: str
    residual_minor: str


class EntryOut(BaseModel):
    """One entry with the batch that carries it and where it went."""

    entry_ref: str
    version: int
    side: str
    direction: str
    amount_minor: str
    currency: str
    booking_date: str
    value_date: str | None
    status: str
    is_reversal: bool
    references: dict[str, str]
    counterparty_name: str | None
    counterparty_account: str | None
    remittance: str | None
    state: str = Field(examples=["FINAL"])
    seq: int | None
    window: int | None
    tx_hash: str | None
    file: str | None
    line: int | None
    group: int | None
    break_key: str | None


class PageOf(BaseModel, Generic[Row]):
    """A page of rows; `next` is the cursor for `after`, null on the last page."""

    rows: list[Row]
    next: str | None


class RunOut(BaseModel):
    """What a run found."""

    agreement: str
    window: int
    provisional: bool
    digest: str | None
    complete: bool
    groups: str
    breaks: str


class ImportOut(BaseModel):
    """What was taken from a file."""

    file: str
    file_sha256: str
    known: bool
    format: str
    queued: str
    already: str
    warnings: list[str]


class DecisionIn(BaseModel):
    """A decision to propose: on a break (`key`, for write_off) or on a set of entries."""

    verdict: str = Field(examples=["confirm"], pattern="^(confirm|reject|unmatch|write_off)$")
    reason: str = Field(min_length=3, max_length=500)
    key: str | None = Field(default=None, pattern="^[0-9a-f]{64}$")
    servicer: list[str] = []
    owner: list[str] = []


class Accepted(BaseModel):
    """The act was taken; `id` is the intent's or the draft's."""

    id: str


class ClosingOut(Accepted):
    """The closing was taken; `held` counts own records that stay behind, `warning` says so."""

    held: str
    warning: str | None


class Problem(BaseModel):
    """RFC 9457 problem; `code` is stable, `where` says what and where, `help` what to do."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    where: dict[str, str | int]
    help: str
