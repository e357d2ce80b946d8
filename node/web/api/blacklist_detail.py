"""REST: evidence behind an entry, what came of a hit, and the settling of a period."""

from __future__ import annotations

import base64
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.screening.consent_files import read_consent_file
from node.screening.consents import SignedConsent
from node.screening.releases import HitVerdict
from node.services.screening.detail import DetailView
from node.web.api.blacklist_shapes import MAX_RECEIPT
from node.web.api.calls import By, Key, base64_of

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
#: In base64, more than the largest package of a release.
MAX_RELEASE = 1 << 25


class DetailIn(BaseModel):
    """A DETAIL ticket, the lookup's receipt and, where that does not reach, a consent; base64."""

    ticket: int = Field(ge=1, lt=2**63)
    receipt: str = Field(max_length=MAX_RECEIPT, repr=False)
    consent: str | None = Field(default=None, max_length=1 << 20, repr=False)


class RequestIn(BaseModel):
    """A reader's request for evidence, as `detail/request` gives it; base64."""

    request: str = Field(max_length=MAX_RELEASE, repr=False)


class ReleaseIn(BaseModel):
    """The uploader's sealed answer, as `releases` gives it; base64."""

    release: str = Field(max_length=MAX_RELEASE, repr=False)


class DetailTicketsOut(BaseModel):
    """Tickets that this member bought for an entry's evidence, oldest first."""

    entry: str
    tickets: list[str]


class DocumentOut(BaseModel):
    """One document of the evidence, in base64, with its leaf in the evidence's tree."""

    leaf: str
    content: str = Field(repr=False)


class DetailOut(BaseModel):
    """Evidence that was released; `complete`: the documents make the statement's root.

    `custodians` released it where the uploader was silent.
    """

    entry: str
    uploader: str
    ticket: str
    statement: dict[str, Any]
    documents: list[DocumentOut]
    complete: bool
    custodians: list[str]


class WaitingOut(BaseModel):
    """An uploader that was silent, and the time from which its custodians release."""

    entry: str
    uploader: str
    ticket: str
    silence: str
    released_from: str | None
    custodians: dict[str, str]


class HitIn(BaseModel):
    """What came of a hit, with the receipt of its lookup in base64."""

    verdict: HitVerdict
    receipt: str = Field(max_length=MAX_RECEIPT, repr=False)


class HitOut(BaseModel):
    """What was attested; `sent`: the uploader's node has it."""

    entry: str
    verdict: str
    sent: bool


class SettleIn(BaseModel):
    """A period of ten days, the last one where it is not named."""

    period: int | None = Field(default=None, ge=0, lt=2**31)


class SettledOut(BaseModel):
    """What a period came to: rows by uploader, under the root of the attestations."""

    period: str
    root: str
    rows: list[dict[str, str]]


@router.post("/entries/{entry}/detail/tickets", status_code=202)
def buy_ticket(by: By, entry: str, key: Key = None) -> JSONResponse:
    """Burn points for a ticket for this entry's evidence; it counts once the ledger has it."""
    by.who.require("screen")
    found = by.node.screening.find_entry(entry)

    def act() -> dict[str, Any]:
        by.node.screening.buy_detail_ticket(found, actor=by.who.login)
        return {"entry": found.hex()}

    return by.once("blacklist-detail-ticket", key, found, act)


@router.get("/entries/{entry}/detail/tickets")
def tickets(by: By, entry: str) -> DetailTicketsOut:
    """The tickets that this member bought for an entry's evidence."""
    by.who.require("screen")
    service = by.node.screening
    found = service.find_entry(entry)
    return DetailTicketsOut(
        entry=found.hex(), tickets=[str(one) for one in service.detail_tickets(found)]
    )


@router.post("/entries/{entry}/detail", responses={202: {"model": WaitingOut}})
def ask_detail(by: By, entry: str, asked: DetailIn, response: Response) -> DetailOut | WaitingOut:
    """Ask the uploader's node for an entry's evidence; the same ticket gives the same answer.

    202 while the uploader is silent and its custodians wait for it: ask again with the same ticket.
    """
    by.who.require("screen")
    service = by.node.screening
    view = service.ask_detail(
        service.find_entry(entry),
        asked.ticket,
        base64_of(asked.receipt, "receipt"),
        consent=_consent(asked),
        actor=by.who.login,
    )
    if isinstance(view, DetailView):
        return _detail(view)
    response.status_code = 202
    return WaitingOut(**view.to_json())


@router.post("/entries/{entry}/detail/request")
def request_detail(by: By, entry: str, asked: DetailIn) -> Response:
    """The signed request as a file, for an uploader that no connection reaches: `releases`."""
    by.who.require("screen")
    service = by.node.screening
    data = service.request_detail(
        service.find_entry(entry),
        asked.ticket,
        base64_of(asked.receipt, "receipt"),
        consent=_consent(asked),
        actor=by.who.login,
    )
    return Response(data, media_type="application/json")


@router.post("/releases")
def release_detail(by: By, asked: RequestIn) -> Response:
    """Release an own entry's evidence to the reader that asks by file, sealed to its key.

    A ticket names one request: asked again, the same bytes come, so it takes no idempotency key.
    """
    by.who.require("screen")
    data = base64_of(asked.request, "request")
    package = by.node.screening.release_detail(data, actor=by.who.login)
    return Response(package, media_type="application/octet-stream")


@router.post("/releases/open")
def open_release(by: By, asked: ReleaseIn, response: Response) -> DetailOut:
    """Open a sealed answer, hold it against the ledger and keep it; once more, the same is kept.

    No answer is kept for a key: it is the evidence, which is kept sealed.
    """
    by.who.require("screen")
    response.headers["cache-control"] = "no-store"
    data = base64_of(asked.release, "release")
    return _detail(by.node.screening.take_release(data, actor=by.who.login))


@router.get("/entries/{entry}/detail")
def details(by: By, entry: str, response: Response) -> list[DetailOut]:
    """The evidence of an entry that this node was released."""
    by.who.require("screen")
    response.headers["cache-control"] = "no-store"
    service = by.node.screening
    return [_detail(view) for view in service.details(service.find_entry(entry))]


@router.post("/entries/{entry}/attest", status_code=202)
def attest(by: By, entry: str, hit: HitIn) -> HitOut:
    """Say of a verified hit, once an entry, that it is true, false or stale."""
    by.who.require("screen")
    service = by.node.screening
    found = service.find_entry(entry)
    service.attest_hit(found, hit.verdict, base64_of(hit.receipt, "receipt"), actor=by.who.login)
    service.send_attestation(found)
    return HitOut(entry=found.hex(), verdict=str(hit.verdict), sent=True)


@router.post("/settlements", status_code=202, response_model=SettledOut)
def settle(by: By, asked: SettleIn, key: Key = None) -> JSONResponse:
    """Settle a period's confirmed hits: the committee signs, the contract pays."""
    by.who.require("screen")

    def act() -> dict[str, Any]:
        done = by.node.screening.settle_period(asked.period, actor=by.who.login)
        return {
            "period": str(done.period),
            "root": done.root.hex(),
            "rows": [
                {"uploader": str(who), "hits": str(hits), "burned_micro": str(burned)}
                for who, hits, burned in done.rows
            ],
        }

    return by.once("blacklist-settle", key, asked.model_dump_json().encode(), act)


def _consent(asked: DetailIn) -> SignedConsent | None:
    if asked.consent is None:
        return None
    return read_consent_file(base64_of(asked.consent, "consent")).signed


def _detail(view: DetailView) -> DetailOut:
    body = view.to_json()
    documents = [
        DocumentOut(leaf=one["leaf"], content=base64.b64encode(data).decode())
        for one, data in zip(body["documents"], view.documents, strict=True)
    ]
    return DetailOut(**{**body, "documents": documents})
