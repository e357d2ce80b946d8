"""The calls on `Blacklist` and `Points` of a member that lists, disputes, votes or recalls.

As in `node.calls`: intents inside the caller's transaction, whose subject names the effect, so
that a crash that repeats the asking asks for one effect. All of them go out in one lane, in the
order in which they were asked for: what comes second may rest on what comes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.calls import Calls
from node.identity import Identity
from node.outbox import append_intent
from node.screening.listings import Listing
from node.screening.profiles import profile_of
from node.screening.states import Verdict
from node.tables import Intent
from reconcile.model import ZERO32

BLACKLIST: Final = "Blacklist"
POINTS: Final = "Points"
LANE: Final = "registry"
CONTEST: Final = "contest"
OPEN: Final = ("WAITING", "SIGNED", "HELD")


class BlacklistCalls:
    """Appends intents; each method returns the intent's id."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._calls = Calls(identity)

    def pending(self, session: Session, subject: str) -> bool:
        """Say whether an effect was asked for and not refused, or was refused a moment ago."""
        return self._calls.pending(session, subject)

    def waits(self, session: Session, subject: str) -> bool:
        """Say whether an effect was asked for and is not done yet."""
        found = select(Intent.id).where(Intent.subject == subject, Intent.state.in_(OPEN))
        return session.scalar(found) is not None

    def disputed_soon(self, session: Session, entry: bytes) -> bool:
        """Say whether a dispute of an entry, on whatever grounds, waits for the ledger."""
        mine = Intent.subject.startswith(f"dispute/{entry.hex()}/", autoescape=True)
        found = select(Intent.id).where(mine, Intent.state.in_(OPEN)).limit(1)
        return session.scalar(found) is not None

    def refusal(self, session: Session, subject: str) -> tuple[str, str] | None:
        """Return code and words of the last refusal of an effect that nobody asked for again."""
        found = select(Intent).where(Intent.subject == subject)
        if session.scalars(found).first() is not None:
            return None
        last = session.scalars(
            select(Intent)
            .where(Intent.subject.startswith(f"{subject}#refused-", autoescape=True))
            .order_by(Intent.id.desc())
            .limit(1)
        ).first()
        return None if last is None else (last.error_code or "REFUSED", last.error or "")

    # ------------------------------------------------------------------------- entries
    def list_subject(self, entry: bytes) -> str:
        """Return the subject of an entry's ticket."""
        return f"list/{entry.hex()}"

    def list_entry(self, session: Session, listing: Listing) -> int:
        """Post an entry's ticket: the stake and the commitment."""
        assert listing.notice_at is not None, "an entry without notice is refused before"
        args = (
            listing.entry_id,
            listing.commitment,
            profile_of(listing.policy).number,
            listing.notice_at,
            listing.effective_from,
            listing.expires_at,
            listing.supersedes or ZERO32,
        )
        return self._blacklist(session, "list", args, self.list_subject(listing.entry_id))

    def tag_subject(self, entry: bytes, key_epoch: int) -> str:
        """Return the subject of a tag."""
        return f"tag/{entry.hex()}/{key_epoch}"

    def tag(
        self,
        session: Session,
        entry: bytes,
        key_epoch: int,
        hashed: bytes,
        signatures: Sequence[bytes],
    ) -> int:
        """State that an own entry has a leaf in a key epoch, of a record that replicas hold."""
        subject = self.tag_subject(entry, key_epoch)
        return self._blacklist(
            session, "tag", (entry, key_epoch, hashed, list(signatures)), subject
        )

    def withdraw_subject(self, entry: bytes) -> str:
        """Return the subject of a withdrawal."""
        return f"withdraw/{entry.hex()}"

    def withdraw(self, session: Session, entry: bytes) -> int:
        """Take an own entry back."""
        return self._blacklist(session, "withdraw", (entry,), self.withdraw_subject(entry))

    def lapse(self, session: Session, entry: bytes) -> int:
        """Let a ticket that was not used in time be over."""
        return self._blacklist(session, "lapse", (entry,), f"lapse/{entry.hex()}")

    def vest_subject(self, entry: bytes) -> str:
        """Return the subject of a vesting."""
        return f"vest/{entry.hex()}"

    def vest(self, session: Session, entry: bytes) -> int:
        """Take an entry's stake back after the challenge window."""
        return self._blacklist(session, "vest", (entry,), self.vest_subject(entry))

    # ------------------------------------------------------------------------- tickets
    def detail_ticket_subject(self, use: bytes) -> str:
        """Return the subject of a DETAIL ticket, by what it is bought for."""
        return f"detailticket/{use.hex()}"

    def buy_detail_ticket(self, session: Session, use: bytes) -> int:
        """Burn points for one DETAIL ticket."""
        subject = self.detail_ticket_subject(use)
        return self._append(session, POINTS, "buyDetailTicket", (use,), subject)

    # ------------------------------------------------------------------------- disputes
    def open_dispute(
        self, session: Session, entry: bytes, grounds: bytes, *, by_person: bool
    ) -> int:
        """Dispute another member's entry."""
        subject = f"dispute/{entry.hex()}/{grounds.hex()[:32]}"
        return self._blacklist(session, "openDispute", (entry, by_person, grounds), subject)

    def extend_subject(self, dispute: int) -> str:
        """Return the subject of an extension."""
        return f"extend/{dispute}"

    def extend_answer(self, session: Session, dispute: int) -> int:
        """Take the uploader's extension."""
        return self._blacklist(session, "extendAnswer", (dispute,), self.extend_subject(dispute))

    def answer_subject(self, dispute: int) -> str:
        """Return the subject of an answer."""
        return f"disputeanswer/{dispute}"

    def answer(self, session: Session, dispute: int, verdict: Verdict, digest: bytes) -> int:
        """Answer a dispute about an own entry."""
        args = (dispute, int(verdict), digest)
        return self._blacklist(session, "answer", args, self.answer_subject(dispute))

    def contest_subject(self, dispute: int) -> str:
        """Return the subject of a contest."""
        return f"contest/{dispute}"

    def contest(self, session: Session, dispute: int, *, by_person: bool) -> int:
        """Take an answer to the panel."""
        args = (dispute, by_person)
        return self._blacklist(session, CONTEST, args, self.contest_subject(dispute))

    def contests_waiting(self, session: Session) -> list[tuple[int, bool]]:
        """Return the disputes whose contest waits for the ledger, each with: for the person?"""
        found = select(Intent.subject, Intent.calldata).where(
            Intent.call == CONTEST, Intent.state.in_(OPEN)
        )
        return [
            (int(subject.rpartition("/")[2]), bool(data[-1]))
            for subject, data in session.execute(found)
        ]

    def draw_subject(self, dispute: int, after: int) -> str:
        """Return the subject of a draw; a missed one is drawn after a later block."""
        return f"draw/{dispute}/{after}"

    def draw(self, session: Session, dispute: int, after: int) -> int:
        """Draw a panel."""
        return self._blacklist(session, "draw", (dispute,), self.draw_subject(dispute, after))

    def ballot_subject(self, dispute: int) -> str:
        """Return the subject of a hidden vote."""
        return f"ballot/{dispute}"

    def commit_ballot(self, session: Session, dispute: int, commitment: bytes) -> int:
        """Send the hidden vote."""
        args = (dispute, commitment)
        return self._blacklist(session, "commitBallot", args, self.ballot_subject(dispute))

    def reveal_subject(self, dispute: int) -> str:
        """Return the subject of a revealed vote."""
        return f"reveal/{dispute}"

    def reveal_ballot(self, session: Session, dispute: int, verdict: Verdict, salt: bytes) -> int:
        """Open the own vote."""
        args = (dispute, int(verdict), salt)
        return self._blacklist(session, "revealBallot", args, self.reveal_subject(dispute))

    def decide_subject(self, dispute: int) -> str:
        """Return the subject of the regulator's verdict."""
        return f"decide/{dispute}"

    def decide(self, session: Session, dispute: int, verdict: Verdict) -> int:
        """Give the regulator's verdict."""
        args = (dispute, int(verdict))
        return self._blacklist(session, "decide", args, self.decide_subject(dispute))

    def settle_subject(self, dispute: int) -> str:
        """Return the subject of a settling."""
        return f"settledispute/{dispute}"

    def settle_dispute(self, session: Session, dispute: int) -> int:
        """Carry out what a dispute came to."""
        return self._blacklist(session, "settle", (dispute,), self.settle_subject(dispute))

    # ------------------------------------------------------------------------- recall, erasure
    def open_recall(self, session: Session, entry: bytes, recipients: Sequence[bytes]) -> int:
        """Recall a changed entry from readers."""
        subject = f"recall/{entry.hex()}/{recipients[0].hex()[:32]}"
        return self._blacklist(session, "openRecall", (entry, list(recipients)), subject)

    def acknowledge_recall(
        self, session: Session, entry: bytes, recipient: bytes, secret: bytes
    ) -> int:
        """Acknowledge a recall by the secret that came with the release."""
        subject = f"acknowledge/{entry.hex()}/{recipient.hex()[:32]}"
        return self._blacklist(session, "acknowledgeRecall", (entry, secret), subject)

    def certify_subject(self, entry: bytes) -> str:
        """Return the subject of a certificate of deletion."""
        return f"erase/{entry.hex()}"

    def certify_deletion(self, session: Session, entry: bytes, certificate: bytes) -> int:
        """Record a certificate of deletion."""
        args = (entry, certificate)
        return self._blacklist(session, "certifyDeletion", args, self.certify_subject(entry))

    # ------------------------------------------------------------------------- points
    def claim_subject(self, day: int) -> str:
        """Return the subject of an allowance, by the day on which it is asked for."""
        return f"allowance/{day}"

    def claim_allowance(self, session: Session, day: int) -> int:
        """Mint the allowance of the days since the last one."""
        return self._append(session, POINTS, "claimAllowance", (), self.claim_subject(day))

    def settle_period(
        self,
        session: Session,
        period: int,
        reader: int,
        root: bytes,
        rows: Sequence[tuple[int, int, int]],
        signatures: Sequence[bytes],
    ) -> int:
        """Pay a reader's period from its rows, signed by t of the committee."""
        args = (period, reader, root, list(rows), list(signatures))
        return self._append(session, POINTS, "settle", args, f"settleperiod/{reader}/{period}")

    # ------------------------------------------------------------------------- inside
    def _blacklist(self, session: Session, call: str, args: Sequence[object], subject: str) -> int:
        return self._append(session, BLACKLIST, call, args, subject)

    def _append(
        self, session: Session, contract: str, call: str, args: Sequence[object], subject: str
    ) -> int:
        self._identity.place.require_blacklist()
        return append_intent(
            session,
            kind=call,
            contract=contract,
            call=call,
            args=args,
            subject=subject,
            lane_key=LANE,
            now_ms=self._identity.clock(),
        )
