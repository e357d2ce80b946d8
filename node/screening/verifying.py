"""Verifying a receipt without node, chain or network: the lookup is repeated from its parts.

What the registry and the ledger know (whose keys these are, which roots, tickets and committees
stand) comes in as `Ledger`, or stays in the verdict's list of what is not proven.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from node.crypto.oprf import group, modes, threshold
from node.crypto.oprf.epochs import require_one_epoch
from node.crypto.oprf.modes import Blinded, Mode
from node.crypto.oprf.threshold import Committee
from node.crypto.signer import recover_address
from node.screening.consents import Effect, Trust, Use, check_consent, evaluation_digest
from node.screening.countersigning import countersigned_digest
from node.screening.derivation import Tag
from node.screening.envelope import LISTING_TYPE, RECEIPT_TYPE, Envelope, read_envelope
from node.screening.identifiers import Identifier, read_identifier
from node.screening.index import BucketProof, IndexHeader, look_in
from node.screening.listings import Listing, Posted, unlike
from node.screening.receipts import Receipt, read_receipt
from node.screening.records import OpenedRecord, require_commitment
from reconcile.model import KanheError, ProtocolError, Where

#: What no receipt proves, whoever verifies it.
NOT_PROVED: Final = (
    "that the ticket was paid for and used once",
    "what the entries' state is today",
)
NOT_PROVED_OFFLINE: Final = (
    "that the root stands on the ledger and was not challenged",
    "that the committee's public shares are the ledger's for this key epoch",
    "that the statements are those of the ledger's entries: they were not held against it",
    *NOT_PROVED,
)
COUNTERSIGNERS: Final = "that the keys which countersigned for the ticket are the nodes'"
NOT_COUNTERSIGNED: Final = "that the committee evaluated it for this ticket: no node says so"


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the ledger says, for who can ask it.

    `has_root`: a root stands. `is_committee`: a committee held the key of a key epoch.
    `is_node`: an address ever was a key of the member under an index of it. `listed`: what was
    posted of those entries that had a leaf before an index was cut, whatever became of them since.
    """

    has_root: Callable[[IndexHeader], bool]
    is_committee: Callable[[int, Committee], bool]
    is_node: Callable[[int, Committee, int, str], bool]
    listed: Callable[[IndexHeader, Collection[bytes]], Mapping[bytes, Posted]]


class NotListedError(ProtocolError):
    """Raised for a signed record that the ledger does not hold; says who signed and sealed it."""

    def __init__(self, listing: Listing, says: str) -> None:
        """Take the statement, whose signature is its uploader's, and what the ledger says of it."""
        self.entry, self.uploader = listing.entry_id, listing.uploader
        super().__init__(
            "RECORD_NOT_LISTED",
            f"member {listing.uploader} signed a statement about entry "
            f"{listing.entry_id.hex()[:16]}…, {says}",
            where=Where(field="record"),
            help="It counts for nothing; keep the receipt and show it to the regulator.",
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a receipt proves: the entries found (none: absence), who signed, at which consent.

    `false`: why records beside them, addressed to this person, count for nothing.
    """

    receipt: Receipt
    identifier: Identifier
    records: tuple[OpenedRecord, ...]
    effect: Effect
    reader_key: str
    not_proved: tuple[str, ...] = field(default=NOT_PROVED_OFFLINE)
    false: tuple[KanheError, ...] = ()


def verify_receipt(
    data: bytes,
    *,
    trust: Trust,
    at_s: int,
    ledger: Ledger | None = None,
    allow_test: bool = False,
    false: list[KanheError] | None = None,
) -> Verdict:
    """Return what a signed receipt proves, or refuse it with the first thing that does not hold.

    `at_s` is the time of the lookup's block, at which the consent must have been valid. Given
    `false`, why records hold not goes there even where nothing else is left to prove. Raises the
    errors of envelope, identifier, consent, shares and index, and `ProtocolError` RECEIPT_BLIND,
    RECEIPT_READER, RECEIPT_ENTRIES, RECEIPT_UPLOADER, RECEIPT_COUNTERSIGNATURE, RECEIPT_ROOT,
    RECEIPT_COMMITTEE or RECORD_NOT_LISTED.
    """
    envelope = read_envelope(data)
    receipt = read_receipt(envelope.payload)
    reader_key = _require_reader(envelope, receipt, trust)
    identifier = read_identifier(receipt.id_type, receipt.id_value, allow_test=allow_test)
    if identifier.value != receipt.id_value:
        raise _refuse("RECEIPT_BLIND", "id", "the identifier is not in its one form")
    tag = _repeat_evaluation(receipt, identifier)
    sound, refused = sound_records(receipt.proof, tag, identifier)
    false = [] if false is None else false
    false += refused
    records = _true_records(receipt, sound, false, trust)
    effect = _consent_effect(receipt, identifier, trust, at_s)
    nodes = _countersigners(receipt)
    not_proved: tuple[str, ...] = NOT_PROVED_OFFLINE
    if ledger is not None:
        _require_ledger(receipt, nodes, ledger)
        records = _listed_records(receipt.proof.header, records, false, ledger)
        not_proved = NOT_PROVED
    if not nodes:
        not_proved = (*not_proved, NOT_COUNTERSIGNED)
    elif ledger is None:
        not_proved = (*not_proved, COUNTERSIGNERS)
    return Verdict(receipt, identifier, records, effect, reader_key, not_proved, tuple(false))


def _require_reader(envelope: Envelope, receipt: Receipt, trust: Trust) -> str:
    """Envelope and evaluation carry signatures of the consent's reader."""
    reader = receipt.consent.consent.reader
    if envelope.type != RECEIPT_TYPE:
        raise _refuse("ENVELOPE_TYPE", "type", f"the envelope holds {envelope.type}")
    signers = envelope.signers()
    if not all(trust.is_key_of(reader, signer) for signer in signers):
        raise _refuse("RECEIPT_READER", "signatures", "the receipt is not signed by its reader")
    if not 0 <= receipt.position < len(receipt.batch):
        raise _refuse("RECEIPT_BLIND", "position", "the position is not of the batch")
    asked = recover_address(request_of(receipt), receipt.evaluation_signature)
    if not trust.is_key_of(reader, asked):
        raise _refuse("RECEIPT_READER", "evaluation_signature", "the reader did not ask for this")
    return signers[0]


def request_of(receipt: Receipt) -> bytes:
    """Return the digest by which the reader asked for a receipt's evaluation."""
    return evaluation_digest(
        receipt.domain,
        ticket=receipt.ticket,
        blinded=receipt.batch[receipt.position],
        consent=receipt.consent.consent.digest(receipt.domain),
        key_epoch=receipt.key_epoch,
    )


def _countersigners(receipt: Receipt) -> tuple[tuple[int, str], ...]:
    """Return each answering node with the address that countersigned, none for none."""
    signatures = receipt.countersignatures
    if not signatures:
        return ()
    if len(signatures) != len(receipt.answers):
        says = f"{len(signatures)} nodes countersigned, {len(receipt.answers)} answered"
        raise _refuse("RECEIPT_COUNTERSIGNATURE", "countersignatures", says)
    digest = countersigned_digest(
        receipt.domain,
        reader=receipt.consent.consent.reader,
        ticket=receipt.ticket,
        key_epoch=receipt.key_epoch,
        request=request_of(receipt),
    )
    return tuple(
        (answer.node, recover_address(digest, signature))
        for answer, signature in zip(receipt.answers, signatures, strict=True)
    )


def _repeat_evaluation(receipt: Receipt, identifier: Identifier) -> Tag:
    """Blind again, check every share's proof, combine, and return the person's tag."""
    blind = group.scalar(receipt.blind, "blind")
    if blind == group.ZERO:
        raise _refuse("RECEIPT_BLIND", "blind", "the blind is zero")
    own = modes.blind(Mode.VOPRF, identifier.prf_input, scalar=blind)
    if own.element != receipt.batch[receipt.position]:
        raise _refuse("RECEIPT_BLIND", "blind", "the blinded element is not of this person")
    require_one_epoch(
        ticket=receipt.key_epoch,
        evaluation=receipt.key_epoch,
        root=receipt.proof.header.key_epoch,
    )
    combined = threshold.combine(receipt.committee, receipt.batch, receipt.answers)
    if combined.wrong:
        raise combined.wrong[0]
    if receipt.position not in combined.evaluations:
        raise ProtocolError(
            "OPRF_BELOW_THRESHOLD",
            f"fewer than {receipt.committee.threshold} nodes evaluated this element",
            where=Where(field="answers"),
            help="The receipt proves nothing; look the person up again.",
        )
    evaluated = combined.evaluations[receipt.position]
    mine = Blinded(identifier.prf_input, blind, own.element)
    return Tag(modes.finalize(Mode.VOPRF, mine, evaluated), receipt.key_epoch)


def sound_records(
    proof: BucketProof, tag: Tag, identifier: Identifier
) -> tuple[list[OpenedRecord], list[KanheError]]:
    """Return the records that open and are committed to this person, and why others do not hold.

    Raises what `look_in` raises of the bucket itself.
    """
    false: list[KanheError] = []
    sound = []
    for record in look_in(proof, tag, false):
        try:
            require_commitment(record, identifier)
            sound.append(record)
        except KanheError as error:
            false.append(error)
    return sound, false


def _true_records(
    receipt: Receipt, sound: Sequence[OpenedRecord], false: list[KanheError], trust: Trust
) -> tuple[OpenedRecord, ...]:
    """Return the records that their uploaders signed; the entries named are the sound ones.

    Where only false records concern the person, neither a hit nor an absence is proven: the first
    one's refusal is raised.
    """
    if false and not sound:
        raise false[0]
    if tuple(sorted(record.listing.entry_id for record in sound)) != receipt.entries:
        raise _refuse("RECEIPT_ENTRIES", "entries", "the bucket holds other entries of this person")
    was_key_of = trust.was_key_of or trust.is_key_of
    records = []
    for record in sound:
        signed = Envelope(LISTING_TYPE, record.listing.payload, (record.signature,))
        try:
            (signer,) = signed.signers()
            if not was_key_of(record.listing.uploader, signer):
                says = "an entry is not signed by its uploader"
                raise _refuse("RECEIPT_UPLOADER", "entries", says)
            records.append(record)
        except KanheError as error:
            false.append(error)
    if false and not records:
        raise false[0]
    return tuple(records)


def _listed_records(
    header: IndexHeader, records: tuple[OpenedRecord, ...], false: list[KanheError], ledger: Ledger
) -> tuple[OpenedRecord, ...]:
    """Return the records whose statements are the ledger's; the others join the false ones.

    A member may seal whatever it likes into the leaf of an entry of its own: back-dated, about an
    entry that nobody posted, under another member's, or of one that is only announced, which
    nobody could dispute.
    """
    if not records:
        return records
    posted = ledger.listed(header, [record.listing.entry_id for record in records])
    listed = []
    for record in records:
        stands = posted.get(record.listing.entry_id)
        if stands is None:
            false.append(
                NotListedError(record.listing, "which had no leaf before the index was cut")
            )
        elif wrong := unlike(record.listing, stands):
            says = f"of which the ledger says otherwise: {', '.join(wrong)}"
            false.append(NotListedError(record.listing, says))
        else:
            listed.append(record)
    if false and not listed:
        raise false[0]
    return tuple(listed)


def _consent_effect(receipt: Receipt, identifier: Identifier, trust: Trust, at_s: int) -> Effect:
    consent = receipt.consent.consent
    use = Use(
        consent.reader,
        consent.purpose,
        consent.scope,
        at_s,
        identifier,
        receipt.batch[receipt.position],
    )
    return check_consent(receipt.consent, use, receipt.domain, trust)


def _require_ledger(receipt: Receipt, nodes: Sequence[tuple[int, str]], ledger: Ledger) -> None:
    if not ledger.has_root(receipt.proof.header):
        raise _refuse("RECEIPT_ROOT", "index", "the root is not on the ledger: the receipt is void")
    if not ledger.is_committee(receipt.key_epoch, receipt.committee):
        raise _refuse("RECEIPT_COMMITTEE", "committee", "the committee is not the ledger's")
    for node, key in nodes:
        if not ledger.is_node(receipt.key_epoch, receipt.committee, node, key):
            says = f"node {node} did not countersign: {key} is no key of its member"
            raise _refuse("RECEIPT_COUNTERSIGNATURE", "countersignatures", says)


def _refuse(code: str, where: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, says, where=Where(field=where), help="Nothing of this receipt was taken as proven."
    )
