"""The house: ledger, incidents, members, audit, one's own page with API tokens."""

from __future__ import annotations

import re
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import select

from node.acts import record_act, verify_chain
from node.errors import NotFound
from node.services.posting import Choice, holding
from node.services.posting.holding import held_intents, held_records, stopped_lanes
from node.tables import ApiToken
from node.web import auth
from node.web.console.days import side_of
from node.web.numbers import Number, seq_of
from node.web.pages import Page
from node.web.read.ledger import ALL_STATES, load_ledger
from node.web.read.members import load_audit, load_members

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
TOKEN_LIMIT = 50
ADDRESS = re.compile("[0-9a-f]{40}")


@router.get("/{slug}/ledger")
def ledger(request: Request, slug: str, state: str | None = None) -> Response:
    """Show head, outbox, streams, quarantine and incidents."""
    page = Page(request, slug)
    chosen = state if state in ALL_STATES else None
    with page.reading() as session:
        views = {view.agreement: view for view in page.agreements(session)}
        it = load_ledger(session, list(views), state=chosen)
        return page.render(
            "ledger.html",
            it=it,
            views=views,
            state=chosen,
            held_records=[row for row in held_records(session) if row.agreement in views],
            held_intents=held_intents(session),
            stopped=stopped_lanes(session),
        )


@router.post("/{slug}/ledger/incidents/{incident_id}/close")
def close_incident(
    request: Request,
    slug: str,
    incident_id: Number,
    reason: Text,
    csrf: Text = "",
) -> Response:
    """Close an incident after a person has looked at it; signing goes on."""
    page = Page(request, slug)
    page.act(csrf, "operate")
    with page.node.sessions.begin() as session:
        closed = holding.close_incident(
            session,
            incident_id,
            reason=reason,
            person_id=page.who.person_id,
            now_ms=page.now_ms,
        )
        record_act(
            session,
            actor=page.who.login,
            act="INCIDENT_CLOSED",
            subject=f"incident/{incident_id}",
            now_ms=page.now_ms,
            details={"kind": closed.kind},
        )
    return page.go("/ledger#incidents")


@router.post("/{slug}/ledger/records/release")
def release_records(
    request: Request,
    slug: str,
    agreement: Text = "",
    side: Text = "",
    reason: Text = "",
    batch: Text = "",
    csrf: Text = "",
) -> Response:
    """Post held records again; the reason stands in the audit log."""
    page = Page(request, slug)
    auth.check_csrf(page.who, csrf)
    with page.reading() as session:
        view = page.agreement(session, agreement)
    page.act(csrf, "operate", view.agreement)
    page.node.posting.release_records(
        view.agreement,
        side=side_of(side),
        seq=seq_of(batch),
        reason=reason,
        actor=page.who.login,
        person_id=page.who.person_id,
    )
    return page.go("/ledger#held")


@router.post("/{slug}/ledger/records/discard")
def discard_records(
    request: Request,
    slug: str,
    agreement: Text = "",
    side: Text = "",
    reason: Text = "",
    batch: Text = "",
    verdict: Text = "",
    csrf: Text = "",
) -> Response:
    """Draft to give up one line of held records; a second person checks it."""
    page = Page(request, slug)
    auth.check_csrf(page.who, csrf)
    with page.reading() as session:
        view = page.agreement(session, agreement)
    page.act(csrf, "discard", view.agreement)
    seq = seq_of(batch)
    made = page.node.posting.propose_discard(
        view.agreement,
        Choice(seq=seq, unsent=seq is None, verdict=verdict),
        side=side_of(side),
        reason=reason,
        actor=page.who.login,
    )
    return page.go(
        f"/drafts/{made.discard_id}", said=page.translate("Proposed; a second person checks it.")
    )


@router.post("/{slug}/ledger/intents/{intent_id}/release")
def release_intent(
    request: Request, slug: str, intent_id: Number, reason: Text, how: Text = "", csrf: Text = ""
) -> Response:
    """Try a held call again, or seal its batch anew."""
    page = Page(request, slug)
    page.act(csrf, "operate")
    page.node.posting.release_intent(
        intent_id, reason=reason, reseal=how == "reseal", actor=page.who.login
    )
    return page.go("/ledger#held")


@router.post("/{slug}/ledger/lanes/{address}/adopt")
def adopt(request: Request, slug: str, address: str, reason: Text, csrf: Text = "") -> Response:
    """Take over what another copy of this node sent; the key sends again."""
    page = Page(request, slug)
    page.act(csrf, "operate")
    if not ADDRESS.fullmatch(address):
        raise NotFound("KEY_UNKNOWN", "no key has this address")
    page.node.posting.confirm_adoption(
        bytes.fromhex(address),
        reason=reason,
        actor=page.who.login,
        person_id=page.who.person_id,
    )
    return page.go("/ledger#held")


@router.get("/{slug}/members")
def members(request: Request, slug: str) -> Response:
    """Show members, keys, sealing generations and motions."""
    page = Page(request, slug)
    page.who.require("view")
    with page.reading() as session:
        return page.render("members.html", it=load_members(session, page.names))


@router.get("/{slug}/audit")
def audit(
    request: Request,
    slug: str,
    after: str | None = None,
    act: str = "",
    verify: int = 0,
) -> Response:
    """Show the audit log; on demand re-compute its chain."""
    page = Page(request, slug)
    page.who.require("audit")
    with page.reading() as session:
        it = load_audit(session, after=after, act=act)
        wrong = verify_chain(session) if verify else None
        known = {view.agreement.hex(): view for view in page.agreements(session)}
        return page.render("audit.html", it=it, wrong=wrong, known=known)


@router.get("/{slug}/me")
def me(request: Request, slug: str) -> Response:
    """Show one's roles and API tokens."""
    return _me(Page(request, slug), "")


def _me(page: Page, fresh: str) -> Response:
    with page.reading() as session:
        tokens = session.scalars(
            select(ApiToken)
            .where(ApiToken.person_id == page.who.person_id)
            .order_by(ApiToken.id.desc())
            .limit(TOKEN_LIMIT),
        ).all()
        return page.render("me.html", tokens=tokens, fresh=fresh)


@router.post("/{slug}/me/tokens")
def make_token(request: Request, slug: str, label: Text, csrf: Text = "") -> Response:
    """Make an API token with one's own roles; shown in this answer only."""
    page = Page(request, slug)
    page.act(csrf, "own")
    roles = {role for role, _ in page.who.roles if role != "bookkeeper"}
    with page.node.sessions.begin() as session:
        token = auth.make_api_token(session, page.who.person_id, label.strip(), roles, page.now_ms)
    return _me(page, token)


@router.post("/{slug}/me/tokens/{token_id}/revoke")
def revoke_token(request: Request, slug: str, token_id: Number, csrf: Text = "") -> Response:
    """Revoke one of one's own tokens."""
    page = Page(request, slug)
    page.act(csrf, "own")
    with page.node.sessions.begin() as session:
        row = session.get(ApiToken, token_id)
        if row is None or row.person_id != page.who.person_id:
            raise NotFound("TOKEN_UNKNOWN", f"you have no token number {token_id}")
        row.revoked_at_ms = page.now_ms
        record_act(
            session,
            actor=page.who.login,
            act="TOKEN_REVOKED",
            subject=f"token/{token_id}",
            now_ms=page.now_ms,
        )
    return page.go("/me")
