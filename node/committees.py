"""Committees as the ledger tells of them: runs by their words, and who holds an epoch's key.

The contract holds a hash of the public shares; the shares themselves follow from the words of the
run that made them, which every node judges alike.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, bindparam, select
from sqlalchemy.orm import Session

from node.crypto.oprf import generation, resharing
from node.crypto.oprf.board import Board
from node.crypto.oprf.faults import Fault, generation_faults, resharing_faults
from node.crypto.oprf.plan import Phase, Plan, Timeline, timeline_of, unpack_plan
from node.crypto.oprf.threshold import Committee
from node.crypto.oprf.words import Word, board_of
from node.snapshots import remembered
from node.tables import CommitteeWord, KeyEpoch
from reconcile.model import ProtocolError

#: A committee of committees: nobody shares one key anew more often than this.
MAX_SHARINGS = 64
#: A key epoch's sharings, the last one first.
_SHARINGS: Final = (
    select(
        KeyEpoch.sharing,
        KeyEpoch.threshold,
        KeyEpoch.members,
        KeyEpoch.public_key,
        KeyEpoch.shares_hash,
    )
    .where(KeyEpoch.key_epoch == bindparam("key_epoch"))
    .order_by(KeyEpoch.sharing.desc())
)


@dataclass(frozen=True, slots=True)
class Run:
    """A run as the ledger shows it: its plan, its words in order, its timeline once it began."""

    plan: Plan
    words: tuple[Word, ...]
    timeline: Timeline | None

    @property
    def joined(self) -> tuple[int, ...]:
        """Return who has joined, in order."""
        return tuple(dict.fromkeys(member for member, _ in _joins(self.plan, self.words)))

    @property
    def board(self) -> Board:
        """Return the board of what came in time; empty before the run began."""
        if self.timeline is None:
            return Board()
        return board_of(self.plan, self.timeline, self.words)

    def has_said(self, member: int, phase: Phase) -> bool:
        """Say whether a member's word of a phase stands on the ledger."""
        return any(word.member == member and word.phase == phase for word in self.words)


@dataclass(frozen=True, slots=True)
class EpochCommittee:
    """Who holds a key epoch's key: the members by their index from 1, and what is public."""

    key_epoch: int
    sharing: int
    switch_block: int
    members: tuple[int, ...]
    committee: Committee
    run: bytes

    def index_of(self, member: int) -> int | None:
        """Return a member's index in the committee."""
        return self.members.index(member) + 1 if member in self.members else None

    def member_of(self, index: int) -> int:
        """Return the member under an index."""
        return self.members[index - 1]


def load_run(session: Session, run: bytes) -> Run | None:
    """Return a run by its id, None where nobody has joined one of this id."""
    rows = session.scalars(
        select(CommitteeWord)
        .where(CommitteeWord.session == run)
        .order_by(CommitteeWord.block_number, CommitteeWord.log_index)
    )
    words = tuple(Word(row.member, row.phase, row.body, row.block_number) for row in rows)
    for word in words:
        if word.phase == Phase.JOIN:
            try:
                plan = unpack_plan(word.body, run)
            except ProtocolError:
                continue
            return Run(plan, words, timeline_of(plan, _joins(plan, words)))
    return None


def load_runs(session: Session) -> list[Run]:
    """Return every run that somebody joined, oldest first."""
    found = session.execute(
        select(CommitteeWord.session, CommitteeWord.id)
        .where(CommitteeWord.phase == int(Phase.JOIN))
        .order_by(CommitteeWord.id)
    )
    runs = [load_run(session, run) for run in dict.fromkeys(run for run, _ in found)]
    return [run for run in runs if run is not None]


def outcome_of(session: Session, run: Run, *, depth: int = 0) -> Committee:
    """Return the committee that a finished run gives.

    Raises `ProtocolError` OPRF_GENERATION_FAILED, OPRF_RESHARING_FAILED, or COMMITTEE_UNKNOWN where
    an earlier run that it rests on is not on the ledger.
    """
    if not run.plan.resharing:
        return generation.committee_of(run.plan.session, run.board)
    old = previous_of(session, run.plan, depth=depth)
    return resharing.committee_of(run.plan.session, old, run.board)


def previous_of(session: Session, plan: Plan, *, depth: int = 0) -> Committee:
    """Return the committee whose nodes deal in a re-sharing; raises COMMITTEE_UNKNOWN."""
    earlier = load_run(session, plan.previous)
    if earlier is None or earlier.timeline is None or depth > MAX_SHARINGS:
        raise _unknown(plan.key_epoch, "the run that gave the dealers their shares is not there")
    if earlier.plan.members != plan.dealers or earlier.plan.key_epoch != plan.key_epoch:
        raise _unknown(plan.key_epoch, "the run before it had other members")
    return outcome_of(session, earlier, depth=depth + 1)


def faults_of(session: Session, run: Run) -> tuple[Fault, ...]:
    """Return the dealers of a run that failed, and at what."""
    if not run.plan.resharing:
        return generation_faults(run.plan.session, run.board)
    old = previous_of(session, run.plan)
    return resharing_faults(run.plan.session, old, run.board)


def shares_hash(committee: Committee) -> bytes:
    """Return SHA-256 over the public shares in order of the members, as the ledger holds it."""
    ordered = (committee.shares[index] for index in sorted(committee.shares))
    return hashlib.sha256(b"".join(ordered)).digest()


def installed_as(session: Session, plan: Plan, committee: Committee) -> KeyEpoch | None:
    """Return the row of the key epoch that installed a run's outcome, None before."""
    row = session.get(KeyEpoch, (plan.key_epoch, plan.sharing))
    if row is None or row.public_key != committee.public:
        return None
    return row if row.shares_hash == shares_hash(committee) else None


def members_of(session: Session, key_epoch: int, committee: Committee) -> tuple[int, ...] | None:
    """Return a committee's members in order of their index, None where the ledger holds it not.

    It is one of the key epoch's sharings, whichever.
    """
    if sorted(committee.shares) != list(range(1, len(committee.shares) + 1)):
        return None
    words = (committee.threshold, len(committee.shares), committee.public, shares_hash(committee))
    for row in _sharings(session, key_epoch):
        if words == (row.threshold, len(row.members), row.public_key, row.shares_hash):
            return tuple(row.members)
    return None


def reach_threshold(session: Session, key_epoch: int, members: frozenset[int]) -> bool:
    """Say whether so many of these members held shares of one sharing as evaluate together."""
    rows = _sharings(session, key_epoch)
    return any(len(members.intersection(row.members)) >= row.threshold for row in rows)


def _sharings(session: Session, key_epoch: int) -> Sequence[Row[Any]]:
    """Return an epoch's sharings, the last one first."""
    return remembered(
        session,
        ("sharings", key_epoch),
        lambda: session.execute(_SHARINGS, {"key_epoch": key_epoch}).all(),
    )


class Committees:
    """The committees of installed key epochs; each is computed once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, int, bytes], EpochCommittee] = {}

    def of_epoch(
        self, session: Session, key_epoch: int, *, sharing: int | None = None
    ) -> EpochCommittee:
        """Return who holds an epoch's key, by its newest sharing unless one is named.

        Raises `ProtocolError` COMMITTEE_UNKNOWN: the epoch is not installed, or its words on the
        ledger do not give the key that was approved.
        """
        rows = _sharings(session, key_epoch)
        row = next((row for row in rows if sharing in {None, row.sharing}), None)
        if row is None:
            raise _unknown(key_epoch, "no committee was approved for it")
        mark = (key_epoch, row.sharing, row.shares_hash)
        found = self._known.get(mark)
        if found is None:
            installed = session.get_one(KeyEpoch, (key_epoch, row.sharing))
            found = self._known[mark] = _computed(session, installed)
        return found


def _computed(session: Session, row: KeyEpoch) -> EpochCommittee:
    for run in load_runs(session):
        plan = run.plan
        named = (plan.key_epoch, plan.sharing, list(plan.members), plan.threshold)
        if named != (row.key_epoch, row.sharing, list(row.members), row.threshold):
            continue
        if run.timeline is None:
            continue
        try:
            committee = outcome_of(session, run)
        except ProtocolError:
            continue
        if installed_as(session, plan, committee) is not None:
            return EpochCommittee(
                row.key_epoch, row.sharing, row.switch_block, plan.members, committee, plan.id
            )
    raise _unknown(row.key_epoch, "no run on the ledger gives the key that was approved")


def _joins(plan: Plan, words: tuple[Word, ...]) -> list[tuple[int, int]]:
    body = plan.pack()
    joins = (word for word in words if word.phase == Phase.JOIN and word.body == body)
    return [(word.member, word.block) for word in joins]


def _unknown(key_epoch: int, says: str) -> ProtocolError:
    return ProtocolError(
        "COMMITTEE_UNKNOWN",
        f"the committee of key epoch {key_epoch} is unknown: {says}",
        help="let the node catch up; `kanhe committee list` shows the runs and epochs",
    )
