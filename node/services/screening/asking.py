"""A reader's part in a detail: evidence asked for on a consent that reaches that far, and kept."""

from __future__ import annotations

import contextlib

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import posted_of, require_entry
from node.errors import NotFound
from node.keyholders import held_key, holds_key
from node.listings import know_statement, known_salt, statement_of
from node.screening.consents import Scope, SignedConsent
from node.screening.envelope import LISTING_TYPE, Envelope
from node.screening.listings import unlike
from node.screening.releases import DetailRequest, Released, open_release, write_request
from node.services.screening.custody import is_silence
from node.services.screening.detail import (
    DETAIL,
    DetailView,
    held_label,
    refuse,
    view_of,
)
from node.services.screening.erasing import recall_label, recipient_of
from node.services.screening.falling_back import FallBackActs
from node.services.screening.hearing import WaitingView
from node.services.screening.ticketing import (
    KIND,
    TicketActs,
    bought_for,
    require_detail_ticket,
)
from node.tables import HeldDetail
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import ZERO32, KanheError, ProtocolError, Where


class AskingActs(FallBackActs, TicketActs):
    """Asking for evidence, taking it, showing it."""

    def request_detail(
        self,
        entry: bytes,
        ticket: int,
        receipt: bytes,
        *,
        consent: SignedConsent | None = None,
        actor: str = "node",
    ) -> bytes:
        """Return a signed request for an entry's evidence.

        `receipt` is that of the lookup that found it, `consent` one that reaches the evidence
        where the lookup's does not. Raises `NotFound` ENTRY_UNKNOWN, `ProtocolError`
        CONSENT_SCOPE, ENTRY_NOT_IN_RECEIPT and the receipt's refusals, `NotAllowed` TICKET_FOREIGN,
        TICKET_OTHER_ENTRY.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            require_entry(session, entry)
            found = self._looked(session, entry, receipt)
            signed = found.receipt.consent if consent is None else consent
            if not signed.consent.scope & Scope.EVIDENCE:
                raise ProtocolError(
                    "CONSENT_SCOPE",
                    "the consent does not reach the evidence",
                    where=Where(field="scope"),
                    help="ask the person for a consent whose scope is the evidence",
                )
            salt = bought_for(session, self._ring, member, entry).get(ticket, ZERO32)
            require_detail_ticket(session, ticket, member, entry, salt)
            request = DetailRequest(
                self._identity.place.blacklist_domain,
                entry,
                member,
                ticket,
                salt,
                found.receipt.batch[found.receipt.position],
                signed,
            )
            self._act(session, actor, "detail-request", entry.hex(), ticket=str(ticket))
            return write_request(request, self._identity.keys.approver)

    def ask_detail(
        self,
        entry: bytes,
        ticket: int,
        receipt: bytes,
        *,
        consent: SignedConsent | None = None,
        actor: str = "node",
    ) -> DetailView | WaitingView:
        """Ask the uploader's node for an entry's evidence and keep it, sealed.

        Where it does not answer its custodians are told, and release once it was silent for
        `SILENCE_S`: the same call with the same ticket then gives the evidence. Raises as
        `request_detail` and `take_release`, what the peer's client raises where nobody keeps
        anything, the uploader's refusal, `OutsideError` CUSTODY_BELOW_THRESHOLD.
        """
        request = self.request_detail(entry, ticket, receipt, consent=consent, actor=actor)
        with self._reading() as session:
            uploader = require_entry(session, entry).uploader
        try:
            answer = self._call(uploader, DETAIL, request)
        except KanheError as silence:
            if not is_silence(silence):
                raise
            with self._reading() as session:
                found = self._looked(session, entry, receipt)
            (record,) = (one for one in found.records if one.listing.entry_id == entry)
            signed = found.receipt.consent if consent is None else consent
            given = self._fall_back(entry, request, record, signed, silence, actor)
            return self._first(given, actor) if isinstance(given, list) else given
        return self.take_release(answer, actor=actor)

    def _first(self, packages: list[bytes], actor: str) -> DetailView:
        """Take the first answer that holds; raises what the last one is refused for."""
        *others, last = packages
        for package in others:
            with contextlib.suppress(KanheError):
                return self.take_release(package, actor=actor)
        return self.take_release(last, actor=actor)

    def take_release(self, data: bytes, *, actor: str = "node") -> DetailView:
        """Open a release, hold it against the ledger and keep it, sealed.

        Raises what `open_release` raises, `ProtocolError` RELEASE_FOREIGN or RELEASE_FALSE.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            released = open_release(data, self._ring.sealing_keys(session, ZERO32))
            self._require_true(session, released, member)
            receipt = released.receipt
            self._held_more(session)
            row = session.get(HeldDetail, receipt.ticket) or HeldDetail(ticket=receipt.ticket)
            row.entry, row.uploader, row.recipient = (
                receipt.entry,
                receipt.uploader,
                receipt.recipient,
            )
            row.secret = self._ring.seal_bytes(released.secret, recall_label(receipt.recipient))
            row.documents = self._ring.seal_bytes(
                msgspec.msgpack.encode(list(released.documents)), held_label(receipt.ticket)
            )
            row.receipt, row.erased_at_ms = released.receipt_envelope, None
            row.received_at_ms = self._identity.clock()
            session.add(row)
            know_statement(
                session, self._ring, released.opened, source=KIND, now_ms=self._identity.clock()
            )
            self._act(session, actor, "detail-receive", receipt.entry.hex())
            return view_of(released)

    def _require_true(self, session: Session, released: Released, member: int) -> None:
        receipt, place = released.receipt, self._identity.place
        row = require_entry(session, receipt.entry)
        if receipt.reader != member or receipt.domain != place.blacklist_domain:
            raise refuse("RELEASE_FOREIGN", "is for another member or network")
        listing = released.opened.listing
        signed = Envelope(LISTING_TYPE, listing.payload, (released.opened.signature,))
        posted = posted_of(row)
        found = statement_of(session, receipt.entry)
        # The lookup opened the commitment to the person and the statement; here nobody can.
        looked = found is not None and not unlike(found[0], posted)
        known = found[0] if found is not None and looked else listing
        salt = known_salt(session, self._ring, receipt.entry) if looked else None
        says = [
            (not unlike(listing, posted), "its statement is not the ledger's"),
            (listing == known, "its statement is not the one that the lookup found"),
            # What the listing rests on is recorded under a name that follows from the salt.
            (salt in {None, released.opened.salt}, "its salt is not the one that the lookup found"),
            (receipt.uploader == row.uploader, "it is not its uploader's"),
            (
                any(holds_key(session, row.uploader, key) for key in released.signers),
                "its receipt is not signed by its uploader",
            ),
            (
                any(held_key(session, row.uploader, key) for key in signed.signers()),
                "its statement is not signed by its uploader",
            ),
            (
                recipient_of(receipt.entry, released.secret) == receipt.recipient,
                "its recall secret is another's",
            ),
            (
                receipt.documents == tuple(leaf_hash(item) for item in released.documents),
                "its documents are not those of its receipt",
            ),
        ]
        for holds, wrong in says:
            if not holds:
                raise refuse("RELEASE_FALSE", f"does not hold: {wrong}")

    def details(self, entry: bytes) -> tuple[DetailView, ...]:
        """Return the evidence that this node holds of an entry; `NotFound` DETAIL_UNKNOWN."""
        with self._reading() as session:
            said = statement_of(session, entry)
            rows = session.scalars(
                select(HeldDetail).where(HeldDetail.entry == entry, HeldDetail.documents != b"")
            ).all()
            if not rows or said is None:
                raise NotFound(
                    "DETAIL_UNKNOWN",
                    f"this node holds no evidence of entry {entry.hex()[:16]}…",
                    help="ask its uploader: `kanhe blacklist detail ask`",
                )
            return tuple(
                self._held_view(row, said[0].to_json(), said[0].evidence_root) for row in rows
            )

    def _held_view(self, row: HeldDetail, statement: dict[str, object], root: bytes) -> DetailView:
        documents = msgspec.msgpack.decode(
            self._ring.open_bytes(row.documents, held_label(row.ticket)), type=list[bytes]
        )
        complete = merkle_root([leaf_hash(item) for item in documents]) == root
        return DetailView(
            row.entry, row.uploader, row.ticket, statement, tuple(documents), complete
        )
