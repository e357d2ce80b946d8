"""A lookup's receipt: everything from which a third party repeats it (blacklist.md, "Messages" 5).

It holds the identifier, so it is shown to the person, a court or the regulator and nobody else. The
reader signs it as an envelope. Batched evaluations carry one proof for the batch, so the receipt
holds the batch's other blinded elements too, which say nothing of whom they are. Beside each answer
stands its node's countersignature for the ticket; receipts without them are of an earlier release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.crypto.eip712 import Domain
from node.crypto.oprf.dleq import MAX_BATCH, Proof
from node.crypto.oprf.group import Element
from node.crypto.oprf.shamir import MAX_NODES
from node.crypto.oprf.threshold import Answer, Committee
from node.crypto.signer import SIGNATURE_BYTES
from node.screening.consents import Consent, Level, Purpose, Scope, SignedConsent
from node.screening.identifiers import IdType
from node.screening.index import MAX_BITS, MAX_BUCKET_RECORDS, BucketProof, IndexHeader
from node.screening.records import RECORD_BYTES
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    address_text,
    as_hex,
    as_map,
    list_of,
    malformed,
    map_of,
    read_address,
    read_hex,
    read_number,
    read_object,
)
from reconcile.model import ZERO32

SCHEMA: Final = "kanhe/receipt/1"
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_MAX_BUCKET_BYTES: Final = 8 + MAX_BUCKET_RECORDS * RECORD_BYTES
_MAX_CERTIFICATE: Final = 65_536


@dataclass(frozen=True, slots=True)
class Receipt:
    """One lookup; `entries` are the ids of the entries found, ascending, none for an absence.

    `countersignatures` are one an answer, in the answers' order, or none at all.
    """

    domain: Domain
    id_type: IdType
    id_value: str
    blind: bytes
    ticket: int
    key_epoch: int
    consent: SignedConsent
    evaluation_signature: bytes
    batch: tuple[bytes, ...]
    position: int
    committee: Committee
    answers: tuple[Answer, ...]
    proof: BucketProof
    entries: tuple[bytes, ...]
    countersignatures: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        """Show ticket and outcome, never the person."""
        return f"Receipt(ticket={self.ticket}, entries={len(self.entries)})"


def write_receipt(receipt: Receipt) -> bytes:
    """Return the receipt's canonical bytes, to be signed as an envelope."""
    signed = [item.hex() for item in receipt.countersignatures]
    return canonical_json(
        {
            **({"countersignatures": signed} if signed else {}),
            "schema": SCHEMA,
            "chain_id": str(receipt.domain.chain_id),
            "contract": address_text(receipt.domain.contract),
            "id_type": str(receipt.id_type),
            "id": receipt.id_value,
            "blind": receipt.blind.hex(),
            "ticket": str(receipt.ticket),
            "key_epoch": str(receipt.key_epoch),
            "consent": consent_json(receipt.consent),
            "evaluation_signature": receipt.evaluation_signature.hex(),
            "batch": [item.hex() for item in receipt.batch],
            "position": str(receipt.position),
            "committee": _committee_json(receipt.committee),
            "answers": [_answer_json(answer) for answer in receipt.answers],
            "index": _header_json(receipt.proof.header),
            "bucket": receipt.proof.bucket.hex(),
            "path": [item.hex() for item in receipt.proof.path],
            "entries": [item.hex() for item in receipt.entries],
        }
    )


def read_receipt(data: bytes) -> Receipt:
    """Read a receipt; raises `InputError` PROOF_MALFORMED unless it re-encodes to itself.

    The committee's and the elements' own errors come through.
    """
    body = read_object(data, "receipt")
    found = Receipt(
        Domain(read_number(body, "chain_id", 2**256 - 1), read_address(body, "contract", 20)),
        _id_type(body),
        _text(body, "id"),
        read_hex(body, "blind", 32),
        read_number(body, "ticket", _MAX64),
        read_number(body, "key_epoch", _MAX32),
        read_consent(map_of(body, "consent")),
        read_hex(body, "evaluation_signature", 65),
        _hexes(body, "batch", MAX_BATCH),
        read_number(body, "position", MAX_BATCH),
        _read_committee(map_of(body, "committee")),
        tuple(
            _read_answer(as_map(item, "answers")) for item in list_of(body, "answers", MAX_NODES)
        ),
        BucketProof(
            _read_header(map_of(body, "index")),
            read_hex(body, "bucket", most=_MAX_BUCKET_BYTES),
            _hexes(body, "path", MAX_BITS),
        ),
        _hexes(body, "entries", MAX_BUCKET_RECORDS),
        _countersignatures(body),
    )
    if write_receipt(found) != data:
        raise malformed("receipt", "is not in its one form")
    return found


def consent_json(signed: SignedConsent) -> dict[str, object]:
    """Return a consent as receipts and bundles hold it."""
    consent = signed.consent
    return {
        "reader": str(consent.reader),
        "purpose": str(int(consent.purpose)),
        "scope": str(int(consent.scope)),
        "valid_from_s": str(consent.valid_from_s),
        "valid_to_s": str(consent.valid_to_s),
        "nonce": consent.nonce.hex(),
        "person": consent.person.hex(),
        "blinded": consent.blinded.hex(),
        "level": str(int(consent.level)),
        "salt": signed.salt.hex(),
        "signature": signed.signature.hex(),
        "certificate": signed.certificate.hex(),
    }


def read_consent(body: Mapping[str, object]) -> SignedConsent:
    """Read a consent; raises `InputError` PROOF_MALFORMED."""
    try:
        purpose = Purpose(read_number(body, "purpose", 255))
        level = Level(read_number(body, "level", 255))
    except ValueError:
        raise malformed("consent", "names an unknown purpose or level") from None
    consent = Consent(
        read_number(body, "reader", _MAX32),
        purpose,
        Scope(read_number(body, "scope", int(~Scope(0)))),
        read_number(body, "valid_from_s", _MAX64),
        read_number(body, "valid_to_s", _MAX64),
        read_hex(body, "nonce", 32),
        read_hex(body, "person", 32),
        read_hex(body, "blinded", 32),
        level,
    )
    return SignedConsent(
        consent,
        read_hex(body, "salt", 32),
        read_hex(body, "signature", most=1_024),
        read_hex(body, "certificate", most=_MAX_CERTIFICATE),
    )


def blind_consent_json(signed: SignedConsent) -> dict[str, str]:
    """Return a consent without the salt that opens it, for who is not to see whose it is."""
    return {name: str(value) for name, value in consent_json(signed).items() if name != "salt"}


def read_blind_consent(body: Mapping[str, object]) -> SignedConsent:
    """Read a consent that came without its salt; raises `InputError` PROOF_MALFORMED."""
    if "salt" in body:
        raise malformed("consent", "carries the salt of a consent, which no node is to see")
    read = read_consent({**body, "salt": ZERO32.hex()})
    return SignedConsent(read.consent, b"", read.signature, read.certificate)


def _committee_json(committee: Committee) -> dict[str, object]:
    return {
        "threshold": str(committee.threshold),
        "public": committee.public.hex(),
        "shares": [
            {"node": str(node), "public": committee.shares[node].hex()}
            for node in sorted(committee.shares)
        ],
    }


def _read_committee(body: Mapping[str, object]) -> Committee:
    shares: dict[int, Element] = {}
    for item in list_of(body, "shares", MAX_NODES):
        share = as_map(item, "shares")
        shares[read_number(share, "node", MAX_NODES)] = Element(read_hex(share, "public", 32))
    public = Element(read_hex(body, "public", 32))
    return Committee(read_number(body, "threshold", MAX_NODES), public, shares)


def _answer_json(answer: Answer) -> dict[str, object]:
    assert answer.proof is not None, "a receipt holds answers that accepted something"
    return {
        "node": str(answer.node),
        "accepted": [str(position) for position in answer.accepted],
        "evaluated": [item.hex() for item in answer.evaluated],
        "proof": answer.proof.encode().hex(),
    }


def _read_answer(body: Mapping[str, object]) -> Answer:
    accepted = [
        read_number({"accepted": item}, "accepted", MAX_BATCH)
        for item in list_of(body, "accepted", MAX_BATCH)
    ]
    return Answer(
        read_number(body, "node", MAX_NODES),
        tuple(accepted),
        _hexes(body, "evaluated", MAX_BATCH),
        Proof.parse(read_hex(body, "proof", 64)),
    )


def _header_json(header: IndexHeader) -> dict[str, object]:
    return {
        "key_epoch": str(header.key_epoch),
        "version": str(header.version),
        "cut_block": str(header.cut_block),
        "bits": str(header.bits),
        "leaf_count": str(header.leaf_count),
        "largest": str(header.largest),
        "tree_root": header.tree_root.hex(),
    }


def _read_header(body: Mapping[str, object]) -> IndexHeader:
    return IndexHeader(
        read_number(body, "key_epoch", _MAX32),
        read_number(body, "version", _MAX32),
        read_number(body, "cut_block", _MAX64),
        read_number(body, "bits", MAX_BITS),
        read_number(body, "leaf_count", _MAX64),
        read_number(body, "largest", MAX_BUCKET_RECORDS),
        read_hex(body, "tree_root", 32),
    )


def _hexes(body: Mapping[str, object], field: str, most: int) -> tuple[bytes, ...]:
    return tuple(as_hex(item, field, 32) for item in list_of(body, field, most))


def _countersignatures(body: Mapping[str, object]) -> tuple[bytes, ...]:
    if "countersignatures" not in body:
        return ()
    found = list_of(body, "countersignatures", MAX_NODES)
    return tuple(as_hex(item, "countersignatures", SIGNATURE_BYTES) for item in found)


def _id_type(body: Mapping[str, object]) -> IdType:
    try:
        return IdType(_text(body, "id_type"))
    except ValueError:
        raise malformed("id_type", "is unknown") from None


def _text(body: Mapping[str, object], field: str) -> str:
    text = body.get(field)
    if not isinstance(text, str):
        raise malformed(field, "is no text")
    return text
