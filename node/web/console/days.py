"""Today, the agreements, and one window with its identities, breaks, groups and signatures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response
from sqlalchemy import select

from node.services.posting.closing import held_up_to
from node.tables import ChainEvent, EpochKey
from node.web.detail import LedgerLines, ledger_lines, passes_words, terms_words
from node.web.numbers import Number, WindowNumber
from node.web.pages import Page
from node.web.read.ageing import BUCKETS, bucket_of_words
from node.web.read.breaks import (
    SORTS,
    BreakPage,
    GroupPage,
    latest_runs,
    list_breaks,
    list_groups,
)
from node.web.read.entries import list_entries
from node.web.read.parties import terms_of
from node.web.read.today import load_today
from node.web.read.windows import load_window, load_windows, windows_of
from node.web.words import held_words
from reconcile.model import BreakKind, Side, UsageError
from reconcile.terms import terms_json

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
HISTORY = 30


def kind_of(text: str | None) -> BreakKind | None:
    """Return the kind a filter names, None for all; UsageError KIND_UNKNOWN."""
    if not text:
        return None
    try:
        return BreakKind(text)
    except ValueError:
        raise UsageError("KIND_UNKNOWN", f"{text!r} is no kind of break") from None


def side_of(text: str) -> Side:
    """Return the side an address names; UsageError SIDE_UNKNOWN."""
    try:
        return Side[text.upper()]
    except KeyError:
        raise UsageError(
            "SIDE_UNKNOWN",
            f"{text!r} is no side",
            help="the sides are servicer and owner",
        ) from None


@router.get("/{slug}/")
def today(request: Request, slug: str) -> Response:
    """Show the first screen."""
    page = Page(request, slug)
    with page.reading() as session:
        it = load_today(session, page.agreements(session), page.now_ms)
        return page.render("today.html", today=it)


@router.get("/{slug}/agreements")
def agreements(request: Request, slug: str) -> Response:
    """List the agreements."""
    page = Page(request, slug)
    with page.reading() as session:
        return page.render("agreements.html", rows=page.agreements(session))


@router.get("/{slug}/agreements/{text}")
def agreement(
    request: Request, slug: str, text: str, before: WindowNumber | None = None
) -> Response:
    """Show one agreement: windows by day, parties, keys, terms in words, history."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
        numbers = windows_of(session, view, before=before)
        windows = load_windows(session, [(view, number) for number in numbers], page.now_ms)
        terms = terms_of(session, view.agreement)
        body = terms_json(terms) if terms is not None else None
        epochs = session.scalars(
            select(EpochKey)
            .where(EpochKey.agreement == view.agreement)
            .order_by(EpochKey.epoch.desc(), EpochKey.side)
            .limit(4),
        ).all()
        history = session.scalars(
            select(ChainEvent)
            .where(ChainEvent.agreement == view.agreement)
            .order_by(ChainEvent.id.desc())
            .limit(HISTORY),
        ).all()
        return page.render(
            "agreement.html",
            view=view,
            windows=windows,
            older=numbers[-1] if numbers and numbers[-1] > 0 and len(numbers) > 1 else None,
            terms=terms_words(body, page.speaker) if body else None,
            passes=passes_words(body, page.speaker) if body else None,
            epochs=epochs,
            history=history,
        )


@router.get("/{slug}/agreements/{text}/windows/{window}")
def window(
    request: Request,
    slug: str,
    text: str,
    window: WindowNumber,
    kind: str | None = None,
    q: str = "",
    after: str | None = None,
    part: str = "",
) -> Response:
    """Show one window."""
    page = Page(request, slug)
    chosen = kind_of(kind)
    with page.reading() as session:
        view = page.agreement(session, text)
        row = load_window(session, view, window, page.now_ms)
        breaks = BreakPage((), ({}, {}), None)
        groups = GroupPage((), ({}, {}), None)
        lines = LedgerLines((), ())
        if row.figures is not None:
            run_id = row.figures.run_id
            breaks_from = after if part == "breaks" else None
            groups_from = after if part == "groups" else None
            breaks = list_breaks(session, [run_id], kind=chosen, after=breaks_from)
            groups = list_groups(session, view.agreement, run_id, search=q, after=groups_from)
            lines = ledger_lines(row.figures)
        ours = view.ours
        held = 0 if ours is None else held_up_to(session, view.agreement, ours, window)
        differing: tuple[str, ...] = ()
        if row.state == "DIFFERS":
            status = page.node.reconciliation.window_status(view.agreement, window)
            differing = tuple(str(name) for name in status.differing_sections)
        return page.render(
            "window.html",
            view=view,
            row=row,
            breaks=breaks,
            groups=groups,
            kind=chosen,
            search=q,
            ledger_lines=lines,
            differing=differing,
            held=held_words(held, page.speaker) if held else "",
            views={view.agreement: view},
        )


@router.get("/{slug}/agreements/{text}/windows/{window}/entries/{side}")
def entries(
    request: Request,
    slug: str,
    text: str,
    window: WindowNumber,
    side: str,
    after: str | None = None,
) -> Response:
    """List a side's entries of a window."""
    page = Page(request, slug)
    which = side_of(side)
    with page.reading() as session:
        view = page.agreement(session, text)
        rows, more = list_entries(session, view.agreement, window, side=which, after=after)
        return page.render(
            "entries.html",
            view=view,
            window=window,
            side=which,
            rows=rows,
            more=more,
        )


@router.get("/{slug}/breaks")
def breaks(
    request: Request,
    slug: str,
    agreement: str = "",
    kind: str = "",
    age: str = "",
    sort: str = "order",
    after: str | None = None,
) -> Response:
    """List the open breaks of the newest runs."""
    page = Page(request, slug)
    chosen = kind_of(kind)
    order = sort if sort in SORTS else "order"
    with page.reading() as session:
        views = {view.agreement: view for view in page.agreements(session)}
        wanted = [key for key, view in views.items() if agreement in {"", view.short}]
        runs = latest_runs(session, wanted)
        span = bucket_of_words(age)
        found = list_breaks(
            session, list(runs.values()), kind=chosen, age=span, sort=order, after=after
        )
        shown = order if order != "order" else ""
        filters = {"agreement": agreement, "kind": kind, "age": age, "sort": shown}
        return page.render(
            "breaks.html",
            breaks=found,
            views=views,
            chosen=agreement,
            kind=chosen,
            age=age,
            buckets=BUCKETS,
            sort=order,
            query="&".join(f"{name}={value}" for name, value in filters.items() if value),
        )


# --------------------------------------------------------------------------- acts
@router.post("/{slug}/agreements/{text}/reconcile")
def reconcile_agreement(request: Request, slug: str, text: str, csrf: Text = "") -> Response:
    """Match everything read so far, now."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    page.act(csrf, "reconcile", view.agreement)
    run = page.node.reconciliation.provisional(view.agreement)
    say = page.speaker
    breaks = say.ngettext("%(number)s break", "%(number)s breaks", len(run.breaks))
    groups = say.ngettext("%(number)s group", "%(number)s groups", run.groups)
    said = page.translate("Matched just now: %(breaks)s, %(groups)s.") % {
        "breaks": breaks % {"number": say.count(len(run.breaks))},
        "groups": groups % {"number": say.count(run.groups)},
    }
    return page.go(f"/agreements/{view.short}", said=said)


@router.post("/{slug}/agreements/{text}/windows/{window}/reconcile")
def reconcile_window(
    request: Request,
    slug: str,
    text: str,
    window: WindowNumber,
    csrf: Text = "",
) -> Response:
    """Run a window now: the proof where both sides closed it, else provisionally."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
        row = load_window(session, view, window, page.now_ms)
    page.act(csrf, "reconcile", view.agreement)
    if all(row.closed):
        page.node.reconciliation.prove(view.agreement, window)
        said = page.translate("The proof of this window was computed just now.")
    else:
        page.node.reconciliation.provisional(view.agreement)
        said = page.translate("Matched just now on what has been read.")
    return page.go(f"/agreements/{view.short}/windows/{window}", said=said)


@router.post("/{slug}/agreements/{text}/windows/{window}/close")
def close_window(
    request: Request, slug: str, text: str, window: WindowNumber, csrf: Text = ""
) -> Response:
    """Close our side of a window."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    page.act(csrf, "close", view.agreement)
    page.node.posting.close_window(view.agreement, window, actor=page.who.login)
    said = page.translate("Our closing is in the outbox; it counts when the ledger has it.")
    held = page.node.posting.held_up_to(view.agreement, window)
    if held:
        said += " " + held_words(held, page.speaker)
    return page.go(f"/agreements/{view.short}/windows/{window}", said=said)


@router.post("/{slug}/agreements/{text}/windows/{window}/attest")
def attest(
    request: Request,
    slug: str,
    text: str,
    window: WindowNumber,
    report: Annotated[Number | None, Form()] = None,
    csrf: Text = "",
) -> Response:
    """Sign a proven window's result, the one that the page showed."""
    page = Page(request, slug)
    with page.reading() as session:
        view = page.agreement(session, text)
    page.act(csrf, "attest", view.agreement)
    page.node.reconciliation.attest(
        view.agreement,
        window,
        actor=page.who.login,
        single=page.who.single(view.agreement),
        shown=report,
    )
    said = page.translate("Signed; the signature is in the outbox.")
    return page.go(f"/agreements/{view.short}/windows/{window}", said=said)
