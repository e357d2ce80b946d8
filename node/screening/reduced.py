"""What is left of a lookup's receipt once an entry that it found is erased.

It shows who asked when, with which ticket, on which consent, and with which outcome. Left out is
everything from which the lookup could be repeated: identifier, blind, the answers and their proofs,
bucket and path. The element stays, which without its blind is of anybody: the reader's signature
for the evaluation and the nodes' countersignatures for the ticket are over it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.crypto.eip712 import Domain
from node.crypto.oprf.shamir import MAX_NODES
from node.crypto.signer import SIGNATURE_BYTES, Signer, recover_address
from node.crypto.verifying import Verification
from node.screening.consents import evaluation_digest
from node.screening.countersigning import countersigned_digest
from node.screening.envelope import REDUCED_RECEIPT_TYPE, read_envelope, sign_envelope
from node.screening.receipts import Receipt
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    address_text,
    as_map,
    list_of,
    malformed,
    read_address,
    read_hex,
    read_number,
    read_object,
)
from reconcile.model import KanheError, day_iso

SCHEMA: Final = "kanhe/reduced-receipt/1"
_MAX32: Final = 2**32 - 1
_MAX64: Final = 2**64 - 1
_MAX_LEVEL: Final = 3
_MAX_DAY: Final = 2_932_896
_MAX_WORD: Final = 40


@dataclass(frozen=True, slots=True)
class Reduced:
    """A lookup that was made, and the entry that it found and that was `erased`.

    It names no other entry: which ones are of one person is nobody's to keep. `countersignatures`
    are pairs of a node's index and its signature. Times are Unix seconds, the day is since 1970.
    """

    domain: Domain
    reader: int
    ticket: int
    key_epoch: int
    consent: bytes
    level: int
    element: bytes
    evaluation_signature: bytes
    countersignatures: tuple[tuple[int, bytes], ...]
    version: int
    cut_block: int
    outcome: str
    looked_up_at_s: int
    erased: bytes
    destroyed_day: int


def reduced_of(
    receipt: Receipt,
    *,
    outcome: str,
    level: int,
    looked_up_at_s: int,
    erased: bytes,
    destroyed_day: int,
) -> Reduced:
    """Return what is left of a receipt."""
    nodes = [answer.node for answer in receipt.answers]
    return Reduced(
        receipt.domain,
        receipt.consent.consent.reader,
        receipt.ticket,
        receipt.key_epoch,
        receipt.consent.consent.digest(receipt.domain),
        level,
        receipt.batch[receipt.position],
        receipt.evaluation_signature,
        tuple(zip(nodes, receipt.countersignatures, strict=False)),
        receipt.proof.header.version,
        receipt.proof.header.cut_block,
        outcome,
        looked_up_at_s,
        erased,
        destroyed_day,
    )


def write_reduced(left: Reduced) -> bytes:
    """Return the canonical bytes, to be signed as an envelope."""
    return canonical_json(
        {
            "schema": SCHEMA,
            "chain_id": str(left.domain.chain_id),
            "contract": address_text(left.domain.contract),
            "reader": str(left.reader),
            "ticket": str(left.ticket),
            "key_epoch": str(left.key_epoch),
            "consent": left.consent.hex(),
            "level": str(left.level),
            "element": left.element.hex(),
            "evaluation_signature": left.evaluation_signature.hex(),
            "countersignatures": [
                {"node": str(node), "signature": signature.hex()}
                for node, signature in left.countersignatures
            ],
            "version": str(left.version),
            "cut_block": str(left.cut_block),
            "outcome": left.outcome,
            "looked_up_at_s": str(left.looked_up_at_s),
            "erased": left.erased.hex(),
            "destroyed_day": str(left.destroyed_day),
        }
    )


def sign_reduced(left: Reduced, signer: Signer) -> bytes:
    """Return it as its reader's signed envelope."""
    return sign_envelope(REDUCED_RECEIPT_TYPE, write_reduced(left), [signer]).to_json()


def read_reduced(data: bytes) -> Reduced:
    """Read it; raises `InputError` PROOF_MALFORMED unless it re-encodes to itself."""
    body = read_object(data, "reduced receipt")
    outcome = body.get("outcome")
    if not isinstance(outcome, str) or not 0 < len(outcome) <= _MAX_WORD:
        raise malformed("outcome", "is no word")
    found = Reduced(
        Domain(read_number(body, "chain_id", 2**256 - 1), read_address(body, "contract", 20)),
        read_number(body, "reader", _MAX32),
        read_number(body, "ticket", _MAX64),
        read_number(body, "key_epoch", _MAX32),
        read_hex(body, "consent", 32),
        read_number(body, "level", _MAX_LEVEL),
        read_hex(body, "element", 32),
        read_hex(body, "evaluation_signature", SIGNATURE_BYTES),
        tuple(_countersignature(item) for item in list_of(body, "countersignatures", MAX_NODES)),
        read_number(body, "version", _MAX32),
        read_number(body, "cut_block", _MAX64),
        outcome,
        read_number(body, "looked_up_at_s", _MAX64),
        read_hex(body, "erased", 32),
        read_number(body, "destroyed_day", _MAX_DAY),
    )
    if write_reduced(found) != data:
        raise malformed("reduced receipt", "is not in its one form")
    return found


def _countersignature(item: object) -> tuple[int, bytes]:
    body = as_map(item, "countersignatures")
    signature = read_hex(body, "signature", SIGNATURE_BYTES)
    return read_number(body, "node", MAX_NODES), signature


def explain_reduced(data: bytes) -> Verification:
    """Return what a reduced receipt proves; one that does not hold is a check that fails.

    Raises an envelope's errors, and `InputError` PROOF_MALFORMED where it is in no known form.
    """
    envelope = read_envelope(data)
    left = read_reduced(envelope.payload)
    found = Verification()
    signers = envelope.signers()
    found.hold("form", ok=True, yes="it has the one form in which it is written", no="")
    found.hold(
        "reader",
        ok=len(signers) == 1,
        yes=f"{signers[0]} signed it",
        no="it is signed by several; a reader signs alone",
    )
    request = evaluation_digest(
        left.domain,
        ticket=left.ticket,
        blinded=left.element,
        consent=left.consent,
        key_epoch=left.key_epoch,
    )
    asked = _recovered(request, left.evaluation_signature)
    found.hold(
        "evaluation",
        ok=asked is not None,
        yes=f"{asked} asked for the evaluation with ticket {left.ticket}",
        no="nobody signed for the evaluation",
    )
    digest = countersigned_digest(
        left.domain,
        reader=left.reader,
        ticket=left.ticket,
        key_epoch=left.key_epoch,
        request=request,
    )
    keys = [(node, _recovered(digest, one)) for node, one in left.countersignatures]
    nodes = ", ".join(str(node) for node, _ in keys)
    found.hold(
        "nodes",
        ok=all(key is not None for _, key in keys),
        yes=f"nodes {nodes} countersigned for the ticket" if keys else "no node countersigned",
        no="a countersignature is none",
    )
    if not found.ok:
        found.not_proved.append("anything: a reduced receipt that does not hold proves nothing")
        return found
    _conclude(left, signers[0], found)
    found.not_proved += [
        f"that {key} was a key of member {left.reader} then"
        for key in sorted({signers[0], str(asked)})
    ]
    found.not_proved += [f"that {key} was a key of node {node} then" for node, key in keys]
    return found


def _conclude(left: Reduced, signer: str, found: Verification) -> None:
    erased = f"entry {left.erased.hex()}"
    found.proved.append(
        f"member {left.reader} asked with ticket {left.ticket} in key epoch {left.key_epoch}, on "
        f"consent 0x{left.consent.hex()}: whoever holds that consent knows whom it is of"
    )
    found.proved.append(
        f"{signer} says that it was a {left.outcome} in index version {left.version}, cut at block "
        f"{left.cut_block}, and that on {day_iso(left.destroyed_day)} the rest of the receipt was "
        f"destroyed because {erased} was erased"
    )
    found.not_proved += [
        "whom the lookup concerned and what it found: its outcome is the reader's word",
        f"that {erased} was erased: its certificates of deletion on the ledger say so",
    ]


def _recovered(digest: bytes, signature: bytes) -> str | None:
    try:
        return recover_address(digest, signature)
    except KanheError:
        return None
