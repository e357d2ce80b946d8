"""An uploader's part in a detail: evidence released to who asks on a consent, once a ticket.

A ticket was bought for one entry, and names one request for ever: the answer is kept and given
again unchanged, so that a lost answer costs nobody a second ticket.
"""

from __future__ import annotations

import secrets

from sqlalchemy.orm import Session

from node.crypto.keys import SealingPublicKey
from node.errors import NotAllowed
from node.keyholders import holds_key
from node.listings import open_listing
from node.screening.consents import check_consent
from node.screening.identifiers import Identifier
from node.screening.releases import DetailRequest, ReleaseReceipt, read_request, write_release
from node.services.screening.agreeing import is_revoked, revoked_detail
from node.services.screening.base import Base
from node.services.screening.consenting import evidence_use
from node.services.screening.detail import SECRET_BYTES, general_key, refuse
from node.services.screening.erasing import recipient_of
from node.services.screening.ticketing import require_detail_ticket
from node.tables import Release
from reconcile.commitment.tree import leaf_hash


class ReleasingActs(Base):
    """Releasing evidence."""

    def release_detail(
        self, data: bytes, *, caller: int | None = None, actor: str = "node"
    ) -> bytes:
        """Release an own entry's evidence to the reader that asks; return the sealed package.

        Raises `NotFound` LISTING_*, `NotAllowed` REQUEST_FOREIGN, TICKET_FOREIGN,
        TICKET_OTHER_ENTRY, LISTING_CONSENT_REVOKED, `ProtocolError` CONSENT_*,
        SEALING_KEY_MISSING, the envelope's errors.
        """
        request, signers = read_request(data)
        with self._writing() as session:
            member = self._identity.require_member(session)
            self._require_asker(session, request, signers, caller)
            require_detail_ticket(
                session, request.ticket, request.reader, request.entry, request.salt
            )
            if is_revoked(session, request.entry):
                # Nor is an earlier answer given again.
                raise revoked_detail(request.entry)
            given = session.get(Release, (request.ticket, request.entry))
            if given is not None and given.package:
                return given.package
            owned = open_listing(session, self._ring, request.entry)
            self._require_consent(session, request, owned.identifier)
            key = general_key(session, request.reader)
            secret = secrets.token_bytes(SECRET_BYTES)
            receipt = ReleaseReceipt(
                request.domain,
                request.entry,
                member,
                request.reader,
                request.ticket,
                request.consent.consent.digest(self._identity.place.lookups_domain),
                recipient_of(request.entry, secret),
                tuple(leaf_hash(item) for item in owned.documents),
            )
            package, signed = write_release(
                receipt,
                owned.opened,
                owned.documents,
                secret,
                signer=self._identity.keys.approver,
                reader_key=SealingPublicKey.parse(key.public_key),
                generation=key.generation,
            )
            row = given or Release(ticket=request.ticket, entry=request.entry)
            row.reader, row.consent = request.reader, receipt.consent
            row.recipient, row.package, row.receipt = receipt.recipient, package, signed
            row.released_at_ms = self._identity.clock()
            session.add(row)
            words = {"reader": str(request.reader), "ticket": str(request.ticket)}
            self._act(session, actor, "detail-release", request.entry.hex(), **words)
            return package

    def _require_asker(
        self,
        session: Session,
        request: DetailRequest,
        signers: tuple[str, ...],
        caller: int | None,
    ) -> None:
        if request.domain != self._identity.place.blacklist_domain:
            raise refuse("REQUEST_FOREIGN", "is for another network")
        if caller not in {None, request.reader} or not any(
            holds_key(session, request.reader, key) for key in signers
        ):
            raise NotAllowed(
                "REQUEST_FOREIGN",
                f"the request is not signed by member {request.reader}, whom it names",
                help="only the reader itself asks, with a key that counts now",
            )

    def _require_consent(
        self, session: Session, request: DetailRequest, who: Identifier, at_s: int | None = None
    ) -> None:
        domain = self._identity.place.lookups_domain
        at_s = self._now(session).time_s if at_s is None else at_s
        use = evidence_use(session, domain, request, at_s=at_s, who=who)
        check_consent(request.consent, use, domain, self._trust(session))
