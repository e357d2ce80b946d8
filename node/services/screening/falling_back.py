"""A reader whose uploader is silent: custodians are told, waited for and, with t of them, opened.

What stands after a crash, by line: the request is kept before any custodian is told, and the same
ticket sends the very same bytes again; shares are asked for again until the evidence is kept, in
one transaction. A share that does not fit its commitment is kept as an incident with what its
custodian signed, a custody under another consent than the listing's with what its uploader signed.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import recorded_consent, require_entry
from node.crypto.keys import SealingKey, SealingPublicKey
from node.crypto.oprf import group
from node.crypto.oprf.group import Scalar
from node.errors import Conflict, NotFound
from node.keyholders import held_key, holds_key
from node.listings import know_statement, statement_of
from node.screening.consents import SignedConsent
from node.screening.custody import (
    MIN_THRESHOLD,
    Manifest,
    claim_key,
    detail_hash,
    is_share,
    open_detail,
    read_manifest,
    recover_secret,
    share_info,
)
from node.screening.custody_messages import (
    Answer,
    Ask,
    CustodyRequest,
    Part,
    enclosed_info,
    pack,
    read_custody_release,
    unpack,
    write_custody_request,
)
from node.screening.listing_consents import listing_consent
from node.screening.records import OpenedRecord
from node.screening.releases import read_request
from node.services.screening.custody import (
    ASK,
    OTHER_CONSENT,
    CustodyBase,
    custodians_ever,
)
from node.services.screening.detail import (
    SECRET_BYTES,
    DetailView,
    general_key,
    held_label,
    refuse,
)
from node.services.screening.erasing import recall_label, recipient_of
from node.services.screening.hearing import Heard, WaitingView, waiting_for
from node.services.screening.ticketing import KIND
from node.tables import HeldDetail, Incident, OwnCustodyAsk
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import ZERO32, KanheError

WRONG_SHARE: Final = "CUSTODY_SHARE_WRONG"


class FallBackActs(CustodyBase):
    """Asking custodians in a silent uploader's place."""

    def _fall_back(
        self,
        entry: bytes,
        original: bytes,
        record: OpenedRecord,
        consent: SignedConsent,
        silence: KanheError,
        actor: str,
    ) -> DetailView | WaitingView | list[bytes]:
        """Ask custodians for what the uploader did not answer.

        A list is the uploader's own answers, which custodians got meanwhile; the first that holds
        counts. Neither these nor one custodian's word of a refusal keep t shares from being opened.
        Raises `silence` where none keeps anything, the refusal, `OutsideError`
        CUSTODY_BELOW_THRESHOLD, `Conflict` TICKET_USED.
        """
        row = self._kept_ask(entry, original, record, consent, silence.code, actor)
        return self._hear(row, record, silence, actor)

    def _kept_ask(
        self,
        entry: bytes,
        original: bytes,
        record: OpenedRecord,
        consent: SignedConsent,
        silence: str,
        actor: str,
    ) -> OwnCustodyAsk:
        """Return the one request of a ticket, made and kept at its first asking."""
        asked, _ = read_request(original)
        place = self._identity.place
        digest = consent.consent.digest(place.lookups_domain)
        with self._writing() as session:
            row = session.get(OwnCustodyAsk, asked.ticket)
            if row is not None:
                if (row.entry, row.consent) != (entry, digest):
                    raise Conflict("TICKET_USED", "this ticket was used for another request")
                if not row.enclosed:
                    raise _erased(entry)
                return row
            uploader = require_entry(session, entry).uploader
            key = general_key(session, uploader)
            info = enclosed_info(asked.domain, entry, asked.ticket)
            enclosed = SealingPublicKey.parse(key.public_key).seal(original, info)
            secret = secrets.token_bytes(SECRET_BYTES)
            request = CustodyRequest(
                asked.domain,
                entry,
                asked.reader,
                asked.ticket,
                asked.salt,
                asked.element,
                consent,
                recipient_of(entry, secret),
                hashlib.sha256(enclosed).digest(),
            )
            row = OwnCustodyAsk(
                ticket=asked.ticket,
                entry=entry,
                uploader=uploader,
                request=write_custody_request(
                    request, self._identity.keys.approver, claim_key(record.salt, entry)
                ),
                sealing=key.generation,
                enclosed=enclosed,
                consent=digest,
                recipient=request.recipient,
                secret=self._ring.seal_bytes(secret, recall_label(request.recipient)),
                silence=silence[:40],
                asked_at_s=self._now(session).time_s,
            )
            session.add(row)
            self._held_more(session)
            # Its evidence comes without its uploader: the statement is the lookup's.
            know_statement(session, self._ring, record, source=KIND, now_ms=self._identity.clock())
            self._act(session, actor, "custody-request", entry.hex(), ticket=str(asked.ticket))
            session.flush()
            _ = row.enclosed, row.secret
            return row

    def _hear(
        self, row: OwnCustodyAsk, record: OpenedRecord, silence: KanheError, actor: str
    ) -> DetailView | WaitingView | list[bytes]:
        with self._reading() as session:
            kept = session.get_one(OwnCustodyAsk, row.ticket)
            enclosed = kept.enclosed
            members = custodians_ever(session, row.uploader)
        heard = Heard(record)
        unknown = True
        for member in members:
            try:
                self._ask_custodian(member, row, enclosed, heard)
            except KanheError as error:
                heard.says[member] = f"{error.code}: {error.message}"
                unknown = unknown and error.code in {"CUSTODY_UNKNOWN", "PEER_UNKNOWN"}
                continue
            unknown = False
        if unknown:
            raise silence
        opened = self._open(row, heard, actor)
        if opened is not None:
            return opened
        if heard.packages:
            return heard.packages
        if heard.refused is not None and len(heard.waits) + len(heard.parts) < heard.threshold:
            raise heard.refused
        return waiting_for(row, heard)

    def _ask_custodian(
        self, member: int, row: OwnCustodyAsk, enclosed: bytes, heard: Heard
    ) -> None:
        """Ask a custodian; for the encrypted detail only where nobody gave it whole before."""
        wants = not heard.details
        while True:
            ask = Ask(row.request, row.sealing, enclosed, wants_detail=wants)
            answer = unpack(self._call(member, ASK, pack(ask)), Answer)
            heard.note(member, answer)
            if wants or all(part.manifest in heard.details for part in answer.parts):
                return
            wants = True

    # ------------------------------------------------------------------------- opening
    def _open(self, row: OwnCustodyAsk, heard: Heard, actor: str) -> DetailView | None:
        with self._writing() as session:
            groups = self._shares(session, row, heard)
            for manifest, (shares, details) in groups.items():
                if len(shares) >= manifest.threshold and details:
                    chosen = dict(sorted(shares.items())[: manifest.threshold])
                    return self._keep_opened(
                        session, row, manifest, chosen, details[0], heard, actor
                    )
            heard.threshold = max((item.threshold for item in groups), default=MIN_THRESHOLD)
        return None

    def _shares(
        self, session: Session, row: OwnCustodyAsk, heard: Heard
    ) -> dict[Manifest, tuple[dict[int, bytes], list[bytes]]]:
        """Return good shares by index, and good details, of each custody; name what is wrong."""
        keys = self._ring.sealing_keys(session, ZERO32)
        groups: dict[Manifest, tuple[dict[int, bytes], list[bytes]]] = defaultdict(lambda: ({}, []))
        for member, parts in heard.parts.items():
            for part in parts:
                try:
                    manifest, share = self._checked(session, row, member, part, keys)
                    _require_consent(session, heard.record, manifest)
                except KanheError as error:
                    heard.says[member] = f"{error.code}: {error.message}"
                    self._name(session, row, member, part, error.code)
                    continue
                shares, details = groups[manifest]
                shares[manifest.index_of(member)] = share
                if detail_hash(part.detail) == manifest.detail:
                    details.append(part.detail)
        return groups

    def _checked(
        self,
        session: Session,
        row: OwnCustodyAsk,
        member: int,
        part: Part,
        keys: Mapping[int, SealingKey],
    ) -> tuple[Manifest, bytes]:
        manifest, signers = read_manifest(part.manifest)
        receipt, by = read_custody_release(part.receipt)
        mine = (manifest.entry, manifest.uploader) == (row.entry, row.uploader)
        if manifest.domain != self._identity.place.blacklist_domain or not mine:
            raise refuse("CUSTODY_FOREIGN", "is of another entry's custody")
        if not any(held_key(session, row.uploader, key) for key in signers):
            raise refuse("CUSTODY_FOREIGN", "holds a custody that its uploader did not sign")
        signed = any(holds_key(session, member, key) for key in by)
        said = (receipt.custodian, receipt.entry, receipt.ticket, receipt.generation)
        if not signed or said != (member, row.entry, row.ticket, manifest.generation):
            raise refuse("CUSTODY_FOREIGN", "holds a release that its custodian did not sign")
        index = manifest.index_of(member)
        share = b""
        if part.sealing in keys:
            info = share_info(manifest, receiver=receipt.reader, ticket=row.ticket)
            share = keys[part.sealing].open(part.share, info)
        if not is_share(manifest, index, share) or group.scale_base(Scalar(share)) != receipt.share:
            raise refuse(WRONG_SHARE, f"holds a wrong share, signed by member {member}")
        return manifest, share

    def _name(
        self, session: Session, row: OwnCustodyAsk, member: int, part: Part, code: str
    ) -> None:
        """Keep as an incident what a member signed: a wrong share, or a custody's false name.

        Once a ticket and custodian, and once an entry. Nothing in it tells of the person.
        """
        entry = f"entry {row.entry.hex()[:16]}…"
        evidence = {"manifest": part.manifest.hex()}
        if code == WRONG_SHARE:
            fingerprint = f"{WRONG_SHARE}/{row.ticket}/{member}"
            says = f"member {member} released a wrong share of {entry}"
            evidence["receipt"] = part.receipt.hex()
        elif code == OTHER_CONSENT:
            fingerprint = f"{OTHER_CONSENT}/{row.entry.hex()}"
            says = (
                f"member {row.uploader} left the evidence of {entry} with custodians under another "
                "consent than the listing's: the person's revocation does not reach it"
            )
        else:
            return
        known = select(Incident).where(Incident.fingerprint == fingerprint)
        if session.scalars(known).first() is None:
            session.add(
                Incident(
                    kind=code,
                    fingerprint=fingerprint,
                    says=says,
                    evidence=evidence,
                    stops_signing=False,
                    opened_at_ms=self._identity.clock(),
                )
            )

    def _keep_opened(
        self,
        session: Session,
        row: OwnCustodyAsk,
        manifest: Manifest,
        shares: Mapping[int, bytes],
        detail: bytes,
        heard: Heard,
        actor: str,
    ) -> DetailView:
        documents = open_detail(detail, recover_secret(shares), manifest.place)
        said = statement_of(session, row.entry)
        if said is None:
            # It was kept with the request; its uploader erased the entry since.
            raise _erased(row.entry)
        listing = said[0]
        now_ms = self._identity.clock()
        kept = session.get(HeldDetail, row.ticket) or HeldDetail(ticket=row.ticket)
        kept.entry, kept.uploader, kept.recipient = row.entry, row.uploader, row.recipient
        kept.secret = session.get_one(OwnCustodyAsk, row.ticket).secret
        kept.documents = self._ring.seal_bytes(
            msgspec.msgpack.encode(list(documents)), held_label(row.ticket)
        )
        receipts = [part.receipt for parts in heard.parts.values() for part in parts]
        kept.receipt = msgspec.msgpack.encode(receipts)
        kept.received_at_ms, kept.erased_at_ms = now_ms, None
        session.add(kept)
        session.get_one(OwnCustodyAsk, row.ticket).done_at_ms = now_ms
        self._act(session, actor, "detail-receive", row.entry.hex(), by="custodians")
        complete = merkle_root([leaf_hash(item) for item in documents]) == listing.evidence_root
        return DetailView(
            row.entry,
            row.uploader,
            row.ticket,
            listing.to_json(),
            documents,
            complete,
            tuple(manifest.custodians[index - 1] for index in sorted(shares)),
        )


def _erased(entry: bytes) -> NotFound:
    return NotFound(
        "LISTING_ERASED",
        f"what stood behind entry {entry.hex()[:16]}… was destroyed",
        help="its certificate of deletion stands on the ledger",
    )


def _require_consent(session: Session, record: OpenedRecord, manifest: Manifest) -> None:
    """Refuse a custody that does not end with what the listing rests on: CUSTODY_CONSENT.

    Where nothing is recorded of that, custodies of an earlier release name the document.
    """
    listing = record.listing
    named = listing_consent(listing, record.salt)
    if manifest.consent == named:
        return
    unrecorded = recorded_consent(session, manifest.uploader, named) is None
    if not (unrecorded and manifest.consent == listing.consent):
        raise refuse(OTHER_CONSENT, "holds a custody under another consent than the listing's")
