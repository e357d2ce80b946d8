"""REST: looking people up, tickets, receipts; index versions, key epochs and runs."""

from __future__ import annotations

import base64
import binascii
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.screening.consents import Purpose, Scope
from node.screening.identifiers import IdType, read_identifier
from node.screening.states import DAY_S
from node.services.lookups import Found, Terms
from node.web.api.calls import Caller, caller
from reconcile.model import UsageError, Where

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
By = Annotated[Caller, Depends(caller)]
Key = Annotated[str | None, Header(alias="Idempotency-Key")]
#: JSON's numbers are exact up to here; a lookup's number is a row's.
MAX_NUMBER = 2**53 - 1


class LookupIn(BaseModel):
    """Whom to look up and why; the institution records a consent of level 1 for it."""

    identifier: str = Field(max_length=256, repr=False)
    id_type: IdType = IdType.CN_RID
    purpose: str = Field(examples=["CREDIT"])
    scope: list[str] = Field(default=["HIT"], max_length=3)
    days: int = Field(default=30, ge=1, le=366)
    test_identifiers: bool = False


class ConsentIn(BaseModel):
    """A consent file that a person handed over, in base64."""

    consent: str = Field(max_length=1 << 20, repr=False)


class TicketsIn(BaseModel):
    """How many tickets to burn points for."""

    count: int = Field(ge=1, le=2_000)


class LookupAsked(BaseModel):
    """A lookup that was prepared, and its consent's name on the ledger."""

    lookup: str
    consent: str


class TicketsOut(BaseModel):
    """Tickets that are bound to no lookup."""

    free: list[str]


class FoundEntry(BaseModel):
    """An entry of the person, with its state now."""

    entry: str
    state: str = Field(examples=["LISTED"])


class FoundOut(BaseModel):
    """What a lookup came to; an absence is as of the index version's cut."""

    lookup: str
    outcome: str = Field(examples=["HIT", "MISS"])
    level: str
    enforced: bool
    index_version: str
    entries: list[FoundEntry]


class LookupOut(BaseModel):
    """A lookup in a list: nothing of the person."""

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
    level: str | None
    made_at_ms: str


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


@router.get("/lookups")
def lookups(by: By) -> list[LookupOut]:
    """Lookups, newest first."""
    by.who.require("screen")
    return [LookupOut(**_plain(asdict(item))) for item in by.node.lookups.lookups()]


@router.post("/lookups", status_code=202, response_model=LookupAsked)
def prepare(by: By, asked: LookupIn, key: Key = None) -> JSONResponse:
    """Prepare a lookup with a consent of level 1; look once the ledger has the consent."""
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
        digest = service.consent_by_institution(number, actor=login)
        return {"lookup": str(number), "consent": digest.hex()}

    # What tells two calls apart must not let anybody try identifiers out against it.
    body = b"" if key is None else by.node.screening.fingerprint(asked.model_dump_json().encode())
    return by.once("blacklist-lookup", key, body, act)


@router.post("/lookups/{number}/consent", status_code=202, response_model=LookupAsked)
def consent(by: By, number: int, given: ConsentIn, key: Key = None) -> JSONResponse:
    """Take a person's consent for a prepared lookup, and record it."""
    by.who.require("screen")
    lookup = _number(number)
    try:
        data = base64.b64decode(given.consent, validate=True)
    except binascii.Error:
        raise _wrong("consent", "the consent is no base64") from None

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
    entries = [FoundEntry(entry=entry.hex(), state=state) for entry, state in found.entries]
    return FoundOut(
        lookup=str(found.lookup),
        outcome=found.outcome,
        level=str(found.level),
        enforced=found.enforced,
        index_version=str(found.version),
        entries=entries,
    )


@router.get("/lookups/{number}/receipt")
def receipt(by: By, number: int) -> Response:
    """The receipt's envelope: it names the person, and is for her, a court or the regulator."""
    by.who.require("screen")
    data = by.node.lookups.receipt(_number(number))
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


@router.get("/index")
def index(by: By) -> list[VersionOut]:
    """Versions of the index, newest first."""
    by.who.require("view")
    return [VersionOut(**_plain(asdict(item))) for item in by.node.parts.index.versions()]


@router.get("/committee")
def committee(by: By) -> list[EpochOut]:
    """Key epochs and their committees, newest first."""
    by.who.require("view")
    return [EpochOut(**_plain(asdict(item))) for item in by.node.committee.epochs()]


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


def _plain(body: dict[str, Any]) -> dict[str, Any]:
    """Return numbers as text and bytes as hexadecimal."""
    return {name: _text(value) for name, value in body.items()}


def _text(value: object) -> object:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple | list):
        return [_text(item) for item in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
