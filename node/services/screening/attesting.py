"""Attestations: what a reader says of a hit, and how a recall then reaches it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import require_entry
from node.errors import Conflict, NotAllowed, NotFound
from node.keyholders import holds_key
from node.peers.client import PREFIX
from node.receipt_checks import countersigned_of
from node.screening.countersigning import write_countersigned
from node.screening.releases import Attestation, HitVerdict, read_attestation, write_attestation
from node.services.screening.asking import AskingActs
from node.services.screening.detail import ATTEST, DETAIL, SECRET_BYTES, require_ticket
from node.services.screening.erasing import recall_label, recipient_of
from node.services.screening.releasing import ReleasingActs
from node.tables import OwnAttestation, Release
from reconcile.model import ZERO32


class AttestingActs(AskingActs, ReleasingActs):
    """Attesting hits, and what other members' nodes may ask of details and attestations."""

    def attest_hit(
        self, entry: bytes, verdict: HitVerdict, receipt: bytes, *, actor: str = "node"
    ) -> bytes:
        """Say of a hit that it is true, false or stale, once an entry; return the envelope.

        Raises `Conflict` ATTESTED_ALREADY, and what the receipt is refused for.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            row = require_entry(session, entry)
            standing = session.get(OwnAttestation, entry)
            if standing is not None:
                if standing.verdict != verdict:
                    raise Conflict(
                        "ATTESTED_ALREADY",
                        f"this institution said {standing.verdict} of it",
                        help="each institution says it once an entry",
                    )
                return standing.envelope
            found = self._looked(session, entry, receipt)
            secret = secrets.token_bytes(SECRET_BYTES)
            used = countersigned_of(session, found.receipt)
            said = Attestation(
                self._identity.place.blacklist_domain,
                entry,
                row.uploader,
                member,
                found.receipt.ticket,
                verdict,
                recipient_of(entry, secret),
            )
            made = OwnAttestation(
                entry=entry,
                ticket=said.ticket,
                uploader=row.uploader,
                verdict=str(verdict),
                envelope=write_attestation(said, self._identity.keys.approver),
                recall_secret=self._ring.seal_bytes(secret, recall_label(said.recipient)),
                recipient=said.recipient,
                made_at_ms=self._identity.clock(),
                countersigned=None if used is None else write_countersigned(used),
            )
            session.add(made)
            self._act(session, actor, "attest-hit", entry.hex(), verdict=str(verdict))
            return made.envelope

    def send_attestation(self, entry: bytes) -> None:
        """Give our attestation of an entry to its uploader's node; as the peer's client raises."""
        with self._reading() as session:
            row = session.get(OwnAttestation, entry)
            if row is None:
                raise NotFound("ATTESTATION_UNKNOWN", "this node attested nothing of it")
            uploader, envelope = row.uploader, row.envelope
        self._require_peers().client.call(uploader, PREFIX + ATTEST, envelope)

    def take_attestation(self, data: bytes, *, caller: int | None = None) -> bytes:
        """Keep a reader's attestation of an own entry: a recall names it from then on.

        Raises `NotFound` LISTING_NOT_OURS, `NotAllowed` REQUEST_FOREIGN, TICKET_FOREIGN, `Conflict`
        ATTESTED_ALREADY.
        """
        said, signers = read_attestation(data)
        with self._writing() as session:
            member = self._identity.require_member(session)
            row = require_entry(session, said.entry)
            signed = any(holds_key(session, said.reader, key) for key in signers)
            ours = row.uploader == member == said.uploader
            here = said.domain == self._identity.place.blacklist_domain
            if not (signed and ours and here and caller in {None, said.reader}):
                raise NotAllowed(
                    "REQUEST_FOREIGN", "the attestation is not that reader's, or not of our entry"
                )
            require_ticket(session, said.ticket, said.reader)
            self._require_first(session, said)
            if session.get(Release, (said.ticket, said.entry)) is None:
                session.add(
                    Release(
                        ticket=said.ticket,
                        entry=said.entry,
                        reader=said.reader,
                        consent=ZERO32,
                        recipient=said.recipient,
                        package=b"",
                        receipt=data,
                        released_at_ms=self._identity.clock(),
                    )
                )
            return b""

    @staticmethod
    def _require_first(session: Session, said: Attestation) -> None:
        """Refuse a reader's further attestation of an entry: each would cost its recall a slot."""
        kept = select(Release.ticket).where(
            Release.entry == said.entry,
            Release.reader == said.reader,
            Release.consent == ZERO32,
            Release.ticket != said.ticket,
        )
        if session.scalars(kept.limit(1)).first() is not None:
            raise Conflict(
                "ATTESTED_ALREADY",
                f"member {said.reader} attested this entry by another ticket",
                help="each institution says it once an entry",
            )

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask, by word."""
        return {
            DETAIL: lambda member, body: self.release_detail(
                body, caller=member, actor=f"peer:{member}"
            ),
            ATTEST: lambda member, body: self.take_attestation(body, caller=member),
        }
