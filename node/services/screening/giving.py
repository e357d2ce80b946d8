"""A custodian's part: shares given to readers when their uploader is silent.

A reader's first request starts the clock: its row has the chain's time at which this node saw it.
From then on this node hands the request to the uploader by itself, and what that one answers is
given on. Only when the uploader answered nothing until `SILENCE_S` later, and this node tried, is
the share given. Each line of it is committed before it is answered; asked again, the answer is the
same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import msgspec
from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.orm import Session

from node.blacklist import Now, require_entry
from node.crypto.keys import SealingPublicKey
from node.crypto.oprf import group
from node.crypto.oprf.group import Scalar
from node.errors import Conflict, NotAllowed, NotFound
from node.keyholders import holds_key
from node.screening.consents import check_blind_consent
from node.screening.custody import (
    read_manifest,
    share_info,
)
from node.screening.custody_messages import (
    ANSWERED,
    REFUSED,
    RELEASED,
    WAITING,
    Answer,
    Ask,
    CustodyRelease,
    CustodyRequest,
    Part,
    Told,
    pack,
    read_custody_request,
    unpack,
    write_custody_release,
)
from node.screening.states import EntryState
from node.services.screening.agreeing import revoked_detail
from node.services.screening.consenting import evidence_use
from node.services.screening.custody import (
    SILENCE_S,
    TELL,
    CustodyBase,
    consent_ahead_of,
    is_silence,
)
from node.services.screening.detail import general_key, refuse
from node.services.screening.keeping import custody_label
from node.services.screening.listing import require_state
from node.services.screening.ticketing import require_detail_ticket
from node.tables import (
    CustodyAsk,
    HeldCustody,
    ListedEntry,
    RecordedConsent,
)
from reconcile.model import KanheError

#: States in which custodians release; a suspended entry's evidence waits for its outcome.
RELEASABLE: Final = frozenset({EntryState.LISTED, EntryState.UNTAGGED, EntryState.DISPUTED})
TOLD_A_TURN: Final = 20
#: What this node found otherwise on the ledger: an uploader that says so is behind, or was silent
#: until the consent ran out, and has not answered yet.
BEHIND: Final = frozenset(
    {
        "CONSENT_EXPIRED",
        "CONSENT_UNRECORDED",
        "ENTRY_UNKNOWN",
        "REQUEST_FOREIGN",
        "TICKET_FOREIGN",
        "TICKET_OTHER_ENTRY",
    }
)


class GivingActs(CustodyBase):
    """Releasing what is kept here, and handing requests on to their uploaders."""

    def ask_custody(self, caller: int, body: bytes) -> bytes:
        """Answer a reader's request: told to wait, the uploader's answer, or this node's share.

        Raises `NotFound` CUSTODY_UNKNOWN, CUSTODY_DESTROYED, `NotAllowed` REQUEST_FOREIGN,
        CUSTODY_CLAIM, TICKET_FOREIGN, TICKET_OTHER_ENTRY, LISTING_CONSENT_REVOKED, `Conflict`
        TICKET_USED, ENTRY_STATE_NOT_ALLOWED, `ProtocolError` CONSENT_*, CUSTODY_MALFORMED,
        SEALING_KEY_MISSING.
        """
        asked = unpack(body, Ask)
        request, signers = read_custody_request(asked.request)
        with self._writing() as session:
            member, now = self._identity.require_member(session), self._now(session)
            held = self._require_request(session, caller, request, signers, now)
            row = self._known_ask(session, asked, request, held[0].uploader, now)
            if row.package:
                return pack(Answer(ANSWERED, package=row.package))
            if row.refusal_code is not None:
                says = row.refusal_says or ""
                return pack(Answer(REFUSED, code=row.refusal_code, says=says))
            from_s = row.asked_at_s + SILENCE_S
            if now.time_s < from_s or not row.tries:
                return pack(Answer(WAITING, from_s=from_s))
            parts = [
                self._part(session, one, row, request, member, wants_detail=asked.wants_detail)
                for one in held
            ]
            if row.released_at_ms is None:
                row.released_at_ms = self._identity.clock()
                words = {"reader": str(request.reader), "ticket": str(request.ticket)}
                self._act(session, f"peer:{caller}", "custody-release", row.entry.hex(), **words)
            row.receipts = msgspec.msgpack.encode([part.receipt for part in parts])
        # Committed: what is shown from here on is remembered.
        return pack(Answer(RELEASED, parts=parts))

    def _require_request(
        self,
        session: Session,
        caller: int,
        request: CustodyRequest,
        signers: tuple[str, ...],
        now: Now,
    ) -> list[HeldCustody]:
        """Return the custodies that a request is for, newest first, once it may be answered."""
        if request.domain != self._identity.place.blacklist_domain:
            raise refuse("REQUEST_FOREIGN", "is for another network")
        if caller != request.reader or not any(
            holds_key(session, request.reader, key) for key in signers
        ):
            raise NotAllowed(
                "REQUEST_FOREIGN",
                f"the request is not signed by member {request.reader}, whom it names",
                help="only the reader itself asks, with a key that counts now",
            )
        held = _held(session, request.entry)
        addresses = {bytes.fromhex(key[2:]) for key in signers}
        if read_manifest(held[0].manifest)[0].claim not in addresses:
            raise NotAllowed(
                "CUSTODY_CLAIM",
                "the request is not signed by the key that the entry's record gives",
                help="look the person up first: the lookup that finds the entry gives that key",
            )
        require_detail_ticket(session, request.ticket, request.reader, request.entry, request.salt)
        known = session.get(CustodyAsk, request.ticket)
        # In force when this node was asked: its uploader's silence does not run a consent out.
        at_s = now.time_s if known is None else known.asked_at_s
        self._require_blind_consent(session, request, at_s)
        row = require_entry(session, request.entry)
        require_state(session, row, RELEASABLE, now, "released by custodians")
        if _is_revoked(session, row, held):
            # Destroyed once that is final; until then it is given to nobody.
            raise revoked_detail(request.entry)
        return held

    def _require_blind_consent(self, session: Session, request: CustodyRequest, at_s: int) -> None:
        domain = self._identity.place.lookups_domain
        use = evidence_use(session, domain, request, at_s=at_s, who=None)
        check_blind_consent(request.consent, use, domain, self._trust(session))

    def _known_ask(
        self, session: Session, asked: Ask, request: CustodyRequest, uploader: int, now: Now
    ) -> CustodyAsk:
        row = session.get(CustodyAsk, request.ticket)
        if row is not None:
            if row.request != asked.request:
                raise Conflict("TICKET_USED", "this ticket was used for another request")
            return row
        if hashlib.sha256(asked.enclosed).digest() != request.enclosed:
            raise refuse("REQUEST_FOREIGN", "encloses another request than it is signed for")
        row = CustodyAsk(
            ticket=request.ticket,
            entry=request.entry,
            reader=request.reader,
            uploader=uploader,
            request=asked.request,
            sealing=asked.sealing,
            enclosed=asked.enclosed,
            asked_at_s=now.time_s,
            tries=0,
            package=b"",
            receipts=b"",
        )
        session.add(row)
        self._act(session, f"peer:{request.reader}", "custody-asked", request.entry.hex())
        session.flush()
        return row

    def _part(
        self,
        session: Session,
        held: HeldCustody,
        row: CustodyAsk,
        request: CustodyRequest,
        member: int,
        *,
        wants_detail: bool,
    ) -> Part:
        manifest, _ = read_manifest(held.manifest)
        share = self._ring.open_bytes(held.share, custody_label(held.entry, held.generation))
        key = general_key(session, request.reader)
        info = share_info(manifest, receiver=request.reader, ticket=request.ticket)
        receipt = CustodyRelease(
            request.domain,
            held.entry,
            held.uploader,
            member,
            held.generation,
            request.reader,
            request.ticket,
            request.consent.consent.digest(self._identity.place.lookups_domain),
            request.recipient,
            group.scale_base(Scalar(share)),
            row.asked_at_s,
        )
        return Part(
            held.manifest,
            key.generation,
            SealingPublicKey.parse(key.public_key).seal(share, info),
            write_custody_release(receipt, self._identity.keys.approver),
            held.detail if wants_detail else b"",
        )

    # ------------------------------------------------------------------------- by itself
    def _custody_asks(self) -> int:
        """Hand open requests to their uploaders, and tell them of what was released."""
        with self._reading() as session:
            rows = session.scalars(
                select(CustodyAsk)
                .where(_open_ask())
                .order_by(CustodyAsk.tries, CustodyAsk.ticket)
                .limit(TOLD_A_TURN)
            ).all()
        done = 0
        for row in rows:
            if self._rests.is_awake(row.uploader):
                done += self._tell(row)
        return done

    def _tell(self, row: CustodyAsk) -> int:
        receipts = msgspec.msgpack.decode(row.receipts, type=list[bytes]) if row.receipts else []
        with self._reading() as session:
            enclosed = session.get_one(CustodyAsk, row.ticket).enclosed
        told = Told(row.request, row.sealing, enclosed, receipts)
        package, refusal = b"", None
        try:
            package = self._call(row.uploader, TELL, pack(told))
            self._rests.wake(row.uploader)
        except KanheError as error:
            refusal = error
            self._rests.rest(row.uploader, error)
        silent = refusal is not None and (is_silence(refusal) or refusal.code in BEHIND)
        with self._writing() as session:
            kept = session.get_one(CustodyAsk, row.ticket)
            kept.tries += 1
            if silent or kept.receipts != row.receipts:
                return 0
            if refusal is not None and not receipts:
                kept.refusal_code, kept.refusal_says = refusal.code[:40], refusal.message
            elif refusal is None and receipts:
                kept.told_at_ms = self._identity.clock()
            elif refusal is None:
                kept.package, kept.refusal_code = package, None
        return int(refusal is None)


def _is_revoked(session: Session, row: ListedEntry, held: Sequence[HeldCustody]) -> bool:
    """Say whether what an entry rests on is revoked, by the ledger and by what was left here.

    An earlier release took a custody under any name.
    """
    found = [session.get(RecordedConsent, one.consent) for one in held]
    found.append(consent_ahead_of(session, row))
    return any(one is not None and one.revoked_block is not None for one in found)


def _held(session: Session, entry: bytes) -> list[HeldCustody]:
    """Return the custodies of an entry that are kept here, newest first."""
    rows = session.scalars(
        select(HeldCustody)
        .where(HeldCustody.entry == entry)
        .order_by(HeldCustody.generation.desc())
    ).all()
    live = [row for row in rows if row.destroyed_at_ms is None]
    if live:
        return live
    if rows:
        raise NotFound(
            "CUSTODY_DESTROYED",
            f"what was kept here of entry {entry.hex()[:16]}… was destroyed",
            help="the entry is over, or was recalled; `kanhe blacklist trace` shows it",
        )
    raise NotFound(
        "CUSTODY_UNKNOWN",
        f"nothing is kept here of entry {entry.hex()[:16]}…",
        help="its uploader gave this node no share; ask its other custodians",
    )


def _open_ask() -> ColumnElement[bool]:
    """Say of a request whether its uploader has a word to say, or to be told."""
    unanswered = and_(CustodyAsk.released_at_ms.is_(None), CustodyAsk.package == b"")
    untold = and_(CustodyAsk.released_at_ms.is_not(None), CustodyAsk.told_at_ms.is_(None))
    return and_(CustodyAsk.enclosed != b"", or_(unanswered, untold))
