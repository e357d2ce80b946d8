"""REST: looking people up with a consent of whatever level, tickets, receipts."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.screening.consents import Purpose, Scope
from node.screening.identifiers import IdType, read_identifier
from node.screening.states import DAY_S
from node.services.lookups import Found, Terms
from node.web.api.calls import By, Key, base64_of
from node.web.api.shapes import plain
from reconcile.model import UsageError, Where

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
#: JSON's numbers are exact up to here; a lookup's number is a row's.
MAX_NUMBER = 2**53 - 1


class LookupIn(BaseModel):
    """Whom to look up and why, and who consents.

    INSTITUTION records a consent of level 1 at once. PERSON waits for hers: her wallet signs what
    `consent-request` gives, and `consent` takes it.
    """

    identifier: str = Field(max_length=256, repr=False)
    id_type: IdType = IdType.CN_RID
    purpose: str = Field(examples=["CREDIT"])
    scope: list[str] = Field(default=["HIT"], max_length=3)
    days: int = Field(default=30, ge=1, le=366)
    consent: Literal["INSTITUTION", "PERSON"] = "INSTITUTION"
    test_identifiers: bool = False


class ConsentIn(BaseModel):
    """A consent file that a person handed over, in base64."""

    consent: str = Field(max_length=1 << 20, repr=False)


class TicketsIn(BaseModel):
    """How many tickets to burn points for."""

    count: int = Field(ge=1, le=2_000)


class LookupAsked(BaseModel):
    """A lookup that was prepared, and its consent's name on the ledger; null until it is given."""

    lookup: str
    consent: str | None


class TicketsOut(BaseModel):
    """Tickets that are bound to no lookup."""

    free: list[str]


class FoundEntry(BaseModel):
    """An entry of the person, with its state now; `reason` is null once it is over.

    `ends_at` is its last day, earlier than its statement's `expires_at` where time suspended it.
    `protects`: somebody used her identity; it never counts against her. `consent`: whether what it
    rests on is RECORDED, REVOKED or UNRECORDED on the ledger; `consent_level` is its uploader's
    word.
    """

    entry: str
    state: str = Field(examples=["LISTED"])
    uploader: str
    reason: str | None = Field(examples=["OVERDUE_M3"])
    effective_from: str
    expires_at: str
    ends_at: str
    protects: bool
    consent: str | None = Field(examples=["RECORDED"])
    consent_level: str | None


class FoundOut(BaseModel):
    """What a lookup came to; an absence is as of the index version's cut.

    HIT: an entry stands against the person. SUSPENDED, PROTECTED: what stands is suspended, or
    protects her. MISS: nothing stands.
    """

    lookup: str
    outcome: str = Field(examples=["HIT", "SUSPENDED", "PROTECTED", "MISS"])
    level: str
    enforced: bool
    index_version: str
    as_of_block: str
    as_of_s: str
    entries: list[FoundEntry]


class LookupOut(BaseModel):
    """A lookup in a list: nothing of the person.

    `receipt_until_s`: an entry that it found was erased, and the receipt is destroyed then.
    `destroyed_for`: the entry because of whose erasure it was. `forgotten`: whom it concerned too.
    """

    lookup: str
    state: str
    purpose: str
    scope: str
    valid_to_s: str
    digest: str | None
    recorded: bool
    revoked: bool
    ticket: str | None
    outcome: str | None
    refusal: str | None
    level: str | None
    made_at_ms: str
    receipt_until_s: str | None
    destroyed_for: str | None
    destroyed_at_ms: str | None
    forgotten: bool


@router.get("/lookups")
def lookups(by: By) -> list[LookupOut]:
    """Lookups, newest first."""
    by.who.require("screen")
    return [LookupOut(**plain(asdict(item))) for item in by.node.lookups.lookups()]


@router.post("/lookups", status_code=202, response_model=LookupAsked)
def prepare(by: By, asked: LookupIn, key: Key = None) -> JSONResponse:
    """Prepare a lookup; look once the ledger has the consent to it."""
    by.who.require("screen")
    service, login = by.node.lookups, by.who.login

    def act() -> dict[str, Any]:
        identifier = read_identifier(
            asked.id_type, asked.identifier, allow_test=asked.test_identifiers
        )
        from_s = service.chain_time_s()
        until_s = from_s + asked.days * DAY_S
        terms = Terms(_purpose(asked.purpose), _scope(asked.scope), from_s, until_s)
        number = service.prepare(identifier, terms, actor=login)
        if asked.consent == "PERSON":
            return {"lookup": str(number), "consent": None}
        digest = service.consent_by_institution(number, actor=login)
        return {"lookup": str(number), "consent": digest.hex()}

    # What tells two calls apart must not let anybody try identifiers out against it.
    body = b"" if key is None else by.node.screening.fingerprint(asked.model_dump_json().encode())
    return by.once("blacklist-lookup", key, body, act)


@router.get("/lookups/{number}/consent-request")
def consent_request(by: By, number: int) -> Response:
    """What the person's wallet signs, once it has recomputed the element; it holds the blind."""
    by.who.require("screen")
    _, name = by.node.screening.who_asks()
    data = by.node.lookups.consent_request(_number(number), name=name)
    return Response(data, media_type="application/json")


@router.post("/lookups/{number}/consent", status_code=202, response_model=LookupAsked)
def consent(by: By, number: int, given: ConsentIn, key: Key = None) -> JSONResponse:
    """Take a person's consent for a prepared lookup, and record it."""
    by.who.require("screen")
    lookup = _number(number)
    data = base64_of(given.consent, "consent")

    def act() -> dict[str, Any]:
        digest = by.node.lookups.take_consent(lookup, data, actor=by.who.login)
        return {"lookup": str(lookup), "consent": digest.hex()}

    return by.once("blacklist-consent", key, str(lookup).encode() + data, act)


@router.post("/lookups/{number}/look", response_model=FoundOut)
def look(by: By, number: int) -> FoundOut:
    """Look: a ticket, the committee, the bucket, a receipt. Asked again, it costs nothing more."""
    by.who.require("screen")
    (found,) = by.node.lookups.look_up([_number(number)], actor=by.who.login)
    if not isinstance(found, Found):
        raise found
    entries = [FoundEntry(**item.to_json()) for item in found.entries]
    return FoundOut(
        lookup=str(found.lookup),
        outcome=found.outcome,
        level=str(found.level),
        enforced=found.enforced,
        index_version=str(found.version),
        as_of_block=str(found.cut_block),
        as_of_s=str(found.cut_at_s),
        entries=entries,
    )


@router.get("/lookups/{number}/receipt")
def receipt(by: By, number: int, *, reduced: bool = False) -> Response:
    """The receipt's envelope: it names the person, and is for her, a court or the regulator.

    RECEIPT_DESTROYED once an entry that it found was erased; `reduced` is what is left then.
    """
    by.who.require("screen")
    service = by.node.lookups
    asked = service.reduced_receipt if reduced else service.receipt
    data = asked(_number(number))
    return Response(data, media_type="application/json")


@router.get("/tickets")
def free_tickets(by: By) -> TicketsOut:
    """Tickets that are free."""
    by.who.require("screen")
    return TicketsOut(free=[str(item) for item in by.node.lookups.tickets()])


@router.post("/tickets", status_code=202)
def buy(by: By, wanted: TicketsIn, key: Key = None) -> JSONResponse:
    """Burn points for tickets; they are free once the ledger has the call."""
    by.who.require("screen")

    def act() -> dict[str, Any]:
        by.node.lookups.buy_tickets(wanted.count, actor=by.who.login)
        return {"count": str(wanted.count)}

    return by.once("blacklist-tickets", key, wanted.model_dump_json().encode(), act)


def _purpose(word: str) -> Purpose:
    if word not in Purpose.__members__:
        raise _wrong("purpose", f"{word[:32]!r} is none of {', '.join(Purpose.__members__)}")
    return Purpose[word]


def _scope(words: list[str]) -> Scope:
    found = Scope(0)
    for word in words:
        if word not in Scope.__members__:
            raise _wrong("scope", f"{word[:32]!r} is none of {', '.join(Scope.__members__)}")
        found |= Scope[word]
    return found


def _number(number: int) -> int:
    if not 0 < number <= MAX_NUMBER:
        raise _wrong("number", "a lookup's number counts from 1")
    return number


def _wrong(field: str, says: str) -> UsageError:
    return UsageError("REQUEST_MALFORMED", says, where=Where(field=field))
