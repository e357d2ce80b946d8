"""A reader's erasure follows the uploader's; and what came back after one is destroyed again.

Once an uploader's certificate of deletion is final, every node that holds anything of the entry
destroys statement, salt, evidence and requests for it at once, and by itself. Receipts of lookups
that found it stay for as many days as the entry's profile gives a dispute: until then the person
may ask why this reader decided as it did, and an uploader that erases what was false leaves its
readers the proof. Then they are destroyed too, and that is certified: the ledger takes one
certificate of a member, so it says all that was destroyed.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from node.blacklist import Now, now_of
from node.kept_receipts import holds_receipt
from node.screening.profiles import profile_numbered
from node.screening.states import DAY_S
from node.services.screening.erasing import ErasingActs
from node.tables import (
    CustodyNotice,
    DeletionCertificate,
    Erasure,
    HeldDetail,
    KnownStatement,
    ListedEntry,
    OwnCustody,
    OwnCustodyAsk,
    OwnListing,
    OwnPaper,
    Release,
    SealedRecord,
)
from node.tables.tip import tip_of
from node.telemetry import logger
from reconcile.model import ZERO32

#: Who asked for an erasure that nobody here asked for.
LEDGER: Final = "ledger"
_log = logger("erasing")


class FollowingActs(ErasingActs):
    """Destroying by what stands on the ledger, without being asked."""

    def _follow_erasures(self) -> int:
        """Go on with this reader's erasures of what uploaders erased; return how many moved.

        By what is final, so that no fork takes the uploader's certificate back; whatever this
        node's own keys and state, since nothing is sent. In one transaction with what it destroys,
        the erasure is kept that ends with this reader's certificate.
        """
        with self._reading() as session:
            member, now = self._identity.member(session), now_of(session)
            if member is None:
                return 0
            reached = self._reached(session, member, now)
            if not any(session.execute(one.limit(1)).first() for one in (reached, _due(now))):
                self._erased.looked(session, now)
                return 0
        with self._writing() as session:
            found = session.execute(reached).all()
            for entry, erased_at_s, profile in found:
                days = profile_numbered(profile).dispute_days
                self._begin(session, entry, until_s=erased_at_s + days * DAY_S)
            over = session.scalars(_due(now)).all()
            for entry in over:
                self._destroy(session, entry)
                self._act(session, "node", "erase receipts", entry.hex(), by=LEDGER)
                _log.info("destroyed the receipts of an erased entry", entry=entry.hex())
        self._empty_log()
        return len(found) + len(over)

    def _begin(self, session: Session, entry: bytes, *, until_s: int) -> None:
        """Destroy what was read of an entry, and keep until when the rest stays, if any is held."""
        self._destroy_read(session, entry)
        if session.get(Erasure, entry) is None:
            row = Erasure(entry=entry, asked_at_ms=self._identity.clock(), asked_by=LEDGER)
            if session.scalar(select(_later(entry))):
                row.receipts_until_s = until_s
            session.add(row)
        self._act(session, "node", "erase", entry.hex(), by=LEDGER)
        _log.info("destroyed what its uploader erased", entry=entry.hex())

    def _reached(self, session: Session, member: int, now: Now) -> Select[bytes, int, int]:
        """Return others' entries that were erased and are held here: entry, time (s), profile.

        What receipts and papers hold waits once the erasure was begun.
        """
        entry, cursor = DeletionCertificate.entry, tip_of(session)
        begun = exists().where(Erasure.entry == entry)
        return (
            select(entry, DeletionCertificate.block_time_s, ListedEntry.profile)
            .join(ListedEntry, ListedEntry.entry == entry)
            .where(
                DeletionCertificate.member == ListedEntry.uploader,
                DeletionCertificate.member != member,
                DeletionCertificate.block_number <= (0 if cursor is None else cursor.final_block),
                self._erased.touched(now, entry),
                or_(*_read_here(), _later(entry) & ~begun),
            )
        )

    def _destroy_certified(self) -> int:
        """Destroy what came back of entries whose deletion this node certified; return how many.

        A database that was copied before an erasure holds the person again. The certificate on
        the ledger, in a final block, is this member's word: it is kept at once, without a wish.
        """
        with self._reading() as session:
            member, now = self._identity.member(session), now_of(session)
            if member is None:
                return 0
            back = _came_back(member).where(self._certified.touched(now, DeletionCertificate.entry))
            if not session.scalars(back.limit(1)).first():
                self._certified.looked(session, now)
                return 0
        with self._writing() as session:
            found = session.scalars(back).all()
            gone = 0
            for entry in found:
                if not self._is_final(session, entry):
                    continue
                stands = session.get_one(DeletionCertificate, (entry, member))
                self._destroy(session, entry)
                now_ms = self._identity.clock()
                wish = session.get(Erasure, entry)
                if wish is None:
                    wish = Erasure(entry=entry, asked_at_ms=now_ms, asked_by=LEDGER)
                    session.add(wish)
                wish.hash, wish.destroyed_at_ms = stands.certificate, now_ms
                self._act(session, "node", "erase again", entry.hex())
                _log.warning(
                    "destroyed again what this node certified as destroyed: the database was"
                    " copied before that; destroy older backups too",
                    entry=entry.hex(),
                )
                gone += 1
        self._empty_log()
        return gone


def _due(now: Now) -> Select[bytes]:
    """Return the entries whose receipts and papers have been kept for as long as they are."""
    return select(Erasure.entry).where(
        Erasure.hash.is_(None),
        Erasure.receipts_until_s <= now.time_s,
        _later(Erasure.entry),
    )


def _came_back(member: int) -> Select[bytes]:
    """Return the entries whose deletion a member certified, and of which its rows hold more."""
    entry = DeletionCertificate.entry
    held = (
        exists().where(OwnListing.entry == entry, OwnListing.erased_at_ms.is_(None)),
        exists().where(SealedRecord.entry == entry),
        exists().where(OwnPaper.entry == entry),
        exists().where(
            Release.entry == entry,
            Release.consent != ZERO32,
            or_(Release.package != b"", Release.receipt != b""),
        ),
        exists().where(CustodyNotice.entry == entry, CustodyNotice.request != b""),
        exists().where(OwnCustody.entry == entry, OwnCustody.secret != b""),
        *_read_here(),
        holds_receipt(entry),
    )
    return select(entry).where(DeletionCertificate.member == member, or_(*held))


def _later(entry: bytes | InstrumentedAttribute[bytes]) -> ColumnElement[bool]:
    """Say whether receipts that found an entry, or own papers about it, are held."""
    return or_(holds_receipt(entry), exists().where(OwnPaper.entry == entry))


def _read_here() -> tuple[ColumnElement[bool], ...]:
    """Say whether statement, evidence or requests for it are held of another's entry."""
    entry = DeletionCertificate.entry
    return (
        exists().where(KnownStatement.entry == entry),
        exists().where(
            HeldDetail.entry == entry,
            or_(HeldDetail.erased_at_ms.is_(None), HeldDetail.receipt != b""),
        ),
        exists().where(
            OwnCustodyAsk.entry == entry,
            or_(OwnCustodyAsk.enclosed != b"", OwnCustodyAsk.request != b""),
        ),
    )
