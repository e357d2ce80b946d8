"""Disputes: raised, answered, contested, voted on, settled.

A vote is written in two steps. Verdict and salt are kept, sealed, in the very transaction that asks
for the commitment to be sent: whatever dies in between, the same vote can be opened later, and no
second one can be sent. The reveal, the draw and the settling follow by themselves when the block's
time has come to them.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import (
    Now,
    ballots_of,
    dispute_facts,
    dispute_profile,
    is_regulators,
    phase_now,
    regulator_of,
    require_dispute,
    require_entry,
)
from node.errors import Conflict, NotAllowed
from node.keyholders import require_full
from node.screening.points import DISPUTE_STAKE
from node.screening.states import (
    ANSWERS,
    VOTES,
    EntryState,
    Phase,
    Verdict,
    ripe_since_s,
    seats_now,
    slack_days,
)
from node.services.screening.base import Base
from node.services.screening.listing import require_state
from node.services.screening.papers import ANSWER, GROUNDS, paper_json, write_paper
from node.services.screening.purse import spend
from node.tables import Dispute, OwnBallot, OwnPaper
from reconcile.model import UsageError, Where

SALT_BYTES: Final = 32
DISPUTABLE: Final = frozenset({EntryState.LISTED, EntryState.UNTAGGED})
#: The hash of the second block after the contest draws the panel, so it is called in the third.
DRAW_BLOCKS: Final = 2
#: So long the party that contested draws alone; then any other member of the case does.
OTHERS_AFTER_BLOCKS: Final = 24
OTHERS_AFTER_S: Final = 3_600
#: Phases that somebody only has to settle.
RIPE: Final = frozenset({Phase.UNANSWERED, Phase.ACCEPTED, Phase.DECIDED, Phase.UNDECIDED})
#: Phases in which an undrawn panel may be drawn; the next one is the regulator's.
DRAWABLE: Final = frozenset({Phase.COMMIT, Phase.REVEAL})
_BALLOT_TYPES: Final = ("uint256", "address", "uint64", "uint32", "uint8", "bytes32")


class _Vote(msgspec.Struct, array_like=True):
    verdict: int
    salt: bytes


class DisputeActs(Base):
    """A member's part in disputes: as who raises one, answers one, sits on a panel, decides."""

    # ------------------------------------------------------------------------- parties
    def open_dispute(
        self, entry: bytes, grounds: str, *, by_person: bool = False, actor: str = "node"
    ) -> int:
        """Dispute another member's entry; for the person (whose identity we attest) or staking.

        Raises `NotFound` ENTRY_UNKNOWN, `Conflict` DISPUTE_OPEN, ENTRY_STATE_NOT_ALLOWED,
        STAKE_NEEDED, `NotAllowed` OWN_ENTRY, `UsageError` POINTS_SHORT, POINTS_DEBT, `InputError`
        PAPER_*.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            require_full(session, member)
            row, now = require_entry(session, entry), self._now(session)
            if row.uploader == member:
                raise NotAllowed(
                    "OWN_ENTRY",
                    "nobody disputes its own entry",
                    help="withdraw it, or correct it with `kanhe blacklist list --supersedes`",
                )
            if row.dispute is not None:
                raise Conflict(
                    "DISPUTE_OPEN",
                    f"the entry is disputed already, in dispute {row.dispute}",
                    help="a person who was not asked about it is heard all the same: once it is "
                    f"answered, `kanhe blacklist contest {row.dispute} --for-person`",
                )
            require_state(session, row, DISPUTABLE, now, "disputed")
            if by_person:
                _require_first(session, entry, member)
            digest = write_paper(
                session,
                self._ring,
                kind=GROUNDS,
                entry=entry,
                text=grounds,
                staked=not by_person,
                now_ms=self._identity.clock(),
            )
            if not by_person and not self._calls.waits(
                session, f"dispute/{entry.hex()}/{digest.hex()[:32]}"
            ):
                # A repeated command finds its own stake asked for already.
                spend(session, self._calls, member, DISPUTE_STAKE, now, what="dispute")
            self._act(session, actor, "dispute", entry.hex(), by_person=str(by_person))
            return self._calls.open_dispute(session, entry, digest, by_person=by_person)

    def answer_dispute(
        self, dispute: int, verdict: Verdict, reasons: str, *, actor: str = "node"
    ) -> int:
        """Answer a dispute about an own entry: UPHELD, CORRECTED or REMOVED, with reasons.

        Raises `NotFound`, `NotAllowed` NOT_PARTY, `Conflict` PHASE_NOT_ALLOWED, `UsageError`
        VERDICT_NOT_ALLOWED, `InputError` PAPER_*.
        """
        _require_verdict(verdict, ANSWERS, "an answer")
        with self._writing() as session:
            row = self._as_target(session, dispute)
            self._require_phase(session, row, Phase.OPEN, "answered")
            digest = write_paper(
                session,
                self._ring,
                kind=ANSWER,
                entry=row.entry,
                text=reasons,
                now_ms=self._identity.clock(),
            )
            self._act(session, actor, "answer", str(dispute), verdict=verdict.name)
            return self._calls.answer(session, dispute, verdict, digest)

    def extend_answer(self, dispute: int, *, actor: str = "node") -> int:
        """Take the uploader's extension, once; raises `Conflict` NO_EXTENSION and as above."""
        with self._writing() as session:
            row = self._as_target(session, dispute)
            self._require_phase(session, row, Phase.OPEN, "extended")
            if row.extended or not slack_days(dispute_profile(session, row)):
                raise Conflict("NO_EXTENSION", "the profile leaves none, or it was taken")
            self._act(session, actor, "extend", str(dispute))
            return self._calls.extend_answer(session, dispute)

    def contest(
        self, dispute: int, *, by_person: bool = False, grounds: str = "", actor: str = "node"
    ) -> int:
        """Take an answer to the panel, as who raised the dispute or beside it.

        Beside it for the person, whose identity we attest, or with a stake of our own; `grounds`
        are kept here for the panel. Raises `NotFound`, `NotAllowed` NOT_PARTY, `Conflict`
        PHASE_NOT_ALLOWED, `UsageError` POINTS_SHORT, POINTS_DEBT, `InputError` PAPER_*.
        """
        with self._writing() as session:
            row, member = require_dispute(session, dispute), self._identity.require_member(session)
            require_full(session, member)
            if row.target == member:
                raise NotAllowed("NOT_PARTY", f"dispute {dispute} is about an entry of ours")
            self._require_phase(session, row, Phase.ANSWERED, "contested")
            asked = self._calls.waits(session, self._calls.contest_subject(dispute))
            if row.by != member and not by_person and not asked:
                now = self._now(session)
                spend(session, self._calls, member, DISPUTE_STAKE, now, what="contest")
            if grounds:
                write_paper(
                    session,
                    self._ring,
                    kind=GROUNDS,
                    entry=row.entry,
                    text=grounds,
                    now_ms=self._identity.clock(),
                )
            self._act(session, actor, "contest", str(dispute), by_person=str(by_person))
            return self._calls.contest(session, dispute, by_person=by_person)

    # ------------------------------------------------------------------------- verdicts
    def give_verdict(self, dispute: int, verdict: Verdict, *, actor: str = "node") -> int:
        """Vote as a panelist, hidden until all have voted, or decide as the regulator.

        The vote is opened by the node itself when its time comes. Raises `NotFound`, `NotAllowed`
        NOT_PANELIST, NOT_REGULATOR, `Conflict` PHASE_NOT_ALLOWED, BALLOT_CAST, `UsageError`
        VERDICT_NOT_ALLOWED.
        """
        _require_verdict(verdict, VOTES, "a vote")
        with self._writing() as session:
            row = require_dispute(session, dispute)
            phase = phase_now(session, row, self._now(session))
            if phase is Phase.REGULATOR:
                self._require_regulator(session, row)
                self._act(session, actor, "decide", str(dispute), verdict=verdict.name)
                return self._calls.decide(session, dispute, verdict)
            return self._vote(session, row, verdict, actor)

    def _vote(self, session: Session, row: Dispute, verdict: Verdict, actor: str) -> int:
        member, now = self._identity.require_member(session), self._now(session)
        self._require_phase(session, row, Phase.COMMIT, "voted on")
        seats = seats_now(dispute_facts(session, row), dispute_profile(session, row), now.time_s)
        if member not in seats:
            raise NotAllowed(
                "NOT_PANELIST",
                f"member {member} has no seat in this round of dispute {row.dispute}",
                help=f"in it sit: {', '.join(map(str, seats)) or 'nobody, it is not drawn yet'}",
            )
        standing = session.get(OwnBallot, row.dispute)
        if standing is not None:
            if self._open_vote(standing)[0] is not verdict:
                raise Conflict(
                    "BALLOT_CAST",
                    f"another vote was cast in dispute {row.dispute}",
                    help="a hidden vote stands: it was committed to before it is opened",
                )
            return self._calls.commit_ballot(session, row.dispute, standing.commitment)
        salt = secrets.token_bytes(SALT_BYTES)
        commitment = self._ballot(row.dispute, member, verdict, salt)
        vote = msgspec.msgpack.encode(_Vote(int(verdict), salt))
        session.add(
            OwnBallot(
                dispute=row.dispute,
                commitment=commitment,
                secret=self._ring.seal_bytes(vote, _label(row.dispute)),
                voted_at_ms=self._identity.clock(),
            )
        )
        # The audit log is read by many: it says that a vote was cast, not which.
        self._act(session, actor, "vote", str(row.dispute))
        return self._calls.commit_ballot(session, row.dispute, commitment)

    def _ballot(self, dispute: int, member: int, verdict: Verdict, salt: bytes) -> bytes:
        place = self._identity.place
        words = (place.chain_id, "0x" + place.blacklist.hex(), dispute, member, int(verdict), salt)
        return keccak(encode(_BALLOT_TYPES, words))

    def _open_vote(self, row: OwnBallot) -> tuple[Verdict, bytes]:
        vote = msgspec.msgpack.decode(
            self._ring.open_bytes(row.secret, _label(row.dispute)), type=_Vote
        )
        return Verdict(vote.verdict), vote.salt

    def paper_of(self, dispute: int) -> dict[str, str] | None:
        """Return our own grounds or reasons in a dispute, with the salt that opens their hash."""
        with self._reading() as session:
            row = require_dispute(session, dispute)
            found = session.scalars(
                select(OwnPaper).where(OwnPaper.hash.in_((row.grounds, row.answer_hash or b"")))
            ).first()
            if found is None and row.contested_by == self._identity.member(session):
                # Beside who raised it, a person's own grounds have no hash on the ledger.
                found = session.scalars(
                    select(OwnPaper)
                    .where(OwnPaper.entry == row.entry, OwnPaper.kind == GROUNDS)
                    .order_by(OwnPaper.written_at_ms.desc())
                ).first()
            return None if found is None else paper_json(self._ring, found)

    # ------------------------------------------------------------------------- by itself
    def _move_disputes(self, session: Session, member: int, now: Now) -> int:
        """Open the own votes, draw panels and settle what is ripe; return how much was asked."""
        done = 0
        for row in session.scalars(select(Dispute).where(Dispute.outcome.is_(None))).all():
            phase = phase_now(session, row, now)
            done += self._reveal_due(session, row, phase, member)
            if phase in DRAWABLE:
                done += self._draw_due(session, row, member, now)
            if phase in RIPE:
                done += self._settle_due(session, row, member, now)
        return done

    def _settle_due(self, session: Session, row: Dispute, member: int, now: Now) -> int:
        """Settle what is ripe: who contested or raised it at once, others when it is silent."""
        facts, profile = dispute_facts(session, row), dispute_profile(session, row)
        over_s = now.time_s - ripe_since_s(facts, profile, now.time_s)
        subject = self._calls.settle_subject(row.dispute)
        turn = member == _first_party(row)
        turn |= member in _parties(row) and over_s > OTHERS_AFTER_S
        # Parties of one mind would leave a stake and its penalty where they are.
        turn |= member == regulator_of(session) and over_s > 2 * OTHERS_AFTER_S
        if not turn or self._calls.pending(session, subject):
            return 0
        self._calls.settle_dispute(session, row.dispute)
        return 1

    def _reveal_due(self, session: Session, row: Dispute, phase: Phase, member: int) -> int:
        if phase is not Phase.REVEAL:
            return 0
        own, cast = session.get(OwnBallot, row.dispute), ballots_of(session, row.dispute)
        ballot = cast.get(member)
        if own is None or ballot is None or ballot.verdict is not None:
            return 0
        if ballot.commitment != own.commitment:
            return 0
        if self._calls.pending(session, self._calls.reveal_subject(row.dispute)):
            return 0
        verdict, salt = self._open_vote(own)
        self._calls.reveal_ballot(session, row.dispute, verdict, salt)
        return 1

    def _draw_due(self, session: Session, row: Dispute, member: int, now: Now) -> int:
        if row.draw_after is None or row.panel is not None:
            return 0
        wait = DRAW_BLOCKS if member == _first_party(row) else OTHERS_AFTER_BLOCKS
        # The regulator's node too: where all parties are of one mind, nobody else would draw.
        draws = member in _parties(row) or member == regulator_of(session)
        subject = self._calls.draw_subject(row.dispute, row.draw_after)
        if not draws or now.block < row.draw_after + wait or self._calls.pending(session, subject):
            return 0
        self._calls.draw(session, row.dispute, row.draw_after)
        return 1

    # ------------------------------------------------------------------------- inside
    def _as_target(self, session: Session, dispute: int) -> Dispute:
        row = require_dispute(session, dispute)
        if row.target != self._identity.require_member(session):
            raise NotAllowed(
                "NOT_PARTY",
                f"dispute {dispute} is about an entry of member {row.target}",
                help="only the entry's uploader answers",
            )
        return row

    def _require_regulator(self, session: Session, row: Dispute) -> None:
        member, regulator = self._identity.require_member(session), regulator_of(session)
        if regulator is None:
            # A node that has not asked yet leaves it to the contract.
            return
        if member != regulator or is_regulators(row, regulator):
            raise NotAllowed(
                "NOT_REGULATOR",
                f"dispute {row.dispute} is decided by the regulator, member {regulator}, "
                "and not where it is a party",
                help="where it is one, the profile's days end the dispute",
            )

    def _require_phase(self, session: Session, row: Dispute, needed: Phase, what: str) -> None:
        phase = phase_now(session, row, self._now(session))
        if phase is not needed:
            raise Conflict(
                "PHASE_NOT_ALLOWED",
                f"dispute {row.dispute} stands at {phase.name}, it is {what} at {needed.name}",
                help="`kanhe blacklist disputes` shows its clocks",
            )


def _parties(row: Dispute) -> set[int | None]:
    return {row.by, row.target, row.contested_by}


def _first_party(row: Dispute) -> int:
    """Return whose node acts first: who took the answer to the panel, else who raised it."""
    return row.by if row.contested_by is None else row.contested_by


def _require_first(session: Session, entry: bytes, member: int) -> None:
    """Of one entry a member disputes once without a stake: the ledger refuses a second time."""
    raised = select(Dispute.dispute).where(
        Dispute.entry == entry, Dispute.by == member, Dispute.by_person
    )
    number = session.scalar(raised.limit(1))
    if number is not None:
        raise Conflict(
            "STAKE_NEEDED",
            f"dispute {number} raised this entry for the person before, by this member",
            help="raise it again with a stake, or let another member that knows her raise it",
        )


def _require_verdict(verdict: Verdict, allowed: tuple[Verdict, ...], what: str) -> None:
    if verdict not in allowed:
        words = ", ".join(item.name for item in allowed)
        raise UsageError(
            "VERDICT_NOT_ALLOWED",
            f"{verdict.name} is not {what}",
            where=Where(field="verdict"),
            help=f"one of {words}",
        )


def _label(dispute: int) -> bytes:
    return b"ballot/" + dispute.to_bytes(8, "big")
