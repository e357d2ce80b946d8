"""An entry's life in words: every fact with its transaction, and what time alone did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import Now, dispute_facts, last_day_of
from node.screening.profiles import profile_numbered
from node.screening.states import DAY_S, TICKET_S, Stage, Verdict, suspends_s
from node.services.screening.views import Step
from node.tables import BlacklistFact, Dispute, EvaluationAudit, ListedEntry
from reconcile.counting import counted
from reconcile.model import day_iso

Args = Mapping[str, Any]

_STAGED: Final = {
    Stage.LISTED: "listed: it has a leaf, its ticket is used",
    Stage.SUSPENDED: "suspended: its dispute ran out",
    Stage.CORRECTED: "corrected",
    Stage.REMOVED: "removed",
    Stage.ERASED: "erased: salts and keys are destroyed",
}
_WORDS: Final[Mapping[str, Callable[[Args], str]]] = {
    "EntryPosted": lambda a: f"posted by member {a['uploader']}: stake and commitment",
    "EntryTagged": lambda a: f"has a leaf in key epoch {a['keyEpoch']}",
    "EntryUntagged": lambda a: f"has no leaf in key epoch {a['keyEpoch']} any more",
    "EntryStaged": lambda a: _STAGED.get(Stage(a["stage"]), Stage(a["stage"]).name),
    "EntryShortened": lambda a: f"its last day is {day_iso(a['lastDay'])} now: a dispute ran out",
    "EntryVested": lambda _a: "its stake returned after the challenge window",
    "RootChallenged": lambda a: f"not found in index version {a['version']} by its uploader",
    "DisputeOpened": lambda a: (
        f"dispute {a['dispute']} raised by member {a['by']}"
        + (" for the person" if a["byPerson"] else "")
    ),
    "DisputeExtended": lambda a: f"dispute {a['dispute']}: the uploader took its extension",
    "DisputeAnswered": lambda a: f"dispute {a['dispute']} answered: {Verdict(a['answer']).name}",
    "DisputeContested": lambda a: (
        f"dispute {a['dispute']}: member {a['by']} takes the answer to a panel"
        + (" with a stake of its own" if a["staked"] else "")
    ),
    "DrawMissed": lambda a: f"dispute {a['dispute']}: nobody drew in time, a later block draws",
    "PanelDrawn": lambda a: (
        f"dispute {a['dispute']}: panel {', '.join(map(str, a['panel'])) or 'of nobody'}"
    ),
    "BallotCommitted": lambda a: f"dispute {a['dispute']}: member {a['member']} voted, hidden",
    "BallotRevealed": lambda a: (
        f"dispute {a['dispute']}: member {a['member']} voted {Verdict(a['verdict']).name}"
    ),
    "DisputeSettled": lambda a: f"dispute {a['dispute']} ended: {Verdict(a['outcome']).name}",
    "RecallOpened": lambda a: f"recalled from {counted(len(a['recipients']), 'reader')}",
    "RecallAcknowledged": lambda _a: "a reader acknowledged the recall",
    "DeletionCertifiedBy": lambda a: f"member {a['member']} certified what it destroyed",
}


def history_of(session: Session, row: ListedEntry, now: Now) -> tuple[Step, ...]:
    """Return every change of an entry in order, those without a transaction among them."""
    facts = select(BlacklistFact).where(BlacklistFact.entry == row.entry)
    ordered = facts.order_by(BlacklistFact.block_number, BlacklistFact.log_index)
    steps = [_step(fact) for fact in session.scalars(ordered)]
    steps += _audits(session, row.entry)
    steps += _by_time(session, row, now)
    return tuple(sorted(steps, key=lambda step: step.at_s))


def _step(fact: BlacklistFact) -> Step:
    words = _WORDS.get(fact.name)
    return Step(
        what=fact.name,
        says=fact.name if words is None else words(fact.args),
        at_s=fact.block_time_s,
        block=fact.block_number,
        tx_hash=fact.tx_hash,
        args=fact.args,
    )


def _audits(session: Session, entry: bytes) -> Iterator[Step]:
    """Return the audits of a listing's evaluations: facts of `Points`, not of the entry."""
    found = select(EvaluationAudit).where(
        EvaluationAudit.subject == entry, EvaluationAudit.ticket == 0
    )
    for row in session.scalars(found.order_by(EvaluationAudit.audit)):
        args = {"audit": row.audit}
        says = f"audit {row.audit}: the regulator asks to have its evaluation opened"
        yield Step("AuditBegun", says, row.block_time_s, row.block_number, row.tx_hash, args)
        if row.outcome is not None and row.ended_at_s is not None:
            says = f"audit {row.audit} ended: {row.outcome}"
            what = f"Audit{row.outcome}"
            yield Step(what, says, row.ended_at_s, row.ended_block, row.ended_tx, args)


def _by_time(session: Session, row: ListedEntry, now: Now) -> list[Step]:
    steps = []
    lapses_s = row.posted_at_s + TICKET_S
    if row.stage == Stage.TICKETED.name and now.time_s > lapses_s:
        steps.append(Step("Lapsed", "its ticket was not used in time", lapses_s + 1))
    profile = profile_numbered(row.profile)
    for dispute in session.scalars(select(Dispute).where(Dispute.entry == row.entry)):
        end_s = now.time_s if dispute.settled_at_s is None else dispute.settled_at_s
        until_s = suspends_s(dispute_facts(session, dispute), profile)
        if end_s > until_s:
            says = f"suspended: dispute {dispute.dispute} ran out"
            steps.append(
                Step("SuspendedByTime", says, until_s + 1, args={"dispute": dispute.dispute})
            )
    over = {Stage.REMOVED.name, Stage.CORRECTED.name, Stage.ERASED.name, Stage.TICKETED.name}
    ends_s = (last_day_of(session, row, now) + 1) * DAY_S
    if row.stage not in over and now.time_s >= ends_s:
        steps.append(Step("Expired", "its time is over", ends_s))
    return steps
