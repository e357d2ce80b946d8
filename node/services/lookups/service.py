"""Looking up: from a consent and a ticket to a receipt of a hit or of an absence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.asking import Evaluated, countersignature_check, evaluate, require_output
from node.blacklist import Now, current_key_epoch, now_of
from node.committees import EpochCommittee
from node.crypto.oprf.epochs import require_one_epoch
from node.crypto.oprf.threshold import ShareWrong
from node.index_reading import LiveRoot, Reader, Wrong, keep_wrong, live_root
from node.kept_receipts import (
    keep_receipt,
    open_receipt,
    open_reduced,
    require_not_destroyed,
)
from node.keyholders import key_check, speaking_keys, trust_of
from node.listings import know_statement
from node.receipt_checks import ledger_of
from node.screening.consent_files import ConsentFile
from node.screening.consents import (
    Purpose,
    Scope,
    SignedConsent,
    consent_key,
    evaluation_digest,
)
from node.screening.derivation import Tag
from node.screening.envelope import RECEIPT_TYPE, sign_envelope
from node.screening.evaluations import MAX_ITEMS, Asked
from node.screening.index import BucketProof
from node.screening.receipts import Receipt, write_receipt
from node.screening.roots import SignedHeader
from node.screening.verifying import Verdict, sound_records, verify_receipt
from node.services.lookups.buying import bind_ticket
from node.services.lookups.consenting import (
    DONE,
    Subject,
    Terms,
    consent_of,
    require_lookup,
    subject_of,
)
from node.services.lookups.false_records import FalseRecords, told
from node.services.lookups.forgetting import ForgettingActs
from node.services.lookups.outcomes import FoundEntry, entry_now, outcome_of
from node.services.lookups.views import LookupView, receipts_until, view_of
from node.tables import IndexCut, OwnLookup, RecordedConsent
from node.telemetry import logger
from reconcile.model import KanheError, ProtocolError, UsageError, Where

_log = logger("lookups")


@dataclass(frozen=True, slots=True)
class Found:
    """A lookup's outcome (`outcomes`): the entries found as they stand, and the receipt's envelope.

    The index is as of its cut: block and time (s).
    """

    lookup: int
    outcome: str
    level: int
    enforced: bool
    version: int
    cut_block: int
    cut_at_s: int
    entries: tuple[FoundEntry, ...]
    receipt: bytes

    def __repr__(self) -> str:
        """Show the outcome, never the receipt, which names the person."""
        return f"Found(lookup={self.lookup}, outcome={self.outcome})"


@dataclass(frozen=True, slots=True)
class _Job:
    """One lookup on its way: its row's facts, in clear for this call alone."""

    lookup: int
    subject: Subject
    signed: SignedConsent
    request: bytes
    asked: Asked


class LookupService(ForgettingActs):
    """Consents, tickets and lookups of one member."""

    # ------------------------------------------------------------------------ looking up
    def look_up(self, lookups: Sequence[int], *, actor: str = "node") -> list[Found | KanheError]:
        """Look people up in one batch; each outcome or refusal stands for itself.

        The ticket is bound and committed before anybody is asked: a call repeated after a crash
        asks with the same ticket and element, and is answered without counting. Raises for all of
        them `UsageError` LOOKUP_BATCH, `ProtocolError` COMMITTEE_UNKNOWN, INDEX_NONE.
        """
        if not 1 <= len(lookups) <= MAX_ITEMS or len(set(lookups)) != len(lookups):
            raise UsageError("LOOKUP_BATCH", f"1 to {MAX_ITEMS} different lookups go together")
        done: dict[int, Found | KanheError] = {}
        with self._doors.writing() as session:
            now = now_of(session)
            key_epoch = current_key_epoch(session, now)
            epoch = self._doors.committees.of_epoch(session, key_epoch)
            live = live_root(session, key_epoch, now)
            reader = self._doors.identity.require_member(session)
            speaking = speaking_keys(session, epoch.members)
            jobs = []
            for lookup in lookups:
                try:
                    jobs.append(self._job(session, lookup, key_epoch))
                except KanheError as error:
                    done[lookup] = error
        if jobs:
            items, blinded = [j.asked for j in jobs], [j.subject.blinded for j in jobs]
            check = countersignature_check(
                self._doors.identity.place.lookups_domain,
                reader,
                key_epoch,
                [(job.asked.ticket, job.request) for job in jobs],
                speaking,
            )
            evaluated = evaluate(epoch, items, blinded, self._ask, self._pool, check=check)
            self._finish(jobs, evaluated, epoch, live, now, done, actor)
        self._keep_refusals(done)
        return [done[lookup] for lookup in lookups]

    def _keep_refusals(self, done: Mapping[int, Found | KanheError]) -> None:
        """Keep why a lookup was refused last, for who reads the list later."""
        refused = {key: item.code for key, item in done.items() if isinstance(item, KanheError)}
        if not refused:
            return
        with self._doors.writing() as session:
            for lookup, code in refused.items():
                row = session.get(OwnLookup, lookup)
                if row is not None and row.state != DONE:
                    row.refusal = code[:40]

    def _job(self, session: Session, lookup: int, key_epoch: int) -> _Job:
        """Bind a ticket, sign for the evaluation, and keep both before anybody is asked."""
        row = require_lookup(session, lookup)
        require_not_destroyed(row)
        file, _ = consent_of(self._ring, row)
        _require_recorded(session, file)
        subject = subject_of(self._ring, row)
        member = self._doors.identity.require_member(session)
        purpose = Purpose(row.purpose)
        kind = "OWN_RECORD" if purpose is Purpose.OWN_RECORD else "LOOKUP"
        ticket = bind_ticket(session, row, member, kind)
        if row.key_epoch not in {None, key_epoch}:
            raise ProtocolError(
                "LOOKUP_EPOCHS_DIFFER",
                f"the ticket was used in key epoch {row.key_epoch}, {key_epoch} is in use",
                help="prepare a new lookup with a new ticket",
            )
        row.key_epoch = key_epoch
        digest = evaluation_digest(
            self._doors.identity.place.lookups_domain,
            ticket=ticket,
            blinded=row.element,
            consent=file.digest,
            key_epoch=key_epoch,
        )
        signature = self._doors.identity.keys.approver.sign_digest(digest)
        scope = Scope(row.scope)
        asked = Asked(row.element, signature, ticket, file.signed, purpose, scope)
        return _Job(lookup, subject, file.signed, digest, asked)

    def _finish(
        self,
        jobs: Sequence[_Job],
        evaluated: Evaluated,
        epoch: EpochCommittee,
        live: LiveRoot,
        since: Now,
        done: dict[int, Found | KanheError],
        actor: str,
    ) -> None:
        """Read each person's bucket, make and keep the receipts; keep who did wrong."""
        domain = self._doors.identity.place.blacklist_domain
        with self._doors.reading() as session:
            # A newer version may have gone live while the nodes were asked.
            now = now_of(session)
            ledger = ledger_of(session, since, now)
            reader = Reader(
                live,
                epoch,
                domain,
                self._ask,
                is_key_of=key_check(session),
                headers=self._headers_of(live),
            )
            made: list[tuple[_Job, bytes, Verdict]] = []
            false = {job.lookup: FalseRecords(job.lookup) for job in jobs}
            batch = tuple(job.subject.blinded.element for job in jobs)
            for position, job in enumerate(jobs):
                try:
                    output = require_output(evaluated, position, epoch)
                    tag = Tag(output, epoch.key_epoch)
                    envelope, proof = self._receipt(
                        job, position, batch, tag, evaluated, epoch, reader
                    )
                    false[job.lookup].look_for(proof, tag)
                    # Verified as a third party would: what it proves is the answer.
                    verdict = verify_receipt(
                        envelope,
                        trust=trust_of(session, self._authorities()),
                        at_s=now.time_s,
                        ledger=ledger,
                        allow_test=True,
                        false=false[job.lookup].errors,
                    )
                    false[job.lookup].leave_out(verdict.records)
                    made.append((job, envelope, verdict))
                except KanheError as error:
                    done[job.lookup] = told(error, false[job.lookup])
        with self._doors.writing() as session:
            now_ms = self._doors.identity.clock()
            for wrong in [*reader.wrong, *_wrong_shares(evaluated, epoch)]:
                keep_wrong(session, wrong, str(live.version), now_ms=now_ms)
            for item in false.values():
                if item.errors:
                    keep_wrong(session, item.wrong(live), str(live.version), now_ms=now_ms)
            for job, envelope, verdict in made:
                done[job.lookup] = self._keep(session, job, envelope, verdict, actor)

    def _headers_of(self, live: LiveRoot) -> dict[tuple[int, LiveRoot], SignedHeader]:
        """Return the headers that replicas have shown of this version; older ones are forgotten."""
        self._headers = {key: item for key, item in self._headers.items() if key[1] == live}
        return self._headers

    def _receipt(
        self,
        job: _Job,
        position: int,
        batch: tuple[bytes, ...],
        tag: Tag,
        evaluated: Evaluated,
        epoch: EpochCommittee,
        reader: Reader,
    ) -> tuple[bytes, BucketProof]:
        """Read the person's bucket and return it with the signed receipt."""
        proof = reader.bucket_of(tag)
        require_one_epoch(
            ticket=epoch.key_epoch, evaluation=epoch.key_epoch, root=proof.header.key_epoch
        )
        sound, _ = sound_records(proof, tag, job.subject.identifier)
        entries = sorted(item.listing.entry_id for item in sound)
        answers = evaluated.answers(position)
        receipt = Receipt(
            domain=self._doors.identity.place.lookups_domain,
            id_type=job.subject.identifier.type,
            id_value=job.subject.identifier.value,
            blind=bytes(job.subject.blinded.blind),
            ticket=job.asked.ticket,
            key_epoch=epoch.key_epoch,
            consent=job.signed,
            evaluation_signature=job.asked.signature,
            batch=batch,
            position=position,
            committee=epoch.committee,
            answers=tuple(item.answer for item in answers),
            proof=proof,
            entries=tuple(entries),
            countersignatures=tuple(item.countersigned[position] for item in answers),
        )
        keys = self._doors.identity.keys
        envelope = sign_envelope(RECEIPT_TYPE, write_receipt(receipt), [keys.approver])
        return envelope.to_json(), proof

    def _keep(
        self, session: Session, job: _Job, envelope: bytes, verdict: Verdict, actor: str
    ) -> Found:
        row = require_lookup(session, job.lookup)
        now_ms = self._doors.identity.clock()
        header = verdict.receipt.proof.header
        # All is read before the row is touched, which then goes to the database once.
        now, cut = now_of(session), session.get_one(IndexCut, header.version)
        entries = []
        for record in verdict.records:
            found = entry_now(session, record, now)
            entries.append(found)
            if found.stands:
                know_statement(session, self._ring, record, source="lookup", now_ms=now_ms)
        keep_receipt(session, self._ring, row, envelope, verdict.receipt.entries)
        row.state, row.done_at_ms = DONE, now_ms
        row.outcome, row.refusal = outcome_of(entries, now.time_s), None
        row.level = int(verdict.effect.level)
        self._doors.act(session, actor, "lookup", str(row.id), outcome=row.outcome)
        return Found(
            row.id,
            row.outcome,
            int(verdict.effect.level),
            verdict.effect.enforced,
            header.version,
            header.cut_block,
            cut.block_time_s,
            tuple(entries),
            envelope,
        )

    # ------------------------------------------------------------------------ afterwards
    def receipt(self, lookup: int) -> bytes:
        """Return a lookup's receipt, to be shown to the person, a court or the regulator.

        Raises `NotFound` LOOKUP_UNKNOWN, RECEIPT_DESTROYED, `ProtocolError` LOOKUP_NOT_DONE.
        """
        with self._doors.reading() as session:
            return open_receipt(session, self._ring, lookup)

    def reduced_receipt(self, lookup: int) -> bytes:
        """Return what is left of a receipt that was destroyed because an entry was erased.

        Raises as `receipt`, and `ProtocolError` RECEIPT_WHOLE.
        """
        with self._doors.reading() as session:
            return open_reduced(session, lookup)

    def require(self, lookup: int) -> None:
        """Refuse a lookup that this node did not begin, `NotFound` LOOKUP_UNKNOWN."""
        with self._doors.reading() as session:
            require_lookup(session, lookup)

    def lookups(self, *, limit: int = 200) -> tuple[LookupView, ...]:
        """Return the lookups, newest first."""
        with self._doors.reading() as session:
            rows = session.scalars(
                select(OwnLookup).order_by(OwnLookup.id.desc()).limit(limit)
            ).all()
            member = self._doors.identity.require_member(session)
            until = receipts_until(session, [row.id for row in rows])
            return tuple(view_of(session, row, member, until.get(row.id)) for row in rows)


def _require_recorded(session: Session, file: ConsentFile) -> None:
    row = session.get(RecordedConsent, consent_key(file.signed.consent.reader, file.digest))
    if row is None:
        raise ProtocolError(
            "CONSENT_NOT_RECORDED",
            "the consent is not on the ledger yet",
            where=Where(field="consent"),
            help="let the node catch up; `kanhe blacklist lookups` shows where it stands",
        )


def _wrong_shares(evaluated: Evaluated, epoch: EpochCommittee) -> list[Wrong]:
    return [
        Wrong(
            "OPRF_SHARE_WRONG",
            member,
            f"member {member} answered with a wrong share: {error.message}",
            {"member": str(member), "key_epoch": str(epoch.key_epoch), "says": error.message},
        )
        for member, error in evaluated.tally.wrong.items()
        if isinstance(error, ShareWrong)
    ]


__all__ = ["Found", "LookupService", "LookupView", "Terms"]
