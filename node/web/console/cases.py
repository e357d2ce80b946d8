"""One break with both entries side by side; one entry with its story; drafts to check."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy.orm import Session

from node.acts import record_act
from node.errors import NotFound
from node.services.posting import discarding
from node.tables import BreakNote, Draft, Person
from node.web.console.days import side_of
from node.web.console.history import timeline
from node.web.detail import entry_lines, pair_blocks
from node.web.numbers import Number
from node.web.pages import Page
from node.web.read.breaks import BreakView, find_break, proposals_of
from node.web.read.entries import entries_by_ref, load_entry
from node.web.read.parties import AgreementView, terms_of
from node.web.read.today import load_drafts
from node.web.words import known_sentence, to_do
from reconcile.model import BreakKind, Entry, KanheError, Side, UsageError

Refs = tuple[tuple[str, ...], tuple[str, ...]]
router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
MAX_NOTE = 1_000


@router.get("/{slug}/agreements/{text}/breaks/{key}")
def show_break(request: Request, slug: str, text: str, key: str) -> Response:
    """Show one break."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
        row = find_break(session, view.agreement, key)
        found = (
            entries_by_ref(session, view.agreement, Side.SERVICER, row.servicer),
            entries_by_ref(session, view.agreement, Side.OWNER, row.owner),
        )
        books = tuple(
            tuple(found[side][ref] for ref in refs if ref in found[side])
            for side, refs in ((Side.SERVICER, row.servicer), (Side.OWNER, row.owner))
        )
        proposals = proposals_of(session, row)
        named = (
            entries_by_ref(
                session, view.agreement, Side.SERVICER, [r for p in proposals for r in p.servicer]
            ),
            entries_by_ref(
                session, view.agreement, Side.OWNER, [r for p in proposals for r in p.owner]
            ),
        )
        tried, tried_says = _tried(page, view, row)
        drafts = [
            draft
            for draft in load_drafts(session, view.agreement)
            if draft.about(row.key, row.servicer, row.owner)
        ]
        return page.render(
            "break.html",
            view=view,
            row=row,
            sentence=known_sentence(books[0], books[1], view.ours, view.names, page.speaker),
            expected=_expected(page, session, view, row, books),
            to_do=to_do(row.kind, view.ours, page.translate),
            pairs=pair_blocks(
                [(ref, found[0].get(ref)) for ref in row.servicer],
                [(ref, found[1].get(ref)) for ref in row.owner],
                page.speaker,
            ),
            tried=tried,
            tried_says=tried_says,
            drafts=drafts,
            proposals=proposals,
            found=named,
            timeline=timeline(page, session, view, row, found),
        )


def _tried(page: Page, view: AgreementView, row: BreakView) -> tuple[tuple[Any, ...], str]:
    """Return what each pass said; a refusal is shown in its place, not as a failed page."""
    try:
        detail = page.node.breaks.show(view.agreement, row.key, row.window)
    except KanheError as error:
        return (), error.message
    return tuple(detail.tried), ""


def _expected(
    page: Page,
    session: Session,
    view: AgreementView,
    row: BreakView,
    books: tuple[tuple[Entry, ...], ...],
) -> str:
    """Say until when the missing entry may still come, for items in transit."""
    terms = terms_of(session, view.agreement, row.window)
    entries = books[0] or books[1]
    if row.kind is not BreakKind.TIMING or terms is None or not entries:
        return ""
    silent = Side.OWNER if books[0] else Side.SERVICER
    last = terms.calendar(silent).add(entries[0].booking_date, terms.grace_days)
    return page.translate("Expected by %(day)s.") % {"day": page.speaker.day(last)}


@router.post("/{slug}/agreements/{text}/breaks/{key}/propose")
def propose(
    request: Request,
    slug: str,
    text: str,
    key: str,
    verdict: Text,
    reason: Text,
    proposal: Text = "",
    csrf: Text = "",
) -> Response:
    """Propose a decision on a break, or on one of its proposals."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
        row = find_break(session, view.agreement, key)
        refs = _chosen(session, row, proposal) if proposal else (row.servicer, row.owner)
    page.act(csrf, "propose", view.agreement)
    # A write-off's subject is the break; any other verdict is about a set of entries.
    target: dict[str, Any] = (
        {"key": row.key, "window": row.window}
        if verdict == "write_off"
        else {"servicer": refs[0], "owner": refs[1]}
    )
    page.node.breaks.propose_decision(
        view.agreement,
        verdict=verdict,
        reason=reason.strip(),
        actor=page.who.login,
        **target,
    )
    said = page.translate("Proposed; a second person checks it.")
    return page.go(f"/agreements/{view.short}/breaks/{row.short}", said=said)


def _chosen(session: Session, row: BreakView, proposal: str) -> Refs:
    """Return the entries of the proposal that a form names; UsageError PROPOSAL_UNKNOWN.

    Without the refusal a form that a newer run has overtaken would decide on the break's own
    entries, which nobody meant to confirm by themselves.
    """
    for item in proposals_of(session, row):
        if item.key.hex() == proposal and item.whole:
            return item.servicer, item.owner
    raise UsageError(
        "PROPOSAL_UNKNOWN",
        "the proposal no longer names this break, or is too large to confirm as a whole",
        help="look at the break again; the window was matched meanwhile",
    )


@router.post("/{slug}/agreements/{text}/breaks/{key}/note")
def note(
    request: Request,
    slug: str,
    text: str,
    key: str,
    body: Annotated[str, Form(alias="text")],
    csrf: Text = "",
) -> Response:
    """Keep a note on a break; it never leaves this institution."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
        row = find_break(session, view.agreement, key)
    page.act(csrf, "note", view.agreement)
    words = body.strip()
    if not words or len(words) > MAX_NOTE:
        raise UsageError("NOTE_LENGTH", f"a note has 1 to {MAX_NOTE} characters")
    with page.node.sessions.begin() as session:
        session.add(
            BreakNote(
                agreement=view.agreement,
                break_key=row.key,
                person_id=page.who.person_id,
                text=words,
                at_ms=page.now_ms,
            ),
        )
        record_act(
            session,
            actor=page.who.login,
            act="BREAK_NOTED",
            subject=f"break/{row.short}",
            now_ms=page.now_ms,
        )
    return page.go(f"/agreements/{view.short}/breaks/{row.short}")


@router.get("/{slug}/agreements/{text}/entries/{side}/{ref:path}")
def entry(request: Request, slug: str, text: str, side: str, ref: str) -> Response:
    """Show one entry."""
    page = Page(request, slug)
    which = side_of(side)
    with page.reading() as session:
        view = page.agreement(session, text)
        it = load_entry(session, view.agreement, which, ref)
        lines = entry_lines(it.entry, page.speaker)
        return page.render("entry.html", view=view, it=it, lines=lines)


# --------------------------------------------------------------------------- drafts
def _draft(session: Session, draft_id: int) -> Draft:
    draft = session.get(Draft, draft_id)
    if draft is None:
        raise NotFound("DRAFT_UNKNOWN", f"no act number {draft_id} waits here")
    return draft


@router.get("/{slug}/drafts/{draft_id}")
def show_draft(request: Request, slug: str, draft_id: Number) -> Response:
    """Show the checker exactly what the maker saw."""
    page = Page(request, slug)
    with page.reading() as session:
        draft = _draft(session, draft_id)
        page.who.require("view", draft.agreement)
        maker = session.get(Person, draft.maker_id)
        return page.render("draft.html", draft=draft, maker=maker.display_name if maker else "–")


@router.post("/{slug}/drafts/{draft_id}/{verdict}")
def judge_draft(
    request: Request,
    slug: str,
    draft_id: Number,
    verdict: str,
    reason: Text = "",
    csrf: Text = "",
) -> Response:
    """Approve or reject a decision that somebody else proposed."""
    page = Page(request, slug)
    with page.reading() as session:
        draft = _draft(session, draft_id)
        agreement, kind = draft.agreement, draft.kind
    page.act(csrf, "check", agreement)
    if kind == discarding.KIND:
        return _judge_discard(page, draft_id, verdict, agreement, reason.strip())
    if verdict == "approve":
        page.node.breaks.approve_decision(
            draft_id,
            actor=page.who.login,
            single=page.who.single(agreement),
        )
        said = page.translate("Approved; it is queued to be posted.")
    elif verdict == "reject":
        page.node.breaks.reject_decision(draft_id, actor=page.who.login, reason=reason.strip())
        said = page.translate("Rejected.")
    else:
        raise UsageError("VERDICT_UNKNOWN", f"{verdict!r} is no verdict")
    return page.go(f"/drafts/{draft_id}", said=said)


def _judge_discard(
    page: Page, draft_id: int, verdict: str, agreement: bytes | None, reason: str
) -> Response:
    """Give held records up, or keep them held."""
    posting, who = page.node.posting, page.who
    if verdict == "approve":
        done = posting.approve_discard(
            draft_id,
            actor=who.login,
            single=who.single(agreement),
            person_id=who.person_id,
        )
        said = page.speaker.ngettext(
            "Given up: %(number)s record. It counts as never posted.",
            "Given up: %(number)s records. They count as never posted.",
            len(done.records),
        ) % {"number": page.speaker.count(len(done.records))}
    elif verdict == "reject":
        posting.reject_discard(draft_id, actor=who.login, reason=reason)
        said = page.translate("Rejected.")
    else:
        raise UsageError("VERDICT_UNKNOWN", f"{verdict!r} is no verdict")
    return page.go(f"/drafts/{draft_id}", said=said)
