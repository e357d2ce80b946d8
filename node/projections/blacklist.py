"""The blacklist's log: facts appended, entries and disputes folded each from their own facts.

A rewind deletes facts from the fork on and folds anew only the entries and disputes that those
facts concerned: with a million entries a fold of everything would stop a node for minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.orm import Session

from node.chain.codec import Event, RawLog, json_args
from node.screening.states import Stage, Verdict
from node.tables import (
    Ballot,
    BlacklistFact,
    DeletionCertificate,
    Dispute,
    EntryTag,
    IndexCut,
    IndexRoot,
    ListedEntry,
    Recall,
    RootChallenge,
)

Args = Mapping[str, Any]
Step = Callable[[Session, BlacklistFact, Args], None]
#: One event, one row: a rewind deletes them and nothing else.
ROWS: Final = (EntryTag, IndexCut, IndexRoot, RootChallenge, Recall, DeletionCertificate)


def append(session: Session, event: Event, log: RawLog, time_s: int) -> None:
    """Append one fact of `Blacklist` and fold it into the state."""
    args = json_args(event.args)
    entry, number = event.args.get("entry"), event.args.get("dispute")
    if entry is None and number is not None:
        entry = session.get_one(Dispute, number).entry
    fact = BlacklistFact(
        name=event.name,
        args=args,
        entry=entry,
        dispute=number,
        tx_hash=log.tx_hash,
        block_time_s=time_s,
        block_number=log.block_number,
        log_index=log.log_index,
    )
    session.add(fact)
    for steps in (_ENTRY_STEPS, _DISPUTE_STEPS, _ROW_STEPS):
        step = steps.get(fact.name)
        if step is not None:
            step(session, fact, args)
    # Later facts of the same transaction look up what this one wrote.
    session.flush()


def rewind(session: Session, block: int) -> list[BlacklistFact]:
    """Delete what follows from blocks above `block`; return the facts that are gone."""
    lost = session.scalars(
        select(BlacklistFact).where(BlacklistFact.block_number > block).order_by(BlacklistFact.id)
    ).all()
    if not lost:
        return []
    session.execute(delete(BlacklistFact).where(BlacklistFact.block_number > block))
    for model in ROWS:
        columns = model.__table__.c
        session.execute(delete(model).where(columns.block_number > block))
    session.execute(
        update(EntryTag)
        .where(EntryTag.untagged_block > block)
        .values(untagged_block=None, untagged_log_index=None)
    )
    session.execute(
        update(Recall)
        .where(Recall.acknowledged_block > block)
        .values(acknowledged_block=None, acknowledged_at_s=None, acknowledged_tx=None)
    )
    _refold(session, lost)
    return list(lost)


def _refold(session: Session, lost: Sequence[BlacklistFact]) -> None:
    entries = {fact.entry for fact in lost if fact.entry is not None}
    disputes = {fact.dispute for fact in lost if fact.dispute is not None}
    for entry in entries:
        session.execute(delete(ListedEntry).where(ListedEntry.entry == entry))
    for dispute in disputes:
        session.execute(delete(Dispute).where(Dispute.dispute == dispute))
        session.execute(delete(Ballot).where(Ballot.dispute == dispute))
    session.expire_all()
    for entry in entries:
        _fold_again(session, _ENTRY_STEPS, BlacklistFact.entry == entry)
    for dispute in disputes:
        _fold_again(session, _DISPUTE_STEPS, BlacklistFact.dispute == dispute)


def _fold_again(session: Session, steps: Mapping[str, Step], which: ColumnElement[bool]) -> None:
    facts = select(BlacklistFact).where(which)
    ordered = facts.order_by(BlacklistFact.block_number, BlacklistFact.log_index)
    for fact in session.scalars(ordered).all():
        step = steps.get(fact.name)
        if step is not None:
            step(session, fact, fact.args)
            session.flush()


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text[2:])


def _or_none(text: str) -> bytes | None:
    found = _bytes(text)
    return found if any(found) else None


def _place(fact: BlacklistFact) -> dict[str, Any]:
    return {
        "block_number": fact.block_number,
        "log_index": fact.log_index,
        "tx_hash": fact.tx_hash,
    }


def _row(fact: BlacklistFact) -> dict[str, Any]:
    return {**_place(fact), "block_time_s": fact.block_time_s}


# ------------------------------------------------------------------------------------ entries
def _posted(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        ListedEntry(
            entry=fact.entry,
            uploader=args["uploader"],
            profile=args["profile"],
            commitment=_bytes(args["commitment"]),
            notice_day=args["noticeDay"],
            effective_day=args["effectiveDay"],
            expires_day=args["expiresDay"],
            ends_day=args["expiresDay"],
            supersedes=_or_none(args["supersedes"]),
            stage=Stage.TICKETED.name,
            stake_held=True,
            dispute=None,
            posted_at_s=fact.block_time_s,
            vested_at_s=None,
            **_place(fact),
        )
    )


def _entry(session: Session, fact: BlacklistFact) -> ListedEntry:
    return session.get_one(ListedEntry, fact.entry)


def _staged(session: Session, fact: BlacklistFact, args: Args) -> None:
    entry = _entry(session, fact)
    stage = Stage(args["stage"]).name
    # A ticket that is removed has lapsed: its stake is lost.
    if entry.stage == Stage.TICKETED.name and stage == Stage.REMOVED.name:
        entry.stake_held = False
    entry.stage = stage


def _shortened(session: Session, fact: BlacklistFact, args: Args) -> None:
    entry = _entry(session, fact)
    entry.ends_day = args["lastDay"]
    entry.shortened_block, entry.shortened_log_index = fact.block_number, fact.log_index


def _vested(session: Session, fact: BlacklistFact, _args: Args) -> None:
    entry = _entry(session, fact)
    entry.stake_held, entry.vested_at_s = False, fact.block_time_s


def _disputed(session: Session, fact: BlacklistFact, _args: Args) -> None:
    _entry(session, fact).dispute = fact.dispute


def _undisputed(session: Session, fact: BlacklistFact, args: Args) -> None:
    entry = _entry(session, fact)
    entry.dispute = None
    if Verdict(args["outcome"]) not in {Verdict.UPHELD, Verdict.UNDECIDED}:
        entry.stake_held = False


_ENTRY_STEPS: Final[Mapping[str, Step]] = {
    "EntryPosted": _posted,
    "EntryStaged": _staged,
    "EntryShortened": _shortened,
    "EntryVested": _vested,
    "DisputeOpened": _disputed,
    "DisputeSettled": _undisputed,
}


# ------------------------------------------------------------------------------------ disputes
def _opened(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        Dispute(
            dispute=fact.dispute,
            entry=fact.entry,
            by=args["by"],
            target=_entry(session, fact).uploader,
            by_person=args["byPerson"],
            grounds=_bytes(args["grounds"]),
            opened_at_s=fact.block_time_s,
            extended=False,
            contest_staked=False,
            **_place(fact),
        )
    )


def _dispute(session: Session, fact: BlacklistFact) -> Dispute:
    return session.get_one(Dispute, fact.dispute)


def _extended(session: Session, fact: BlacklistFact, _args: Args) -> None:
    _dispute(session, fact).extended = True


def _answered(session: Session, fact: BlacklistFact, args: Args) -> None:
    dispute = _dispute(session, fact)
    dispute.answer = Verdict(args["answer"]).name
    dispute.answer_hash = _bytes(args["answerHash"])
    dispute.answered_at_s = fact.block_time_s


def _contested(session: Session, fact: BlacklistFact, args: Args) -> None:
    dispute = _dispute(session, fact)
    dispute.contested_at_s = fact.block_time_s
    dispute.contested_by, dispute.contest_staked = args["by"], args["staked"]
    dispute.draw_after = int(args["drawAfter"])


def _draw_missed(session: Session, fact: BlacklistFact, args: Args) -> None:
    # A later block draws; the clocks run on.
    _dispute(session, fact).draw_after = int(args["drawAfter"])


def _drawn(session: Session, fact: BlacklistFact, args: Args) -> None:
    dispute = _dispute(session, fact)
    dispute.panel, dispute.seats = list(args["panel"]), args["seats"]


def _committed(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        Ballot(
            dispute=fact.dispute,
            member=args["member"],
            commitment=_bytes(args["commitment"]),
            verdict=None,
            **_row(fact),
        )
    )


def _revealed(session: Session, fact: BlacklistFact, args: Args) -> None:
    ballot = session.get_one(Ballot, (fact.dispute, args["member"]))
    ballot.verdict = Verdict(args["verdict"]).name


def _settled(session: Session, fact: BlacklistFact, args: Args) -> None:
    dispute = _dispute(session, fact)
    dispute.outcome = Verdict(args["outcome"]).name
    dispute.settled_at_s = fact.block_time_s


_DISPUTE_STEPS: Final[Mapping[str, Step]] = {
    "DisputeOpened": _opened,
    "DisputeExtended": _extended,
    "DisputeAnswered": _answered,
    "DisputeContested": _contested,
    "DrawMissed": _draw_missed,
    "PanelDrawn": _drawn,
    "BallotCommitted": _committed,
    "BallotRevealed": _revealed,
    "DisputeSettled": _settled,
}


# ------------------------------------------------------------------------------------ rows
def _tagged(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        EntryTag(
            entry=fact.entry,
            key_epoch=args["keyEpoch"],
            record=_bytes(args["record"]),
            **_row(fact),
        )
    )


def _untagged(session: Session, fact: BlacklistFact, args: Args) -> None:
    tag = session.get_one(EntryTag, (fact.entry, args["keyEpoch"]))
    tag.untagged_block, tag.untagged_log_index = fact.block_number, fact.log_index


def _cut(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        IndexCut(
            version=args["version"],
            key_epoch=args["keyEpoch"],
            leaf_count=int(args["leafCount"]),
            **_row(fact),
        )
    )


def _root(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        IndexRoot(
            version=args["version"],
            revision=args["revision"],
            root=_bytes(args["root"]),
            leaf_count=int(args["leafCount"]),
            signatures=list(args["signatures"]),
            **_row(fact),
        )
    )


def _challenged(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        RootChallenge(
            version=args["version"],
            revision=args["revision"],
            member=args["member"],
            entry=fact.entry,
            **_row(fact),
        )
    )


def _recalled(session: Session, fact: BlacklistFact, args: Args) -> None:
    for recipient in args["recipients"]:
        session.add(Recall(entry=fact.entry, recipient=_bytes(recipient), **_row(fact)))


def _acknowledged(session: Session, fact: BlacklistFact, args: Args) -> None:
    recall = session.get_one(Recall, (fact.entry, _bytes(args["recipient"])))
    recall.acknowledged_block = fact.block_number
    recall.acknowledged_at_s, recall.acknowledged_tx = fact.block_time_s, fact.tx_hash


def _deleted(session: Session, fact: BlacklistFact, args: Args) -> None:
    session.add(
        DeletionCertificate(
            entry=fact.entry,
            member=args["member"],
            certificate=_bytes(args["certificate"]),
            **_row(fact),
        )
    )


_ROW_STEPS: Final[Mapping[str, Step]] = {
    "EntryTagged": _tagged,
    "EntryUntagged": _untagged,
    "IndexCut": _cut,
    "RootPublished": _root,
    "RootChallenged": _challenged,
    "RecallOpened": _recalled,
    "RecallAcknowledged": _acknowledged,
    "DeletionCertifiedBy": _deleted,
}
