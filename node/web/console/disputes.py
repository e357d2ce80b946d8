"""One dispute on the desk, with what its parties and its panel do; acts on an entry.

A maker raises, answers, contests, withdraws and recalls; a checker votes or decides. What was
written into a form that is refused stands in it again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from node.screening.points import DISPUTE_STAKE
from node.screening.states import Verdict
from node.services.screening import ScreeningService
from node.web.console.blacklist import open_page, render_in_words
from node.web.numbers import Number
from node.web.pages import Page
from node.web.words import N_
from reconcile.model import KanheError, UsageError, Where

router = APIRouter(include_in_schema=False)
Text = Annotated[str, Form()]
#: So many digits of an entry's id are typed to take it, or its consent, back.
TYPED_DIGITS: Final = 8
DONE: Final = N_("Handed to the ledger; it is done once a final block has it.")
#: Acts on an entry or a dispute that need no words.
ENTRY_ACTS: Final[dict[str, Callable[..., object]]] = {
    "recall": ScreeningService.recall,
    "acknowledge": ScreeningService.acknowledge,
}
DISPUTE_ACTS: Final[dict[str, Callable[..., object]]] = {
    "extend": ScreeningService.extend_answer,
}


@router.get("/{slug}/blacklist/disputes/{number}")
def dispute(request: Request, slug: str, number: Number) -> Response:
    """Show a dispute: where it stands, what happened, what we may do."""
    return _show(open_page(request, slug), number)


@router.post("/{slug}/blacklist/disputes/{number}/answer")
def answer(
    request: Request,
    slug: str,
    number: Number,
    verdict: Text,
    reasons: Text = "",
    csrf: Text = "",
) -> Response:
    """Answer a dispute about an own entry."""
    page = Page(request, slug)
    page.act(csrf, "screen")
    service = page.node.screening
    try:
        service.answer_dispute(number, _verdict(verdict), reasons.strip(), actor=page.who.login)
    except KanheError as error:
        return _show(page, number, error=error, verdict=verdict, reasons=reasons)
    return _back(page, f"/blacklist/disputes/{number}")


@router.post("/{slug}/blacklist/disputes/{number}/verdict")
def verdict(
    request: Request, slug: str, number: Number, verdict: Text, csrf: Text = ""
) -> Response:
    """Vote as a panelist, or decide as the regulator."""
    page = Page(request, slug)
    page.act(csrf, "judge")
    try:
        page.node.screening.give_verdict(number, _verdict(verdict), actor=page.who.login)
    except KanheError as error:
        return _show(page, number, error=error, verdict=verdict)
    return _back(page, f"/blacklist/disputes/{number}")


@router.post("/{slug}/blacklist/disputes/{number}/contest")
def contest(
    request: Request,
    slug: str,
    number: Number,
    grounds: Text = "",
    for_person: Text = "",
    csrf: Text = "",
) -> Response:
    """Take an answer to the panel, as who raised the dispute or beside it."""
    page = Page(request, slug)
    page.act(csrf, "screen")
    words = {"by_person": bool(for_person), "grounds": grounds.strip(), "actor": page.who.login}
    try:
        page.node.screening.contest(number, **words)
    except KanheError as error:
        return _show(page, number, error=error, grounds=grounds, for_person=bool(for_person))
    return _back(page, f"/blacklist/disputes/{number}")


@router.post("/{slug}/blacklist/disputes/{number}/{act}")
def act_on_dispute(
    request: Request, slug: str, number: Number, act: str, csrf: Text = ""
) -> Response:
    """Take more time for an answer."""
    page = Page(request, slug)
    page.act(csrf, "screen")
    _act(DISPUTE_ACTS, act)(page.node.screening, number, actor=page.who.login)
    return _back(page, f"/blacklist/disputes/{number}")


@router.post("/{slug}/blacklist/entries/{text}/dispute")
def raise_dispute(
    request: Request,
    slug: str,
    text: str,
    grounds: Text = "",
    for_person: Text = "",
    csrf: Text = "",
) -> Response:
    """Dispute another member's entry, with a stake or for the person."""
    page = Page(request, slug)
    page.act(csrf, "screen")
    service = page.node.screening
    entry = service.find_entry(text)
    try:
        service.open_dispute(
            entry, grounds.strip(), by_person=bool(for_person), actor=page.who.login
        )
    except KanheError as error:
        return show_trace(page, entry, error=error, grounds=grounds, for_person=bool(for_person))
    return _back(page, f"/blacklist/entries/{entry.hex()}")


@router.post("/{slug}/blacklist/entries/{text}/withdraw")
def withdraw(request: Request, slug: str, text: str, typed: Text = "", csrf: Text = "") -> Response:
    """Take an own entry back, once the beginning of its id was typed."""
    return _once_typed(request, slug, text, typed, csrf, ScreeningService.withdraw)


@router.post("/{slug}/blacklist/entries/{text}/revoke-consent")
def revoke_consent(
    request: Request, slug: str, text: str, typed: Text = "", csrf: Text = ""
) -> Response:
    """Revoke what an own entry rests on, on the person's word, once its beginning was typed."""
    return _once_typed(request, slug, text, typed, csrf, ScreeningService.revoke_listing_consent)


def _once_typed(
    request: Request, slug: str, text: str, typed: str, csrf: str, call: Callable[..., object]
) -> Response:
    page = Page(request, slug)
    page.act(csrf, "screen")
    entry = page.node.screening.find_entry(text)
    try:
        if typed.strip().lower() != entry.hex()[:TYPED_DIGITS]:
            raise UsageError(
                "TYPED_OTHERWISE",
                "what was typed is not the beginning of the entry's id",
                where=Where(field="typed"),
                help=f"type its first {TYPED_DIGITS} digits",
            )
        call(page.node.screening, entry, actor=page.who.login)
    except KanheError as error:
        return show_trace(page, entry, error=error)
    return _back(page, f"/blacklist/entries/{entry.hex()}")


@router.get("/{slug}/blacklist/entries/{text}")
def trace(request: Request, slug: str, text: str) -> Response:
    """Show where an entry comes from and every change of it, each with its transaction."""
    page = open_page(request, slug)
    return show_trace(page, page.node.screening.find_entry(text))


@router.post("/{slug}/blacklist/entries/{text}/{act}")
def act_on_entry(request: Request, slug: str, text: str, act: str, csrf: Text = "") -> Response:
    """Recall an entry from its readers, or acknowledge that it changed."""
    page = Page(request, slug)
    page.act(csrf, "screen")
    service = page.node.screening
    entry = service.find_entry(text)
    _act(ENTRY_ACTS, act)(service, entry, actor=page.who.login)
    return _back(page, f"/blacklist/entries/{entry.hex()}")


def show_trace(
    page: Page,
    entry: bytes,
    *,
    error: KanheError | None = None,
    grounds: str = "",
    for_person: bool = False,
) -> Response:
    """Return an entry's page; with what was written where a form was refused."""
    return render_in_words(
        page,
        "trace.html",
        status=error.http_status if error else 200,
        it=page.node.screening.trace(entry),
        error=error,
        grounds=grounds,
        for_person=for_person,
        stake=DISPUTE_STAKE,
        typed_digits=TYPED_DIGITS,
    )


def _show(
    page: Page,
    number: int,
    *,
    error: KanheError | None = None,
    verdict: str = "",
    reasons: str = "",
    grounds: str = "",
    for_person: bool = False,
) -> Response:
    service = page.node.screening
    row = service.dispute(number)
    traced = service.trace(row.entry)
    # What we wrote is read by who may write it.
    written = service.paper_of(number) if page.who.may("screen") else None
    return render_in_words(
        page,
        "dispute.html",
        status=error.http_status if error else 200,
        row=row,
        entry=traced.entry,
        steps=[step for step in traced.history if step.args.get("dispute") == row.dispute],
        paper=written,
        error=error,
        verdict=verdict,
        reasons=reasons,
        grounds=grounds,
        for_person=for_person,
        stake=DISPUTE_STAKE,
    )


def _back(page: Page, path: str) -> Response:
    return page.go(path, said=page.translate(DONE))


def _act(acts: dict[str, Callable[..., object]], word: str) -> Callable[..., object]:
    if word not in acts:
        raise UsageError("ACT_UNKNOWN", f"{word[:32]!r} is no act", help=", ".join(acts))
    return acts[word]


def _verdict(word: str) -> Verdict:
    if word not in Verdict.__members__ or word == Verdict.NONE.name:
        raise UsageError(
            "VERDICT_UNKNOWN",
            f"{word[:32]!r} is no verdict",
            where=Where(field="verdict"),
            help="choose one of those that are shown",
        )
    return Verdict[word]
