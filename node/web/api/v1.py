"""REST, version 1: reads with cursors, writes with idempotency keys.

A program sends `Authorization: Bearer kanhe_…`; a browser's session reads too, but writes only
with the session's CSRF token in `X-CSRF-Token`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any, Final

from fastapi import APIRouter, File, Form, Query, Request, UploadFile
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse, Response, StreamingResponse
from sqlalchemy.orm import Session

from node.crypto.bundle import file_bytes
from node.services.posting import held_warning
from node.web.api import (
    blacklist,
    blacklist_committee,
    blacklist_detail,
    blacklist_imports,
    blacklist_lookups,
    blacklist_people,
    chains,
    decisions,
    held,
    papers,
    peers,
)
from node.web.api import schemas as out
from node.web.api.calls import After, By, Key, Limit
from node.web.api.shapes import (
    agreement_out,
    break_out,
    entry_out,
    group_out,
    listed_entry_out,
    status_out,
    window_out,
)
from node.web.api.stream import stream
from node.web.console.days import kind_of, side_of
from node.web.numbers import WindowNumber
from node.web.pages import reading
from node.web.read.breaks import SORTS, find_break, latest_runs, list_breaks, list_groups
from node.web.read.entries import list_entries, load_entry
from node.web.read.parties import AgreementView, load_agreements
from node.web.read.status import load_strip
from node.web.read.windows import load_window, load_windows, windows_of
from node.web.uploads import upload_name
from reconcile.model import UsageError, Where

# By reference: a `model` would be built anew for every status of every route.
_SCHEMAS: Final = "#/components/schemas/"
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"content": {"application/problem+json": {"schema": {"$ref": f"{_SCHEMAS}Problem"}}}}
    for status in (401, 403, 404, 409, 422, 429, 503)
}
router = APIRouter(prefix="/{slug}/api/v1", responses=PROBLEMS)


@router.get("/openapi.json", include_in_schema=False)
def openapi(slug: str) -> JSONResponse:  # noqa: ARG001 - part of the address
    """Return the OpenAPI document; it names no data."""
    document = get_openapi(
        title="Kanhe",
        version="1",
        summary="Two institutions, one result.",
        routes=router.routes,
    )
    document["components"]["schemas"]["Problem"] = out.Problem.model_json_schema()
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    document["security"] = [{"token": []}]
    return JSONResponse(document)


@router.get("/status", tags=["node"])
def status(by: By) -> out.StatusOut:
    """Head, lag, outbox, incidents."""
    by.who.require("view")
    with reading(by.node)() as session:
        return status_out(by.node, load_strip(session, by.now_ms))


@router.get("/agreements", tags=["agreements"])
def agreements(by: By) -> list[out.AgreementOut]:
    """All agreements this person may read."""
    with reading(by.node)() as session:
        views = load_agreements(session, by.node.member, by.node.name)
        return [agreement_out(view) for view in views if by.who.sees(view.agreement)]


@router.get("/agreements/{agreement}", tags=["agreements"])
def agreement(by: By, agreement: str) -> out.AgreementOut:
    """One agreement, by its id or the first 16 digits."""
    with reading(by.node)() as session:
        return agreement_out(by.view(session, agreement))


@router.get("/agreements/{agreement}/windows", tags=["windows"])
def windows(
    by: By,
    agreement: str,
    before: Annotated[WindowNumber | None, Query(description="Windows below this one.")] = None,
    limit: Limit = 40,
) -> list[out.WindowOut]:
    """Windows, newest first."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        numbers = windows_of(session, view, before=before, limit=limit)
        rows = load_windows(session, [(view, number) for number in numbers], by.now_ms)
        return [window_out(row) for row in rows]


@router.get("/agreements/{agreement}/windows/{window}", tags=["windows"])
def window(by: By, agreement: str, window: WindowNumber) -> out.WindowOut:
    """One window."""
    with reading(by.node)() as session:
        return window_out(load_window(session, by.view(session, agreement), window, by.now_ms))


@router.get("/agreements/{agreement}/breaks", tags=["breaks"])
def breaks(
    by: By,
    agreement: str,
    window: WindowNumber | None = None,
    kind: str | None = None,
    sort: str = "order",
    after: After = None,
    limit: Limit = 50,
) -> out.PageOf[out.BreakOut]:
    """Breaks of a window, or of the newest run."""
    if sort not in SORTS:
        raise UsageError("SORT_UNKNOWN", f"{sort!r} is no order", help=", ".join(SORTS))
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        runs = _runs(session, view, window, by.now_ms)
        chosen = kind_of(kind)
        page = list_breaks(session, runs, kind=chosen, sort=sort, after=after, limit=limit)
        return out.PageOf(rows=[break_out(row) for row in page.rows], next=page.more)


@router.get("/agreements/{agreement}/breaks/{key}", tags=["breaks"])
def break_(by: By, agreement: str, key: str) -> out.BreakOut:
    """One break by its key or the key's beginning."""
    with reading(by.node)() as session:
        return break_out(find_break(session, by.view(session, agreement).agreement, key))


@router.get("/agreements/{agreement}/windows/{window}/groups", tags=["windows"])
def groups(
    by: By,
    agreement: str,
    window: WindowNumber,
    search: str = "",
    after: After = None,
    limit: Limit = 50,
) -> out.PageOf[out.GroupOut]:
    """Confirmed groups; `search` is the beginning of a reference, or an amount."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        runs = _runs(session, view, window, by.now_ms)
        if not runs:
            return out.PageOf(rows=[], next=None)
        page = list_groups(
            session,
            view.agreement,
            runs[0],
            search=search,
            after=after,
            limit=limit,
        )
        return out.PageOf(rows=[group_out(row) for row in page.rows], next=page.more)


@router.get("/agreements/{agreement}/windows/{window}/entries/{side}", tags=["entries"])
def entries(
    by: By,
    agreement: str,
    window: WindowNumber,
    side: str,
    after: After = None,
    limit: Limit = 100,
) -> out.PageOf[out.EntryOut]:
    """A side's entries of a window, in stream order."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        rows, more = list_entries(
            session,
            view.agreement,
            window,
            side=side_of(side),
            after=after,
            limit=limit,
        )
        return out.PageOf(rows=[listed_entry_out(row) for row in rows], next=more)


@router.get("/agreements/{agreement}/entries/{side}/{ref:path}", tags=["entries"])
def entry(by: By, agreement: str, side: str, ref: str) -> out.EntryOut:
    """One entry with its story."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
        return entry_out(load_entry(session, view.agreement, side_of(side), ref))


@router.get("/agreements/{agreement}/windows/{window}/bundle", tags=["windows"])
def bundle(by: By, agreement: str, window: WindowNumber) -> Response:
    """Return the report bundle: report, groups, both signatures (`kanhe verify` checks it)."""
    with reading(by.node)() as session:
        view = by.view(session, agreement)
    # The very bytes that are verified: another form of the same JSON would be refused.
    body = file_bytes(by.node.proofs.bundle(view.agreement, window))
    return Response(body, media_type="application/json")


@router.get("/stream", tags=["node"], response_class=StreamingResponse)
def events(request: Request, by: By) -> StreamingResponse:
    """Server-sent `moved` events: ask again for what you show."""
    by.who.require("view")
    return stream(request, by.slug, by.node)


# --------------------------------------------------------------------------- writes
@router.post("/agreements/{agreement}/reconcile", tags=["acts"], status_code=202)
def reconcile(
    by: By, agreement: str, window: WindowNumber | None = None, key: Key = None
) -> out.RunOut:
    """Match now; with a window that both sides closed, compute its proof."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "reconcile")

    def act() -> dict[str, Any]:
        service = by.node.reconciliation
        run = (
            service.provisional(view.agreement)
            if window is None
            else service.prove(view.agreement, window)
        )
        return out.RunOut(
            agreement=view.agreement.hex(),
            window=run.window,
            provisional=run.provisional,
            digest=run.digest.hex() if run.digest else None,
            complete=run.complete,
            groups=str(run.groups),
            breaks=str(len(run.breaks)),
        ).model_dump()

    body = f"{view.agreement.hex()}/{window}".encode()
    return by.once("reconcile", key, body, act)  # type: ignore[return-value]


@router.post("/agreements/{agreement}/import", tags=["acts"], status_code=202)
def import_file(
    by: By,
    agreement: str,
    file: Annotated[UploadFile, File()],
    side: Annotated[str, Form()] = "",
    profile: Annotated[str, Form()] = "",
    perspective: Annotated[str, Form()] = "",
    currency: Annotated[str, Form()] = "",
    lenient: Annotated[bool, Form()] = False,
    accept_map: Annotated[bool, Form()] = False,
) -> out.ImportOut:
    """Take a statement file; the same file twice is recognised by its bytes."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "import")
    name = upload_name(file.filename)
    with tempfile.TemporaryDirectory(prefix="kanhe-api-") as folder:
        path = Path(folder) / name
        with path.open("wb") as target:
            shutil.copyfileobj(file.file, target)
        result = by.node.posting.import_file(
            view.agreement,
            path,
            side=side_of(side) if side else None,
            profile=profile or None,
            perspective=perspective or None,
            currency=currency.upper() or None,
            lenient=lenient,
            accept_map=accept_map,
            actor=by.who.login,
        )
    return out.ImportOut(
        file=name,
        file_sha256=result.file_sha256,
        known=result.known,
        format=result.format,
        queued=str(result.queued),
        already=str(result.already),
        warnings=list(result.warnings),
    )


@router.post("/agreements/{agreement}/windows/{window}/close", tags=["acts"], status_code=202)
def close(by: By, agreement: str, window: WindowNumber, key: Key = None) -> out.ClosingOut:
    """Close our side of a window; what is held for it stays behind and is told."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "close")

    def act() -> dict[str, Any]:
        intent = by.node.posting.close_window(view.agreement, window, actor=by.who.login)
        held = by.node.posting.held_up_to(view.agreement, window)
        return {"id": str(intent), "held": str(held), "warning": held_warning(held) or None}

    body = f"{view.agreement.hex()}/{window}".encode()
    return by.once("close", key, body, act)  # type: ignore[return-value]


@router.post("/agreements/{agreement}/windows/{window}/attest", tags=["acts"], status_code=202)
def attest(
    by: By,
    agreement: str,
    window: WindowNumber,
    digest: Annotated[
        str | None, Query(description="The window's `digest` as it was shown; needed.")
    ] = None,
    key: Key = None,
) -> out.Accepted:
    """Sign a proven window's result: exactly the one whose digest is given (409 REPORT_MOVED)."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "attest")
    if digest is None:
        raise UsageError(
            "DIGEST_MISSING",
            "a signature names the report it is for",
            where=Where(field="digest"),
            help="give ?digest= as GET …/windows/{window} shows it",
        )

    def act() -> dict[str, Any]:
        intent = by.node.reconciliation.attest(
            view.agreement,
            window,
            actor=by.who.login,
            single=by.who.single(view.agreement),
            digest=digest,
        )
        return {"id": str(intent)}

    body = f"{view.agreement.hex()}/{window}/{digest}".encode()
    return by.once("attest", key, body, act)  # type: ignore[return-value]


@router.post("/agreements/{agreement}/decisions", tags=["acts"], status_code=202)
def propose(by: By, agreement: str, decision: out.DecisionIn, key: Key = None) -> out.Accepted:
    """Propose a decision; a second person approves it."""
    with reading(by.node)() as session:
        view = by.view(session, agreement, "propose")
    if (decision.key is None) == (not decision.servicer and not decision.owner):
        raise UsageError(
            "DECISION_TARGET",
            "name either a break's key or entries of both sides",
            where=Where(field="key"),
        )

    def act() -> dict[str, Any]:
        target: dict[str, Any] = (
            {"key": bytes.fromhex(decision.key)}
            if decision.key is not None
            else {"servicer": decision.servicer, "owner": decision.owner}
        )
        made = by.node.breaks.propose_decision(
            view.agreement,
            verdict=decision.verdict,
            reason=decision.reason,
            actor=by.who.login,
            **target,
        )
        return {"id": str(made.decision_id)}

    body = view.agreement + decision.model_dump_json().encode()
    return by.once("decision", key, body, act)  # type: ignore[return-value]


router.include_router(papers.router)
router.include_router(decisions.router)
router.include_router(chains.router)
router.include_router(blacklist.router)
router.include_router(blacklist_detail.router)
router.include_router(blacklist_imports.router)
router.include_router(blacklist_lookups.router)
router.include_router(blacklist_people.router)
router.include_router(blacklist_committee.router)
router.include_router(peers.router)
router.include_router(held.router)


def _runs(session: Session, view: AgreementView, window: int | None, now_ms: int) -> list[int]:
    if window is None:
        return list(latest_runs(session, [view.agreement]).values())
    row = load_window(session, view, window, now_ms)
    return [row.figures.run_id] if row.figures else []
