"""Recalls and erasure: what readers must acknowledge, what is destroyed, and the word for it.

An erasure is a wish that is kept: what stands is taken back first. Only when the entry is over in a
final block, so that no dispute and no fork can ask for the evidence again, is everything destroyed
and certified, in one SQL transaction: a certificate never speaks of what is still there, and a
crash before it loses nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from node.audits import holds_erasure, openable_until_s
from node.blacklist import Now, phase_now, require_dispute, require_entry, state_of
from node.db import overwriting
from node.errors import Conflict, NotAllowed, NotFound
from node.kept_receipts import holds_receipt, reduce_receipts
from node.listings import destroy_listing
from node.screening.deletions import RECEIPTS
from node.screening.envelope import DELETION_TYPE, sign_envelope
from node.screening.states import DAY_S, OVER, EntryState
from node.services.screening.base import Base
from node.services.screening.disputing import RIPE
from node.services.screening.listing import WITHDRAWABLE, require_state
from node.tables import (
    BlacklistFact,
    CustodyNotice,
    DeletionCertificate,
    Erasure,
    HeldDetail,
    KnownStatement,
    ListedEntry,
    LookupEntry,
    OwnAttestation,
    OwnCustody,
    OwnCustodyAsk,
    Recall,
    Release,
)
from node.tables.tip import tip_of
from reconcile.canonical import canonical_json
from reconcile.model import ZERO32, day_iso

#: Changed entries: whoever was told of them before must be told of that.
RECALLED: Final = frozenset(
    {EntryState.SUSPENDED, EntryState.CORRECTED, EntryState.REMOVED, EntryState.ERASED}
)
#: Recipients of one call: each costs a slot of storage.
RECIPIENTS_A_CALL: Final = 64
DESTROYED: Final = (
    "identifier",
    "salt",
    "statement",
    "evidence",
    "sealed records",
    "papers",
    "requests",
    RECEIPTS,
)
DESTROYED_BY_READER: Final = ("salt", "statement", "evidence", "papers", "requests", RECEIPTS)


def recipient_of(entry: bytes, secret: bytes) -> bytes:
    """Return how a recall names a reader: keccak256(abi.encode(entry, secret))."""
    return keccak(encode(("bytes32", "bytes32"), (entry, secret)))


class ErasingActs(Base):
    """Recalling, acknowledging and erasing."""

    def recall(self, entry: bytes, *, actor: str = "node") -> int:
        """Recall a changed entry from every reader that was released its detail; return how many.

        Raises `NotFound` ENTRY_UNKNOWN, `NotAllowed` NOT_UPLOADER, `Conflict`
        ENTRY_STATE_NOT_ALLOWED.
        """
        with self._writing() as session:
            row = require_entry(session, entry)
            self._require_uploader(session, row)
            require_state(session, row, RECALLED, self._now(session), "recalled")
            return self._open_recalls(session, entry, actor)

    def _open_recalls(self, session: Session, entry: bytes, actor: str) -> int:
        opened = select(Recall.recipient).where(
            Recall.entry == entry, Recall.recipient == Release.recipient
        )
        found = session.scalars(
            select(Release.recipient)
            .where(Release.entry == entry, ~opened.exists())
            .order_by(Release.ticket)
        ).all()
        recipients = list(dict.fromkeys([*found, *_by_custodians(session, entry)]))
        for start in range(0, len(recipients), RECIPIENTS_A_CALL):
            self._calls.open_recall(session, entry, recipients[start : start + RECIPIENTS_A_CALL])
        if recipients:
            self._act(session, actor, "recall", entry.hex(), readers=str(len(recipients)))
        return len(recipients)

    def acknowledge(self, entry: bytes, *, actor: str = "node") -> int:
        """Acknowledge every open recall of an entry that names us; return how many.

        Raises `NotFound` RECALL_UNKNOWN.
        """
        with self._writing() as session:
            done = 0
            for recipient, secret in self._secrets(session, entry):
                row = session.get(Recall, (entry, recipient))
                if row is None or row.acknowledged_at_s is not None:
                    continue
                self._calls.acknowledge_recall(session, entry, recipient, secret)
                done += 1
            if not done:
                raise NotFound(
                    "RECALL_UNKNOWN",
                    f"no open recall of entry {entry.hex()[:16]}… names this node",
                    help="`kanhe blacklist trace` shows an entry's recalls",
                )
            self._act(session, actor, "acknowledge", entry.hex())
            return done

    def _secrets(self, session: Session, entry: bytes) -> list[tuple[bytes, bytes]]:
        """Return how recalls of an entry name us, each with its secret."""
        found = [
            (row.recipient, self._ring.open_bytes(row.secret, recall_label(row.recipient)))
            for row in session.scalars(
                select(HeldDetail).where(HeldDetail.entry == entry, HeldDetail.secret != b"")
            )
        ]
        said = session.get(OwnAttestation, entry)
        if said is not None:
            secret = self._ring.open_bytes(said.recall_secret, recall_label(said.recipient))
            found.append((said.recipient, secret))
        return found

    # ------------------------------------------------------------------------- erasure
    def erase(self, entry: bytes, *, actor: str = "node") -> bytes | None:
        """Ask for an entry's erasure; return the certificate's hash, None while the ledger lags.

        What still stands is taken back first. Once the entry is over in a final block, everything
        this node holds of it is destroyed and certified, now or by itself later; receipts of own
        lookups that found it are not kept any longer. Raises `NotFound`
        ENTRY_UNKNOWN, NOTHING_HELD, `Conflict` ENTRY_STATE_NOT_ALLOWED, DISPUTE_OPEN.
        """
        with self._writing() as session:
            row, now = require_entry(session, entry), self._now(session)
            member = self._identity.require_member(session)
            wish = session.get(Erasure, entry)
            if wish is None:
                self._require_erasable(session, row, member, now)
                wish = Erasure(
                    entry=entry, asked_at_ms=self._identity.clock(), asked_by=actor[:256]
                )
                session.add(wish)
                self._act(session, actor, "erase", entry.hex())
            elif wish.receipts_until_s is not None:
                wish.receipts_until_s, wish.asked_by = None, actor[:256]
                self._act(session, actor, "erase", entry.hex())
            self._advance(session, wish, row, member, now)
            certificate = wish.hash
        self._empty_log()
        return certificate

    def _require_erasable(self, session: Session, row: ListedEntry, member: int, now: Now) -> None:
        if row.uploader != member:
            if not self._holds(session, row.entry):
                raise NotFound(
                    "NOTHING_HELD",
                    f"this node holds nothing of entry {row.entry.hex()[:16]}…",
                    help="only who holds something of an entry certifies that it is destroyed",
                )
            require_state(session, row, OVER, now, "erased by a reader")
            return
        if row.dispute is not None:
            dispute = require_dispute(session, row.dispute)
            phase = phase_now(session, dispute, now)
            if phase not in RIPE:
                raise Conflict(
                    "DISPUTE_OPEN",
                    f"dispute {row.dispute} about this entry stands at {phase.name}",
                    help="an entry is erased once its dispute is over",
                )
            return
        require_state(session, row, OVER | WITHDRAWABLE, now, "erased")

    def _holds(self, session: Session, entry: bytes) -> bool:
        held = select(HeldDetail.ticket).where(HeldDetail.entry == entry)
        known = any(session.get(model, entry) for model in (KnownStatement, OwnAttestation))
        found = held.limit(1), select(LookupEntry.lookup).where(holds_receipt(entry)).limit(1)
        return known or any(session.scalars(one).first() is not None for one in found)

    def _advance(
        self, session: Session, wish: Erasure, row: ListedEntry, member: int, now: Now
    ) -> int:
        """Take an erasure's next step; return how much was asked or done."""
        if wish.hash is not None:
            return self._ask_again(session, wish, row, member, now)
        if row.dispute is not None:
            # Its outcome then says what is left to do.
            subject = self._calls.settle_subject(row.dispute)
            if self._calls.pending(session, subject):
                return 0
            self._calls.settle_dispute(session, row.dispute)
            return 1
        state = state_of(session, row, now)
        ours = row.uploader == member
        if state is EntryState.LAPSED:
            return self._ask(session, f"lapse/{row.entry.hex()}", self._calls.lapse, row.entry)
        if state in WITHDRAWABLE - OVER and ours:
            subject = f"withdraw/{row.entry.hex()}"
            return self._ask(session, subject, self._calls.withdraw, row.entry)
        if state not in OVER or not self._is_final(session, row.entry):
            return 0
        if wish.receipts_until_s is not None and now.time_s < wish.receipts_until_s:
            return 0
        if ours and holds_erasure(session, row):
            return 0
        if ours:
            self._open_recalls(session, row.entry, wish.asked_by)
        envelope = self._certificate(row, member, now)
        self._destroy(session, row.entry)
        wish.envelope, wish.hash = envelope, hashlib.sha256(envelope).digest()
        wish.destroyed_at_ms = self._identity.clock()
        self._calls.certify_deletion(session, row.entry, wish.hash)
        return 1

    def _ask(
        self,
        session: Session,
        subject: str,
        call: Callable[[Session, bytes], int],
        entry: bytes,
    ) -> int:
        if self._calls.pending(session, subject):
            return 0
        call(session, entry)
        return 1

    def _ask_again(
        self, session: Session, wish: Erasure, row: ListedEntry, member: int, now: Now
    ) -> int:
        assert wish.hash is not None, "the certificate is signed"
        if row.uploader == member and now.time_s < openable_until_s(session, row):
            return 0
        stands = session.get(DeletionCertificate, (wish.entry, member)) is not None
        if stands or self._calls.pending(session, self._calls.certify_subject(wish.entry)):
            return 0
        self._calls.certify_deletion(session, wish.entry, wish.hash)
        return 1

    def _is_final(self, session: Session, entry: bytes) -> bool:
        """Say whether no fact of an entry can be taken back by a fork any more."""
        newest = session.scalar(
            select(func.max(BlacklistFact.block_number)).where(BlacklistFact.entry == entry)
        )
        cursor = tip_of(session)
        return cursor is not None and (newest or 0) <= cursor.final_block

    def _erasures_due(self, session: Session, member: int, now: Now) -> int:
        """Go on with every erasure that is not on the ledger yet."""
        stands = select(DeletionCertificate.entry).where(
            DeletionCertificate.entry == Erasure.entry, DeletionCertificate.member == member
        )
        done = 0
        for wish in session.scalars(select(Erasure).where(~stands.exists())).all():
            row = session.get(ListedEntry, wish.entry)
            if row is not None:
                done += self._advance(session, wish, row, member, now)
        return done

    def _certificate(self, row: ListedEntry, member: int, now: Now) -> bytes:
        what = DESTROYED if row.uploader == member else DESTROYED_BY_READER
        payload = canonical_json(
            {
                "kanhe": "deletion/1",
                "chain_id": str(self._identity.place.chain_id),
                "contract": "0x" + self._identity.place.blacklist.hex(),
                "entry": row.entry.hex(),
                "member": str(member),
                "day": day_iso(now.time_s // DAY_S),
                "destroyed": list(what),
            }
        )
        return sign_envelope(DELETION_TYPE, payload, [self._identity.keys.approver]).to_json()

    def _destroy(self, session: Session, entry: bytes) -> None:
        """Destroy everything that is held of an entry."""
        self._destroy_read(session, entry)
        now_ms, signer = self._identity.clock(), self._identity.keys.approver
        with overwriting(session):
            reduce_receipts(session, self._ring, signer, entry, now_ms=now_ms)
            destroy_listing(session, entry, now_ms=now_ms)
            # A receipt of a release has the documents' bare hashes, by which a form is guessed; a
            # request may come with a certificate that names the person.
            released = (Release.entry == entry, Release.consent != ZERO32)
            session.execute(update(Release).where(*released).values(package=b"", receipt=b""))
            session.execute(
                update(CustodyNotice).where(CustodyNotice.entry == entry).values(request=b"")
            )
            # What custodians keep they destroy by the ledger, or when this node takes it back.
            session.execute(update(OwnCustody).where(OwnCustody.entry == entry).values(secret=b""))
        self._destroyed = True

    def _destroy_read(self, session: Session, entry: bytes) -> None:
        """Destroy what was read of another member's entry: statement, salt, evidence, requests.

        A request to custodians encloses, sealed to the uploader, the salt of the person's consent.
        """
        now_ms = self._identity.clock()
        with overwriting(session):
            session.execute(delete(KnownStatement).where(KnownStatement.entry == entry))
            # A reader still acknowledges recalls: their secrets name it alone, and nobody else.
            session.execute(
                update(HeldDetail)
                .where(HeldDetail.entry == entry)
                .values(
                    documents=b"",
                    receipt=b"",
                    erased_at_ms=func.coalesce(HeldDetail.erased_at_ms, now_ms),
                )
            )
            session.execute(
                update(OwnCustodyAsk)
                .where(OwnCustodyAsk.entry == entry)
                .values(request=b"", enclosed=b"")
            )
        self._destroyed = True

    def erasure_of(self, entry: bytes) -> bytes | None:
        """Return the hash of the certificate of an erasure that was asked for, None before it."""
        with self._reading() as session:
            row = session.get(Erasure, entry)
            return None if row is None else row.hash

    def certificate_of(self, entry: bytes) -> bytes:
        """Return this node's signed certificate of deletion; `NotFound` CERTIFICATE_UNKNOWN."""
        with self._reading() as session:
            row = session.get(Erasure, entry)
            if row is None or row.envelope is None:
                raise NotFound("CERTIFICATE_UNKNOWN", "this node certified no deletion of it")
            return row.envelope

    def _require_uploader(self, session: Session, row: ListedEntry) -> None:
        member = self._identity.require_member(session)
        if row.uploader != member:
            raise NotAllowed(
                "NOT_UPLOADER", f"the entry is member {row.uploader}'s, not {member}'s"
            )


def _by_custodians(session: Session, entry: bytes) -> list[bytes]:
    """Return how recalls name readers to whom custodians released, where none is open yet."""
    opened = select(Recall.recipient).where(
        Recall.entry == entry, Recall.recipient == CustodyNotice.recipient
    )
    found = select(CustodyNotice.recipient).where(CustodyNotice.entry == entry, ~opened.exists())
    return list(session.scalars(found.order_by(CustodyNotice.ticket)))


def recall_label(recipient: bytes) -> bytes:
    """Return which row a recall's secret belongs to."""
    return b"recall/" + recipient
