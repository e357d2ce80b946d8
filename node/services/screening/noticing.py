"""An uploader that is told by its custodians: of a request that it did not answer, or of a release.

The custodian could not see whose consent it was. This node can: it opens the reader's own request,
which came along sealed to it, and a consent of another person becomes an incident with the
reader's signature.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.keyholders import holds_key
from node.listings import is_erased, open_listing
from node.screening.custody_messages import (
    CustodyRelease,
    CustodyRequest,
    Told,
    enclosed_info,
    read_custody_release,
    read_custody_request,
    unpack,
)
from node.screening.releases import DetailRequest, read_request
from node.services.screening.custody import CustodyBase
from node.services.screening.detail import refuse
from node.services.screening.releasing import ReleasingActs
from node.tables import CustodyDelivery, CustodyNotice, Incident
from reconcile.model import ZERO32, KanheError

FALSE_ASK: Final = "CUSTODY_ASK_FALSE"


class NoticeActs(CustodyBase, ReleasingActs):
    """Being told by custodians."""

    def told_custody(self, caller: int, body: bytes) -> bytes:
        """Answer a request that a custodian hands on, or keep its notice of a release.

        Raises what `release_detail` refuses, `ProtocolError` REQUEST_FOREIGN, CUSTODY_FOREIGN,
        CUSTODY_MALFORMED.
        """
        told = unpack(body, Told)
        request, _ = read_custody_request(told.request)
        with self._reading() as session:
            # Opened before the lock of writers is held.
            original = self._enclosed(session, told, request)
        if not told.receipts:
            return self.release_detail(original, actor=f"peer:{caller}")
        with self._writing() as session:
            releases = [self._required(session, caller, request, one) for one in told.receipts]
            place = (request.ticket, caller)
            if session.get(CustodyNotice, place) is None:
                self._require_custodian(session, caller, request.entry)
                self._keep_notice(session, caller, told, releases[0])
                self._judge(session, told.request, original, releases[0].silent_since_s)
        return b""

    def _enclosed(self, session: Session, told: Told, request: CustodyRequest) -> bytes:
        """Return the reader's request to this node, if custodians were shown the same."""
        keys = self._ring.sealing_keys(session, ZERO32)
        info = enclosed_info(request.domain, request.entry, request.ticket)
        if told.sealing not in keys:
            raise refuse("REQUEST_FOREIGN", "is sealed to a key that this node does not hold")
        original = keys[told.sealing].open(told.enclosed, info)
        asked, _ = read_request(original)
        if _words(asked) != _words(request):
            raise refuse("REQUEST_FOREIGN", "is another than the one that custodians were shown")
        return original

    def _required(
        self, session: Session, caller: int, request: CustodyRequest, data: bytes
    ) -> CustodyRelease:
        found, signers = read_custody_release(data)
        signed = any(holds_key(session, caller, key) for key in signers)
        same = (found.entry, found.ticket, found.reader) == (
            request.entry,
            request.ticket,
            request.reader,
        )
        named = found.custodian == caller and found.recipient == request.recipient
        if not (signed and same and named and found.domain == request.domain):
            raise refuse("CUSTODY_FOREIGN", "holds a release that is not the caller's own")
        return found

    def _require_custodian(self, session: Session, caller: int, entry: bytes) -> None:
        found = select(CustodyDelivery.custodian).where(
            CustodyDelivery.entry == entry, CustodyDelivery.custodian == caller
        )
        if session.scalars(found.limit(1)).first() is None:
            raise refuse("CUSTODY_FOREIGN", "is of an entry that the caller does not keep")

    def _keep_notice(
        self, session: Session, caller: int, told: Told, release: CustodyRelease
    ) -> None:
        session.add(
            CustodyNotice(
                ticket=release.ticket,
                custodian=caller,
                entry=release.entry,
                reader=release.reader,
                consent=release.consent,
                recipient=release.recipient,
                # Told after the erasure, it is kept as those before it are.
                request=b"" if is_erased(session, release.entry) else told.request,
                receipts=msgspec.msgpack.encode(told.receipts),
                told_at_ms=self._identity.clock(),
            )
        )
        words = {"reader": str(release.reader), "ticket": str(release.ticket)}
        self._act(session, f"peer:{caller}", "custody-told", release.entry.hex(), **words)

    def _judge(self, session: Session, envelope: bytes, original: bytes, asked_at_s: int) -> None:
        """Hold a release's consent against the person; what it is not of is kept as an incident."""
        asked, _ = read_request(original)
        try:
            owned = open_listing(session, self._ring, asked.entry)
            self._require_consent(session, asked, owned.identifier, asked_at_s)
        except KanheError as error:
            if error.code not in {"CONSENT_OTHER_PERSON", "CONSENT_SIGNATURE"}:
                return
            says = (
                f"member {asked.reader} was released entry {asked.entry.hex()[:16]}… by "
                f"custodians on a consent that is not of its person: {error.code}"
            )
            fingerprint = f"{FALSE_ASK}/{asked.ticket}"
            known = select(Incident).where(Incident.fingerprint == fingerprint)
            if session.scalars(known).first() is not None:
                # Another custodian told of it before.
                return
            session.add(
                Incident(
                    kind=FALSE_ASK,
                    fingerprint=fingerprint,
                    says=says,
                    evidence={"request": envelope.hex()},
                    stops_signing=False,
                    opened_at_ms=self._identity.clock(),
                )
            )


def _words(request: DetailRequest | CustodyRequest) -> tuple[object, ...]:
    """Return what both requests must say alike."""
    return (
        request.domain,
        request.entry,
        request.reader,
        request.ticket,
        request.element,
        request.consent.consent,
    )
