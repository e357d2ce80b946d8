"""An uploader's part in a custody: evidence sealed and left with custodians, and taken back.

What stands after a crash, by line: a custody and its deliveries are one transaction, made before
anything is sent; a deposit that was sent and not noted is sent again as the same share of the same
polynomial, and its custodian takes it as known. The polynomial is kept, sealed, until the last
custodian has its share. Taking back is noted by the custodian's signed word alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import ColumnElement, and_, exists, func, select, update
from sqlalchemy.orm import Session

from node.blacklist import Now, recorded_consent
from node.crypto.keys import SealingPublicKey
from node.crypto.oprf import shamir
from node.crypto.oprf.group import SCALAR_BYTES, Scalar
from node.crypto.oprf.shamir import Polynomial
from node.db import overwriting
from node.identity import address_bytes
from node.keyholders import holds_key
from node.listings import open_listing, still_runs
from node.screening.consents import consent_key
from node.screening.custody import (
    Manifest,
    begin,
    claim_key,
    detail_hash,
    read_manifest,
    seal_detail,
    share_info,
    write_manifest,
)
from node.screening.custody_messages import (
    Deposit,
    Deposits,
    Drop,
    Taken,
    pack,
    read_destroyed,
    unpack,
)
from node.screening.listing_consents import listing_consent
from node.services.screening.custody import (
    DROP,
    TAKE,
    Circle,
    CustodyBase,
    circle_of,
    is_final,
    is_over,
)
from node.services.screening.detail import general_key, refuse
from node.tables import (
    CustodyDelivery,
    ListedEntry,
    OwnCustody,
    OwnListing,
    Recall,
)
from reconcile.model import ZERO32, KanheError, ProtocolError

#: Custodies of one SQL transaction, and what goes to one custodian in one message.
MADE_A_TURN: Final = 20
MAX_MESSAGE_BYTES: Final = 10 << 20
SENT_A_TURN: Final = 50
ENDED_A_TURN: Final = 500
#: What a custodian says that keeps another custody under the same generation.
DIFFERS: Final = "CUSTODY_DIFFERS"


class DepositActs(CustodyBase):
    """Giving own evidence to custodians, and taking it back."""

    def _custody_out(self) -> int:
        """Make what custodies are due, leave them, take back what is over; return how many."""
        done = 0
        with self._reading() as session:
            member, now = self._identity.require_member(session), self._now(session)
            circle = circle_of(session, member, now)
            due = () if circle is None else _uncovered(session, member, circle, now)
        if circle is not None and due:
            with self._writing() as session:
                for entry in due:
                    self._make_custody(session, entry, member, circle)
                    done += 1
        done += self._end_custodies(now)
        with self._reading() as session:
            leaving, dropping = _members(session, _TO_LEAVE), _members(session, _TO_DROP)
        for custodian in leaving:
            if self._rests.is_awake(custodian):
                done += self._leave(custodian)
        for custodian in dropping:
            if self._rests.is_awake(custodian):
                done += self._take_back(custodian)
        return done

    # ------------------------------------------------------------------------- making
    def _make_custody(self, session: Session, entry: bytes, member: int, circle: Circle) -> None:
        owned = open_listing(session, self._ring, entry)
        listing = owned.opened.listing
        digest = listing_consent(listing, owned.opened.salt)
        newest = select(func.max(OwnCustody.generation)).where(OwnCustody.entry == entry)
        generation = (session.scalar(newest) or 0) + 1
        polynomial = begin(circle.threshold)
        manifest = Manifest(
            self._identity.place.blacklist_domain,
            entry,
            member,
            generation,
            circle.members,
            circle.threshold,
            shamir.commit(polynomial),
            ZERO32,
            address_bytes(claim_key(owned.opened.salt, entry)),
            digest,
        )
        detail = seal_detail(owned.documents, polynomial[0], manifest.place)
        manifest = replace(manifest, detail=detail_hash(detail))
        session.add(
            OwnCustody(
                entry=entry,
                generation=generation,
                circle=circle.hash,
                consent=consent_key(listing.uploader, digest),
                manifest=write_manifest(manifest, self._identity.keys.approver),
                secret=self._ring.seal_bytes(b"".join(polynomial), _label(entry, generation)),
                made_at_ms=self._identity.clock(),
            )
        )
        consent = recorded_consent(session, listing.uploader, digest)
        revoked = consent is not None and consent.revoked_block is not None
        for custodian in () if revoked else circle.members:
            session.add(
                CustodyDelivery(entry=entry, generation=generation, custodian=custodian, tries=0)
            )

    # ------------------------------------------------------------------------- leaving
    def _leave(self, custodian: int) -> int:
        """Leave custodies with a custodian; return how many it took."""
        with self._reading() as session:
            rows = session.scalars(
                select(CustodyDelivery)
                .where(CustodyDelivery.custodian == custodian, _TO_LEAVE)
                .order_by(CustodyDelivery.tries, CustodyDelivery.entry)
                .limit(SENT_A_TURN)
            ).all()
            try:
                deposits = self._deposits(session, custodian, rows)
            except ProtocolError as error:
                self._rests.rest(custodian, error)
                return 0
        try:
            answer = self._call(custodian, TAKE, pack(Deposits(deposits)))
            codes = unpack(answer, Taken).codes
        except KanheError as error:
            self._rests.rest(custodian, error)
            return 0
        return self._note_taken(custodian, rows[: len(deposits)], codes)

    def _deposits(
        self, session: Session, custodian: int, rows: Sequence[CustodyDelivery]
    ) -> list[Deposit]:
        """Return as many deposits as one message holds, one at least."""
        key = general_key(session, custodian)
        public = SealingPublicKey.parse(key.public_key)
        made: list[Deposit] = []
        size = 0
        for row in rows:
            own = session.get_one(OwnCustody, (row.entry, row.generation))
            manifest, _ = read_manifest(own.manifest)
            polynomial = self._polynomial(own)
            documents = open_listing(session, self._ring, row.entry).documents
            detail = seal_detail(documents, polynomial[0], manifest.place)
            size += len(detail)
            if made and size > MAX_MESSAGE_BYTES:
                break
            share = shamir.share_of(polynomial, manifest.index_of(custodian))
            sealed = public.seal(share, share_info(manifest, receiver=custodian))
            made.append(Deposit(own.manifest, key.generation, sealed, detail))
        return made

    def _polynomial(self, own: OwnCustody) -> Polynomial:
        plain = self._ring.open_bytes(own.secret, _label(own.entry, own.generation))
        cut = range(0, len(plain), SCALAR_BYTES)
        return tuple(Scalar(plain[at : at + SCALAR_BYTES]) for at in cut)

    def _note_taken(
        self, custodian: int, rows: Sequence[CustodyDelivery], codes: Sequence[str]
    ) -> int:
        done, refused = 0, ""
        with self._writing() as session, overwriting(session):
            for row, code in zip(rows, codes, strict=False):
                place = (row.entry, row.generation, custodian)
                kept = session.get_one(CustodyDelivery, place)
                kept.tries += 1
                if code:
                    if code == DIFFERS:
                        # A restored backup counts from an older generation: the next is made.
                        session.get_one(OwnCustody, place[:2]).circle = ZERO32
                    refused = code
                    continue
                kept.taken_at_ms = self._identity.clock()
                done += 1
                session.flush()
                self._forget_secret(session, row.entry, row.generation)
        if done or not refused:
            self._rests.wake(custodian)
        else:
            says = f"custodian {custodian} took none of {len(rows)} custodies"
            self._rests.rest(custodian, ProtocolError(refused, says))
        return done

    def _forget_secret(self, session: Session, entry: bytes, generation: int) -> None:
        """Empty a polynomial that nobody needs any more: every custodian has its share."""
        waits = select(CustodyDelivery.custodian).where(
            CustodyDelivery.entry == entry,
            CustodyDelivery.generation == generation,
            CustodyDelivery.taken_at_ms.is_(None),
        )
        if session.scalars(waits.limit(1)).first() is None:
            session.get_one(OwnCustody, (entry, generation)).secret = b""
            # The custody before it has served: this one opens with every custodian.
            older = update(CustodyDelivery).where(
                CustodyDelivery.entry == entry,
                CustodyDelivery.generation < generation,
                CustodyDelivery.ended_at_ms.is_(None),
            )
            session.execute(older.values(ended_at_ms=self._identity.clock()))

    # ------------------------------------------------------------------------- taking back
    def _end_custodies(self, now: Now) -> int:
        """Note which custodies are over in final blocks; return how many."""
        with self._reading() as session:
            found = session.execute(
                select(OwnCustody.entry, OwnCustody.consent)
                .join(ListedEntry, ListedEntry.entry == OwnCustody.entry)
                .where(
                    self._given.touched(now, OwnCustody.entry, OwnCustody.consent),
                    is_over(now, OwnCustody.consent),
                    _STANDS,
                )
                .limit(ENDED_A_TURN)
            ).all()
            over = {entry for entry, consent in found if is_final(session, entry, consent)}
            if len(found) < ENDED_A_TURN:
                self._given.looked(session, now)
        if over:
            with self._writing() as session:
                ended = update(CustodyDelivery).where(
                    CustodyDelivery.entry.in_(over), CustodyDelivery.ended_at_ms.is_(None)
                )
                session.execute(ended.values(ended_at_ms=self._identity.clock()))
        return len(over)

    def _take_back(self, custodian: int) -> int:
        """Have a custodian destroy what is over; return how many it acknowledged."""
        with self._reading() as session:
            due = session.execute(
                select(CustodyDelivery.entry, CustodyDelivery.generation)
                .where(CustodyDelivery.custodian == custodian, _TO_DROP)
                .order_by(CustodyDelivery.entry)
                .limit(SENT_A_TURN)
            ).all()
        done = 0
        for entry, generation in due:
            try:
                word = self._call(custodian, DROP, pack(Drop(entry, generation)))
                self._keep_word(custodian, entry, generation, word)
            except KanheError as error:
                self._rests.rest(custodian, error)
                break
            self._rests.wake(custodian)
            done += 1
        return done

    def _keep_word(self, custodian: int, entry: bytes, generation: int, word: bytes) -> None:
        body, signers = read_destroyed(word)
        said = (body["entry"], body["generation"], body["member"])
        with self._writing() as session:
            signed = any(holds_key(session, custodian, key) for key in signers)
            if not signed or said != (entry.hex(), str(generation), str(custodian)):
                raise refuse("CUSTODY_FOREIGN", "does not certify what was taken back")
            row = session.get_one(CustodyDelivery, (entry, generation, custodian))
            row.certificate = word
            own = session.get_one(OwnCustody, (entry, generation))
            own.secret = b""
            self._act(session, "node", "custody-destroyed", entry.hex(), custodian=str(custodian))


#: Deliveries that are still to be made, and those that are to be taken back.
_TO_LEAVE: Final = and_(
    CustodyDelivery.taken_at_ms.is_(None),
    CustodyDelivery.ended_at_ms.is_(None),
    CustodyDelivery.certificate.is_(None),
)
_STANDS: Final = (
    exists()
    .where(CustodyDelivery.entry == OwnCustody.entry, CustodyDelivery.ended_at_ms.is_(None))
    .correlate(OwnCustody)
)
_TO_DROP: Final = and_(
    CustodyDelivery.ended_at_ms.is_not(None), CustodyDelivery.certificate.is_(None)
)


def _uncovered(session: Session, member: int, circle: Circle, now: Now) -> list[bytes]:
    """Return own entries that stand and have no custody of this circle, oldest first."""
    covered = exists().where(
        OwnCustody.entry == ListedEntry.entry, OwnCustody.circle == circle.hash
    )
    found = (
        select(ListedEntry.entry)
        .join(OwnListing, OwnListing.entry == ListedEntry.entry)
        .where(
            ListedEntry.uploader == member,
            still_runs(now.time_s),
            OwnListing.erased_at_ms.is_(None),
            ~exists().where(Recall.entry == ListedEntry.entry),
            ~covered,
        )
        .order_by(ListedEntry.block_number, ListedEntry.log_index)
        .limit(MADE_A_TURN)
    )
    return list(session.scalars(found))


def _members(session: Session, which: ColumnElement[bool]) -> list[int]:
    found = select(CustodyDelivery.custodian).where(which).distinct()
    return sorted(session.scalars(found))


def _label(entry: bytes, generation: int) -> bytes:
    return b"custody/" + entry + generation.to_bytes(4, "big")
