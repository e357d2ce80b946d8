"""One entry's changes, folded without a database: order, stage, disputes.

What the contract could not have done is refused: two tickets, a change before the ticket or after
the erasure, a dispute of another entry, two at once, or one that ends twice, and another last day
than the one that a dispute which ran out leaves the entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final

from node.screening.evidence import Change
from node.screening.profiles import Profile, profile_numbered
from node.screening.states import DAY_S, DisputeFacts, Stage, Verdict, suspension
from reconcile.model import ProtocolError, Where

#: From which stages the contract moves to each; TICKETED is the ticket itself.
_FROM: Final = {
    Stage.LISTED: {Stage.TICKETED},
    Stage.SUSPENDED: {Stage.LISTED},
    Stage.CORRECTED: {Stage.LISTED, Stage.SUSPENDED},
    Stage.REMOVED: {Stage.TICKETED, Stage.LISTED, Stage.SUSPENDED},
    Stage.ERASED: {Stage.LISTED, Stage.SUSPENDED, Stage.CORRECTED, Stage.REMOVED},
}
_STAGE_AFTER: Final = {
    Verdict.CORRECTED: Stage.CORRECTED,
    Verdict.REMOVED: Stage.REMOVED,
    Verdict.UNVERIFIABLE: Stage.REMOVED,
    Verdict.TIMED_OUT: Stage.SUSPENDED,
    Verdict.UNDECIDED: Stage.SUSPENDED,
}
_OF_ENTRY: Final = frozenset(
    {
        "EntryPosted",
        "EntryTagged",
        "EntryUntagged",
        "EntryShortened",
        "EntryStaged",
        "EntryVested",
        "RecallOpened",
        "RecallAcknowledged",
        "DeletionCertifiedBy",
        "DisputeOpened",
        "DisputeSettled",
    }
)
_OF_DISPUTE: Final = frozenset(
    {
        "DisputeExtended",
        "DisputeAnswered",
        "DisputeContested",
        "DrawMissed",
        "PanelDrawn",
        "BallotCommitted",
        "BallotRevealed",
        "DisputeSettled",
    }
)
OF_CONSENT: Final = frozenset({"ConsentRecorded", "ConsentRevoked"})
_SUSPENDING: Final = frozenset({Verdict.TIMED_OUT, Verdict.UNDECIDED})
_WORDS: Final = (ValueError, LookupError, TypeError)


@dataclass(slots=True)
class History:
    """What an entry's changes come to.

    `ends_day` is its last day. `suspending` is the dispute that ended by suspending it. `shortens`:
    the last day that a settled dispute leaves it, by the transaction that has to say so.
    """

    posted: Change
    profile: Profile
    ends_day: int
    stage: Stage = Stage.TICKETED
    tags: set[str] = field(default_factory=set)
    open_number: str | None = None
    open_dispute: DisputeFacts | None = None
    suspending: DisputeFacts | None = None
    settled: list[tuple[Verdict, bytes]] = field(default_factory=list)
    shortens: dict[bytes, int] = field(default_factory=dict)
    staged: dict[bytes, Stage] = field(default_factory=dict)

    @property
    def tagged(self) -> bool:
        """Say whether it has a leaf in a key epoch."""
        return bool(self.tags)

    @property
    def disputes(self) -> int:
        """Return how many disputes were raised."""
        return len(self.settled) + (self.open_dispute is not None)

    @property
    def overturned(self) -> int:
        """Return how many of them ended against the entry."""
        standing = {Verdict.UPHELD, Verdict.UNDECIDED}
        return sum(verdict not in standing for verdict, _ in self.settled)


def read_history(changes: Sequence[Change], entry: bytes) -> History:
    """Fold changes in the ledger's order; consents stand beside them, for whoever asked.

    Raises `ProtocolError` EVIDENCE_ORDER or EVIDENCE_CHANGE.
    """
    changes = [change for change in changes if change.name not in OF_CONSENT]
    for before, after in pairwise(changes):
        if before.place >= after.place or before.time_s > after.time_s:
            raise _refuse("EVIDENCE_ORDER", after, "does not follow the one before it")
        if before.block == after.block and before.time_s != after.time_s:
            raise _refuse("EVIDENCE_ORDER", after, "has another time than its block")
    history: History | None = None
    for change in changes:
        try:
            history = _step(history, change, f"0x{entry.hex()}")
        except _WORDS:
            raise _refuse("EVIDENCE_CHANGE", change, "has other arguments than its event") from None
    if history is None:
        raise ProtocolError(
            "EVIDENCE_CHANGE",
            "no change posts the entry",
            where=Where(field="changes"),
            help="Ask for the whole history of the entry.",
        )
    _require_consequences(history, changes)
    return history


def _require_consequences(history: History, changes: Sequence[Change]) -> None:
    """A dispute changes the entry's stage and last day in the transaction that settles it."""
    for verdict, transaction in history.settled:
        change = next(one for one in changes if one.transaction == transaction)
        if history.staged.get(transaction) is not _STAGE_AFTER.get(verdict):
            raise _refuse("EVIDENCE_CHANGE", change, "does not go with the entry's stage")
        if transaction in history.shortens:
            raise _refuse("EVIDENCE_CHANGE", change, "does not go with the entry's last day")


def _step(history: History | None, change: Change, entry: str) -> History:
    if change.name in _OF_ENTRY and change.args["entry"] != entry:
        raise _refuse("EVIDENCE_CHANGE", change, "is of another entry")
    if change.name == "EntryPosted":
        if history is not None:
            raise _refuse("EVIDENCE_CHANGE", change, "posts the entry a second time")
        profile = profile_numbered(int(_text(change, "profile")))
        return History(change, profile, int(_text(change, "expiresDay")))
    if history is None:
        raise _refuse("EVIDENCE_CHANGE", change, "stands before the entry's ticket")
    if change.name in _OF_DISPUTE or change.name == "DisputeOpened":
        _dispute(history, change)
    elif change.name == "EntryStaged":
        stage = Stage(int(_text(change, "stage")))
        if history.stage not in _FROM.get(stage, ()):
            raise _refuse("EVIDENCE_CHANGE", change, f"leads from {history.stage.name} there")
        history.stage = history.staged[change.transaction] = stage
    elif change.name == "EntryShortened":
        day = int(_text(change, "lastDay"))
        if history.shortens.pop(change.transaction, None) != day:
            raise _refuse("EVIDENCE_CHANGE", change, "does not follow from a dispute's clocks")
        history.ends_day = day
    elif change.name == "EntryTagged":
        history.tags.add(_text(change, "keyEpoch"))
    elif change.name == "EntryUntagged":
        history.tags.remove(_text(change, "keyEpoch"))
    elif change.name not in _OF_ENTRY:
        raise _refuse("EVIDENCE_CHANGE", change, "is no event of the blacklist")
    return history


def _dispute(history: History, change: Change) -> None:
    number = _text(change, "dispute")
    if change.name == "DisputeOpened":
        if history.open_dispute is not None:
            raise _refuse("EVIDENCE_CHANGE", change, "opens a second dispute")
        history.open_number, history.open_dispute = number, DisputeFacts(change.time_s)
        return
    found = history.open_dispute
    if found is None or number != history.open_number:
        raise _refuse("EVIDENCE_CHANGE", change, "is of a dispute that is not open")
    if change.name == "DisputeSettled":
        outcome = Verdict(int(_text(change, "outcome")))
        if found.contested_at_s is None:
            # Nobody sat over it: the answer stands, or there was none.
            expected = Verdict.TIMED_OUT if found.answered_at_s is None else found.answer
            if outcome is not expected:
                raise _refuse("EVIDENCE_CHANGE", change, f"does not follow from {expected.name}")
        elif outcome is Verdict.TIMED_OUT:
            raise _refuse("EVIDENCE_CHANGE", change, "does not follow from a contest")
        history.settled.append((outcome, change.transaction))
        _end(history, found, outcome, change)
        history.open_number = history.open_dispute = None
        return
    history.open_dispute = _moved(found, change)


def _end(history: History, dispute: DisputeFacts, outcome: Verdict, change: Change) -> None:
    """Note the last day that a dispute leaves the entry, where time alone has suspended it."""
    found = suspension(dispute, history.profile, history.ends_day)
    if outcome in _SUSPENDING:
        if change.time_s < found.since_s:
            raise _refuse("EVIDENCE_CHANGE", change, "comes before the dispute ran out")
        history.suspending = dispute
    elif change.time_s // DAY_S <= found.last_day:
        return
    if found.last_day < history.ends_day:
        history.shortens[change.transaction] = found.last_day


def _moved(found: DisputeFacts, change: Change) -> DisputeFacts:
    if change.name == "DisputeExtended":
        return replace(found, extended=True)
    if change.name == "DisputeAnswered":
        answer = Verdict(int(_text(change, "answer")))
        return replace(found, answer=answer, answered_at_s=change.time_s)
    if change.name == "DisputeContested":
        return replace(found, contested_at_s=change.time_s)
    if change.name == "PanelDrawn":
        panel = tuple(int(member) for member in change.args["panel"])  # type: ignore[union-attr]
        return replace(found, panel=panel, seats=int(_text(change, "seats")))
    if change.name == "BallotRevealed":
        vote = {int(_text(change, "member")): Verdict(int(_text(change, "verdict")))}
        return replace(found, ballots={**found.ballots, **vote})
    return found


def _text(change: Change, name: str) -> str:
    value = change.args[name]
    if not isinstance(value, str):
        raise TypeError(name)
    return value


def _refuse(code: str, change: Change, says: str) -> ProtocolError:
    return ProtocolError(
        code,
        f"{change.name} in block {change.block} {says}",
        where=Where(field=f"changes[{change.block}:{change.log_index}]"),
        help="Ask any node for the entry's history; this file does not tell it.",
    )
