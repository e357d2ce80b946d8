"""What happened to a break: who posted what, what was noted, proposed, checked and decided."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.services.breaks import DecisionView, StandingDecision
from node.tables import BreakNote, Person
from node.web.pages import Page
from node.web.read.breaks import BreakView
from node.web.read.entries import batch_times
from node.web.read.parties import AgreementView
from node.web.words import VERDICTS, VOID_REASONS, state
from reconcile.model import Entry, Side, window_day

MAX_NOTES = 100
SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline."""

    at_ms: int
    text: str


def timeline(
    page: Page,
    session: Session,
    view: AgreementView,
    row: BreakView,
    found: tuple[dict[str, Entry], ...],
) -> list[Moment]:
    """Return everything that is known to have happened to a break, oldest first."""
    moments = [
        *_entries(page, session, view, row, found),
        *_notes(page, session, view, row),
        *_drafts(page, view, row),
        *_posted(page, view, row),
    ]
    return sorted(moments, key=lambda item: item.at_ms)


def _entries(
    page: Page,
    session: Session,
    view: AgreementView,
    row: BreakView,
    found: tuple[dict[str, Entry], ...],
) -> Iterator[Moment]:
    _ = page.translate
    for side, refs in ((Side.SERVICER, row.servicer), (Side.OWNER, row.owner)):
        for ref, (seq, at_s) in batch_times(session, view.agreement, side, refs).items():
            who = view.names[side]
            entry = found[side].get(ref)
            if entry is not None and entry.occurred_at is not None:
                happened = _("The payment occurred, says %(who)s") % {"who": who}
                yield Moment(entry.occurred_at, happened)
            posted = _("%(who)s posted %(ref)s in batch %(seq)s")
            said = posted % {"who": who, "ref": ref, "seq": page.speaker.count(seq)}
            yield Moment(at_s * SECOND_MS, said)


def _notes(page: Page, session: Session, view: AgreementView, row: BreakView) -> Iterator[Moment]:
    _ = page.translate
    for note, name in session.execute(
        select(BreakNote, Person.display_name)
        .outerjoin(Person, Person.id == BreakNote.person_id)
        .where(BreakNote.agreement == view.agreement, BreakNote.break_key == row.key)
        .order_by(BreakNote.id)
        .limit(MAX_NOTES),
    ):
        said = _("%(who)s noted: %(text)s") % {"who": name or "–", "text": note.text}
        yield Moment(note.at_ms, said)


def concerns(row: BreakView, item: DecisionView | StandingDecision) -> bool:
    """Say whether a decision is about a break or about any of its entries."""
    decision = item.decision if isinstance(item, StandingDecision) else item
    return decision.subject == row.key or bool(
        set(decision.servicer) & set(row.servicer) or set(decision.owner) & set(row.owner)
    )


def _drafts(page: Page, view: AgreementView, row: BreakView) -> Iterator[Moment]:
    _ = page.translate
    for item in page.node.breaks.decisions(view.agreement):
        if not concerns(row, item):
            continue
        verdict = _(VERDICTS.get(item.verdict, item.verdict))
        said = _("%(who)s proposed: %(verdict)s (%(reason)s)") % {
            "who": item.maker,
            "verdict": verdict,
            "reason": item.reason,
        }
        yield Moment(item.made_at_ms, said)
        if item.checked_at_ms is None:
            continue
        if item.state == "REJECTED":
            words = {"who": item.checker, "reason": item.check_reason or "–"}
            said = _("%(who)s rejected it: %(reason)s") % words
        else:
            said = _("%(who)s approved it") % {"who": item.checker}
        yield Moment(item.checked_at_ms, said)


def _posted(page: Page, view: AgreementView, row: BreakView) -> Iterator[Moment]:
    _ = page.translate
    for item in page.node.breaks.standing(view.agreement):
        if not concerns(row, item):
            continue
        verdict = _(VERDICTS.get(item.decision.verdict, item.decision.verdict))
        times = [at for at in item.posted_s if at is not None]
        for side in Side:
            at_s = item.posted_s[side]
            if at_s is not None:
                said = _("%(who)s posted a decision: %(verdict)s")
                words = {"who": view.names[side], "verdict": verdict}
                yield Moment(at_s * SECOND_MS, said % words)
        if item.window is not None:
            effect = _(state(f"DECISION_{item.effect}").word)
            if item.void_reason:
                effect += f" – {_(VOID_REASONS.get(item.void_reason, item.void_reason))}"
            said = _("The run of %(day)s applied it: %(state)s") % {
                "day": page.speaker.day(window_day(item.window)),
                "state": effect,
            }
            yield Moment(max(times) * SECOND_MS, said)
