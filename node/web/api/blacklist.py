"""REST: who is listed, by whom, on what proof; disputes, points, recall and erasure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response

from node.errors import NotFound
from node.screening.notices import notices_of, profile_json
from node.screening.profiles import profile_of
from node.screening.profiles import profiles as all_profiles
from node.screening.states import Verdict
from node.services.screening import ScreeningService
from node.web.api import blacklist_shapes as shape
from node.web.api.calls import After, By, Caller, Key, Limit, base64_of
from node.web.api.schemas import PageOf
from node.web.numbers import Number
from reconcile.model import UsageError, Where, day_iso

router = APIRouter(prefix="/blacklist", tags=["blacklist"])
#: Acts on an entry that need no words: the role's act, what is called, what it does.
ENTRY_ACTS: Final[dict[str, tuple[str, Callable[..., object], str]]] = {
    "again": (
        "screen",
        ScreeningService.list_again,
        "Post a refused listing's ticket again, from the first day that is lawful now.",
    ),
    "withdraw": ("screen", ScreeningService.withdraw, "Take an own entry back."),
    "revoke-consent": (
        "screen",
        ScreeningService.revoke_listing_consent,
        "Revoke what an own entry rests on, on the person's word; the entry itself stands.",
    ),
    "recall": (
        "screen",
        ScreeningService.recall,
        "Recall a changed entry from every reader that was released its detail.",
    ),
    "acknowledge": (
        "screen",
        ScreeningService.acknowledge,
        "Acknowledge that an entry changed that this node had read.",
    ),
    "erase": (
        "judge",
        ScreeningService.erase,
        "Destroy what this node holds of an entry, once it is over, and certify it.",
    ),
}
#: Acts on a dispute that need no words.
DISPUTE_ACTS: Final[dict[str, tuple[Callable[..., object], str]]] = {
    "extend": (ScreeningService.extend_answer, "Take the uploader's extension, once."),
}


# ------------------------------------------------------------------------- reading
@router.get("/entries")
def entries(
    by: By,
    everybody: Annotated[bool, Query(alias="all", description="All members' entries.")] = False,
    after: After = None,
    limit: Limit = 50,
) -> PageOf[shape.EntryOut]:
    """Entries, newest first; own ones that wait or were refused come first."""
    by.who.require("view")
    rows, more = by.node.screening.entries(ours=not everybody, after=after, limit=limit)
    return PageOf(rows=[shape.EntryOut(**row.to_json()) for row in rows], next=more)


@router.get("/entries/{entry}")
def trace(by: By, entry: str) -> shape.TraceOut:
    """Who uploaded an entry, when, on what proof, every change with its transaction."""
    by.who.require("view")
    service = by.node.screening
    return shape.TraceOut(**service.trace(service.find_entry(entry)).to_json())


@router.post("/entries/{entry}/trace")
def trace_by_receipt(by: By, entry: str, asked: shape.ReceiptIn) -> shape.TraceOut:
    """Keep the statement that a lookup's receipt holds, and trace the entry by it.

    The same receipt changes nothing more. It names the person, so no address holds it.
    """
    by.who.require("screen")
    service = by.node.screening
    found = service.find_entry(entry)
    service.read_receipt(base64_of(asked.receipt, "receipt"), holding=found)
    return shape.TraceOut(**service.trace(found).to_json())


@router.get("/entries/{entry}/certificate")
def certificate(by: By, entry: str) -> Response:
    """This node's signed certificate of deletion, as its hash on the ledger covers it."""
    by.who.require("view")
    service = by.node.screening
    data = service.certificate_of(service.find_entry(entry))
    return Response(data, media_type="application/json")


@router.get("/disputes")
def disputes(
    by: By,
    everything: Annotated[bool, Query(alias="all", description="Settled ones too.")] = False,
    ours: Annotated[bool, Query(description="Those in which we have a part.")] = False,
) -> list[shape.DisputeOut]:
    """Disputes with their clocks."""
    by.who.require("view")
    found = by.node.screening.disputes(ours=ours, everything=everything)
    return [shape.DisputeOut(**row.to_json()) for row in found]


@router.get("/disputes/{dispute}")
def dispute(by: By, dispute: Number) -> shape.DisputeOut:
    """One dispute."""
    by.who.require("view")
    return shape.DisputeOut(**by.node.screening.dispute(dispute).to_json())


@router.get("/profiles")
def profiles(by: By) -> list[shape.ProfileOut]:
    """Every profile: its days, and whom it asks to notify of what."""
    by.who.require("view")
    return [shape.ProfileOut(**profile_json(*item)) for item in all_profiles().items()]


@router.get("/points")
def points(
    by: By, member: Number | None = None, after: After = None, limit: Limit = 50
) -> shape.PointsOut:
    """A member's points, ours by default, and every movement with its reason."""
    by.who.require("view")
    return shape.PointsOut(**by.node.screening.points(member, after=after, limit=limit).to_json())


# ------------------------------------------------------------------------- entries
@router.post("/entries", status_code=202, response_model=shape.ListingAsked)
def list_person(by: By, listing: shape.ListingIn, key: Key = None) -> JSONResponse:
    """List a person; the ticket goes to the ledger, the statement is kept here, sealed."""
    by.who.require("screen")
    service = by.node.screening

    def act() -> dict[str, Any]:
        made = service.state_listing(
            listing.identifier,
            listing.words,
            policy=listing.policy,
            evidence=[base64_of(item, "evidence") for item in listing.evidence],
            supersedes=None if listing.supersedes is None else bytes.fromhex(listing.supersedes),
            agreed=b"" if listing.agreed is None else base64_of(listing.agreed, "agreed"),
            allow_test=listing.test_identifiers,
        )
        return {
            "entry": service.list_person(made, actor=by.who.login).hex(),
            "effective_from": day_iso(made.listing.effective_from),
            "expires_at": day_iso(made.listing.expires_at),
            "notify": [one.to_json() for one in notices_of(profile_of(made.listing.policy))],
        }

    # What tells two calls apart must not let anybody try identifiers out against it.
    body = b"" if key is None else service.fingerprint(listing.model_dump_json().encode())
    return by.once("blacklist-list", key, body, act)


def _entry_route(name: str, needs: str, call: Callable[..., object], says: str) -> None:
    """Serve an act on an entry, done once a key."""

    def act(by: By, entry: str, key: Key = None) -> JSONResponse:
        by.who.require(needs)
        service = by.node.screening
        found = service.find_entry(entry)

        def work() -> dict[str, Any]:
            call(service, found, actor=by.who.login)
            return {"entry": found.hex()}

        return by.once(f"blacklist-{name}", key, found, work)

    router.add_api_route(
        f"/entries/{{entry}}/{name}",
        act,
        methods=["POST"],
        status_code=202,
        response_model=shape.EntryAsked,
        name=name,
        description=says,
    )


for _name, (_needs, _call, _says) in ENTRY_ACTS.items():
    _entry_route(_name, _needs, _call, _says)


# ------------------------------------------------------------------------- disputes
@router.post("/entries/{entry}/disputes", status_code=202, response_model=shape.EntryAsked)
def open_dispute(by: By, entry: str, grounds: shape.GroundsIn, key: Key = None) -> JSONResponse:
    """Dispute another member's entry; the grounds stay here, their salted hash is posted."""
    by.who.require("screen")
    service = by.node.screening
    found = service.find_entry(entry)

    def act() -> dict[str, Any]:
        service.open_dispute(
            found, grounds.grounds, by_person=grounds.for_person, actor=by.who.login
        )
        return {"entry": found.hex()}

    words = found + grounds.model_dump_json().encode()
    return by.once("blacklist-dispute", key, _told_apart(service, key, words), act)


def _told_apart(service: ScreeningService, key: str | None, words: bytes) -> bytes:
    return b"" if key is None else service.fingerprint(words)


def _on_dispute(
    by: Caller, act: str, dispute: int, key: str | None, words: bytes, call: Callable[[], object]
) -> JSONResponse:
    """Do a write about a dispute, once a key."""

    def work() -> dict[str, Any]:
        call()
        return {"dispute": str(dispute)}

    body = _told_apart(by.node.screening, key, str(dispute).encode() + b"/" + words)
    return by.once(f"blacklist-{act}", key, body, work)


@router.post("/disputes/{dispute}/answer", status_code=202, response_model=shape.DisputeAsked)
def answer(by: By, dispute: Number, given: shape.AnswerIn, key: Key = None) -> JSONResponse:
    """Answer a dispute about an own entry: UPHELD, CORRECTED or REMOVED."""
    by.who.require("screen")
    word, reasons, login = _verdict(given.verdict), given.reasons, by.who.login
    call = by.node.screening.answer_dispute
    words = given.model_dump_json().encode()
    return _on_dispute(
        by, "answer", dispute, key, words, lambda: call(dispute, word, reasons, actor=login)
    )


@router.post("/disputes/{dispute}/contest", status_code=202, response_model=shape.DisputeAsked)
def contest(
    by: By, dispute: Number, given: shape.ContestIn | None = None, key: Key = None
) -> JSONResponse:
    """Take an answer to the panel, as who raised the dispute or beside it."""
    by.who.require("screen")
    words, login = given or shape.ContestIn(), by.who.login
    call = by.node.screening.contest
    return _on_dispute(
        by,
        "contest",
        dispute,
        key,
        words.model_dump_json().encode(),
        lambda: call(dispute, by_person=words.for_person, grounds=words.grounds, actor=login),
    )


def _dispute_route(name: str, call: Callable[..., object], says: str) -> None:
    """Serve an act on a dispute, done once a key."""

    def act(by: By, dispute: Number, key: Key = None) -> JSONResponse:
        by.who.require("screen")
        service, login = by.node.screening, by.who.login
        return _on_dispute(by, name, dispute, key, b"", lambda: call(service, dispute, actor=login))

    router.add_api_route(
        f"/disputes/{{dispute}}/{name}",
        act,
        methods=["POST"],
        status_code=202,
        response_model=shape.DisputeAsked,
        name=name,
        description=says,
    )


for _name, (_call, _says) in DISPUTE_ACTS.items():
    _dispute_route(_name, _call, _says)


@router.get("/disputes/{dispute}/paper")
def paper(by: By, dispute: Number) -> shape.PaperOut:
    """Our own grounds or reasons, with the salt that opens their hash on the ledger."""
    by.who.require("screen")
    found = by.node.screening.paper_of(dispute)
    if found is None:
        raise NotFound("PAPER_UNKNOWN", f"this node wrote nothing in dispute {dispute}")
    return shape.PaperOut(**found)


@router.post("/disputes/{dispute}/verdict", status_code=202, response_model=shape.DisputeAsked)
def verdict(by: By, dispute: Number, given: shape.VerdictIn, key: Key = None) -> JSONResponse:
    """Vote as a panelist, hidden until the votes are opened, or decide as the regulator."""
    by.who.require("judge")
    word, login, call = _verdict(given.verdict), by.who.login, by.node.screening.give_verdict
    words = given.verdict.upper().encode()
    return _on_dispute(by, "verdict", dispute, key, words, lambda: call(dispute, word, actor=login))


def _verdict(word: str) -> Verdict:
    found = {item.name: item for item in Verdict if item is not Verdict.NONE}.get(word.upper())
    if found is None:
        raise UsageError(
            "VERDICT_UNKNOWN",
            f"{word!r} is no verdict",
            where=Where(field="verdict"),
            help="UPHELD, CORRECTED, REMOVED or, in a vote, UNVERIFIABLE",
        )
    return found


# ------------------------------------------------------------------------- points
@router.post("/points/claim", status_code=202)
def claim(by: By, key: Key = None) -> JSONResponse:
    """Take the allowance that is due."""
    by.who.require("screen")

    def act() -> dict[str, Any]:
        return {"id": str(by.node.screening.claim_allowance(actor=by.who.login))}

    return by.once("blacklist-claim", key, b"", act)
