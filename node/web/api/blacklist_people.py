"""REST: what people hand to this member: keys to certify, consents, revocations, requests.

Messages are the files of `kanhe person` (docs/person.md), in base64. A person's request is its own
idempotency key: it is answered once, and who lost the answer asks anew. No answer is kept, since
the receipts and evidence in it name her.
"""

from __future__ import annotations

import base64
from typing import Any, Final, Literal

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from node.screening.asking import About
from node.screening.consent_files import read_consent_file, read_revocation_file
from node.screening.identifiers import IdType, read_identifier
from node.services.lookups import Found
from node.services.screening.facing import Admitted
from node.web.api.calls import By, Caller, Key, base64_of
from reconcile.model import KanheError

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
MAX_FILE: Final = 1 << 20
MAX_RECEIPT: Final = 1 << 25
#: The ledger does not have her consent or the ticket yet: the same request is sent again.
NOT_YET: Final = frozenset({"CONSENT_NOT_RECORDED", "TICKETS_NONE"})


class KycIn(BaseModel):
    """A person's key to certify, and the identifier that was read from her document."""

    request: str = Field(max_length=MAX_FILE, repr=False)
    identifier: str = Field(max_length=256, repr=False)
    id_type: IdType = IdType.CN_RID
    days: int = Field(default=365, ge=1, le=1_830)
    test_identifiers: bool = False


class KycOut(BaseModel):
    """The certificate of her key, in base64; it does not hold her identifier."""

    certificate: str


class ConsentGiven(BaseModel):
    """A consent that a person or an authority signed, in base64."""

    consent: str = Field(max_length=MAX_FILE, repr=False)


class RevocationGiven(BaseModel):
    """The secret that revokes a consent, in base64; whose it is, nobody sees."""

    revocation: str = Field(max_length=MAX_FILE, repr=False)


class ConsentAsked(BaseModel):
    """A consent about which something was asked of the ledger, by its digest."""

    consent: str


class PersonIn(BaseModel):
    """A person's request to this member: her entries, her receipts, or a dispute.

    `without_receipt` answers about entries even where no lookup can be made now: she is shown then
    that the receipt is missing.
    """

    request: str = Field(max_length=MAX_FILE, repr=False)
    without_receipt: bool = False
    test_identifiers: bool = False


class PersonOut(BaseModel):
    """WAITING for the ledger: send the same request again. ANSWERED: the answer in base64."""

    about: About
    state: Literal["WAITING", "ANSWERED"]
    lookup: str | None = None
    receipts: str | None = None
    answer: str | None = Field(default=None, repr=False)


class EvidenceIn(BaseModel):
    """What is enclosed, in base64: the notice, what she agreed to, receipts of lookups."""

    notice: str | None = Field(default=None, max_length=MAX_RECEIPT, repr=False)
    consent: str | None = Field(default=None, max_length=MAX_RECEIPT, repr=False)
    receipts: list[str] = Field(default_factory=list, max_length=16, repr=False)


@router.post("/persons/certificates", response_model=KycOut)
def certify(by: By, asked: KycIn, key: Key = None) -> JSONResponse:
    """Certify a person's key, once her identifier was read from her document."""
    by.who.require("serve")
    service = by.node.screening

    def act() -> dict[str, Any]:
        identifier = read_identifier(
            asked.id_type, asked.identifier, allow_test=asked.test_identifiers
        )
        request = base64_of(asked.request, "request")
        made = service.certify_person(request, identifier, days=asked.days, actor=by.who.login)
        return {"certificate": base64.b64encode(made).decode()}

    # What tells two calls apart must not let anybody try identifiers out against it.
    body = b"" if key is None else service.fingerprint(asked.model_dump_json().encode())
    return by.once("person-certify", key, body, act, status=200)


@router.post("/persons/consents", status_code=202, response_model=ConsentAsked)
def consent(by: By, given: ConsentGiven, key: Key = None) -> JSONResponse:
    """Record a person's consent to this member: its digest, and how she revokes it."""
    by.who.require("serve")
    data = base64_of(given.consent, "consent")
    file = read_consent_file(data)

    def act() -> dict[str, Any]:
        return {"consent": by.node.lookups.record_consent(data, actor=by.who.login).hex()}

    return by.once("person-consent", key, file.digest, act)


@router.post("/persons/revocations", status_code=202, response_model=ConsentAsked)
def revoke(by: By, given: RevocationGiven, key: Key = None) -> JSONResponse:
    """Relay a person's revocation of a consent to whichever reader."""
    by.who.require("serve")
    data = base64_of(given.revocation, "revocation")
    file = read_revocation_file(data)

    def act() -> dict[str, Any]:
        return {"consent": by.node.lookups.relay_revocation(data, actor=by.who.login).hex()}

    return by.once("person-revoke", key, file.consent, act)


@router.post("/persons/requests", responses={202: {"model": PersonOut}})
def answer(by: By, asked: PersonIn, response: Response) -> PersonOut:
    """Answer a person's own request, once and within ten minutes of its making.

    For her entries she is looked up, free of charge, with the blind and the consent that she made:
    202 until the ledger has both consent and ticket.
    """
    by.who.require("serve")
    service, login = by.node.screening, by.who.login
    admitted = service.admit_person(
        base64_of(asked.request, "request"), allow_test=asked.test_identifiers
    )
    about = admitted.asked.about
    receipts: tuple[bytes, ...] = ()
    if about is About.RECEIPTS:
        receipts = by.node.lookups.receipts_about(admitted.identifier)
    elif about is About.ENTRIES:
        lookup, found = _own_lookup(by, admitted)
        if isinstance(found, Found):
            receipts = (found.receipt,)
        elif not asked.without_receipt:
            if found.code not in NOT_YET:
                raise found
            response.status_code = 202
            return PersonOut(about=about, state="WAITING", lookup=str(lookup))
    made = service.answer_person(admitted, receipts=receipts, actor=login)
    return PersonOut(
        about=about,
        state="ANSWERED",
        receipts=str(len(receipts)),
        answer=base64.b64encode(made).decode(),
    )


def _own_lookup(by: Caller, admitted: Admitted) -> tuple[int, Found | KanheError]:
    """Return a person's lookup of herself, and what it came to or is refused with."""
    service, login = by.node.lookups, by.who.login
    lookup = service.prepare_own(admitted.asked, admitted.identifier, actor=login)
    try:
        (found,) = service.look_up([lookup], actor=login)
    except KanheError as error:
        return lookup, error
    return lookup, found


@router.post("/entries/{entry}/evidence")
def evidence(by: By, entry: str, enclosed: EvidenceIn) -> Response:
    """The evidence of an entry, signed, for the person, a court or the regulator: it names her.

    Another member's entry needs the receipt of a lookup that found it.
    """
    by.who.require("screen")
    service = by.node.screening
    data = service.evidence_of(
        service.find_entry(entry),
        notice=_document(enclosed.notice, "notice"),
        consent=_document(enclosed.consent, "consent"),
        receipts=[base64_of(item, "receipts") for item in enclosed.receipts],
        actor=by.who.login,
    )
    return Response(data, media_type="application/json")


def _document(text: str | None, field: str) -> bytes | None:
    return None if text is None else base64_of(text, field)
