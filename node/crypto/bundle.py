"""The files that `kanhe proof export` writes and `kanhe verify` reads, without node or network.

    report-bundle/1  result, report, groups                 what both sides signed, and what it says
    record-proof/1   result, proof, report or null          one record, disclosed alone
    stream/1         result, side, batches                  every payload of a side, as posted

`result` is what the approvers signed (EIP-712 `Result`) with their signatures. A record's proof
needs no report: whoever is shown one record learns no other figure.

    {"kanhe": "report-bundle/1",
     "result": {"chain_id": "31337", "ledger": "0x…", "agreement": "…", "window": "166232",
                "servicer_head": "…", "owner_head": "…", "previous_agreed_digest": "…",
                "digest": "…", "represented": null, "attestations": [{"side": "servicer",
                "revision": "1", "flags": "0", "approver": "0x…", "signature": "…"}, …]},
     "report": {…}, "groups": […]}

Hashes are lower-case hex, integers decimal strings. The file is canonical JSON (RFC 8785; there are
no numbers in it) and one line feed, so that every byte of it counts: one that was changed is found
even where it would change no meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from node.crypto.eip712 import Domain, ResultClaim
from node.crypto.frame import PAYLOAD_SIZES
from node.crypto.signer import SIGNATURE_BYTES
from reconcile.canonical import canonical_json
from reconcile.commitment.fields import (
    address_text,
    as_map,
    list_of,
    malformed,
    map_of,
    read_address,
    read_hex,
    read_number,
)
from reconcile.commitment.heads import ADDRESS_BYTES, MAX_UINT32, MAX_UINT64, MAX_UINT256
from reconcile.commitment.proofs import (
    MAX_PROOF_LINKS,
    RecordProof,
    parse_proof,
    proof_json,
    read_side,
)
from reconcile.commitment.tree import HASH_BYTES
from reconcile.model import InputError, MatchGroup, Side
from reconcile.report.groups import group_json

REPORT_BUNDLE: Final = "report-bundle/1"
RECORD_PROOF: Final = "record-proof/1"
STREAM: Final = "stream/1"
MAX_FILE_BYTES: Final = 1 << 30
MAX_FLAGS: Final = 255
MAX_ATTESTATIONS: Final = 2


@dataclass(frozen=True, slots=True)
class Signed:
    """One side's attestation; `approver` is the 20-byte address that it says signed."""

    side: Side
    revision: int
    flags: int
    approver: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class SignedResult:
    """What a window's attestations have in common, and the attestations.

    `represented` is the side that the other one posts for; only the other one signs then.
    """

    domain: Domain
    agreement: bytes
    window: int
    servicer_head: bytes
    owner_head: bytes
    previous_agreed_digest: bytes
    digest: bytes
    attestations: tuple[Signed, ...]
    represented: Side | None = None

    def claim(self, signed: Signed) -> ResultClaim:
        """Return what one side signed."""
        return ResultClaim(
            agreement=self.agreement,
            side=signed.side,
            window=self.window,
            revision=signed.revision,
            servicer_head=self.servicer_head,
            owner_head=self.owner_head,
            previous_agreed_digest=self.previous_agreed_digest,
            digest=self.digest,
            flags=signed.flags,
        )

    def head(self, side: Side) -> bytes:
        """Return the closing head of one side's stream."""
        return self.servicer_head if side is Side.SERVICER else self.owner_head


@dataclass(frozen=True, slots=True)
class PostedPayload:
    """One batch as the ledger's event carries it."""

    seq: int
    window: int
    epoch: int
    commitment: bytes
    payload: bytes


@dataclass(frozen=True, slots=True)
class Bundle:
    """A file's content: `kind` says which of the optional parts are there."""

    kind: str
    result: SignedResult
    report: Mapping[str, object] | None = None
    groups: Sequence[object] = ()
    proof: RecordProof | None = None
    side: Side | None = None
    batches: tuple[PostedPayload, ...] = ()


# ------------------------------------------------------------------ writing
def report_bundle(
    result: SignedResult,
    report: Mapping[str, object],
    groups: Sequence[MatchGroup],
) -> dict[str, object]:
    """Return a report bundle's JSON."""
    return {
        "kanhe": REPORT_BUNDLE,
        "result": _result_json(result),
        "report": report,
        "groups": [group_json(group) for group in groups],
    }


def record_file(
    result: SignedResult, proof: RecordProof, report: Mapping[str, object] | None = None
) -> dict[str, object]:
    """Return a record proof's JSON; with the report it also shows that the batch counted."""
    return {
        "kanhe": RECORD_PROOF,
        "result": _result_json(result),
        "proof": proof_json(proof),
        "report": report,
    }


def stream_file(
    result: SignedResult, side: Side, batches: Sequence[PostedPayload]
) -> dict[str, object]:
    """Return a whole stream's JSON, from seq 1 to the closing; its payloads stay sealed."""
    return {
        "kanhe": STREAM,
        "result": _result_json(result),
        "side": side.word,
        "batches": [
            {
                "seq": str(batch.seq),
                "window": str(batch.window),
                "epoch": str(batch.epoch),
                "commitment": batch.commitment.hex(),
                "payload": batch.payload.hex(),
            }
            for batch in batches
        ],
    }


def file_bytes(body: Mapping[str, object]) -> bytes:
    """Return the one form in which such a file is written.

    Raises `InputError` REPORT_NOT_CANONICAL where it holds a number or a lone surrogate.
    """
    return canonical_json(dict(body)) + b"\n"


def _result_json(result: SignedResult) -> dict[str, object]:
    return {
        "chain_id": str(result.domain.chain_id),
        "ledger": address_text(result.domain.contract),
        "agreement": result.agreement.hex(),
        "window": str(result.window),
        "servicer_head": result.servicer_head.hex(),
        "owner_head": result.owner_head.hex(),
        "previous_agreed_digest": result.previous_agreed_digest.hex(),
        "digest": result.digest.hex(),
        "represented": None if result.represented is None else result.represented.word,
        "attestations": [
            {
                "side": signed.side.word,
                "revision": str(signed.revision),
                "flags": str(signed.flags),
                "approver": address_text(signed.approver),
                "signature": signed.signature.hex(),
            }
            for signed in sorted(result.attestations, key=lambda item: item.side)
        ],
    }


# ------------------------------------------------------------------ reading
def read_json(data: bytes) -> Mapping[str, object]:
    """Return the object that a file holds.

    Raises `InputError` PROOF_MALFORMED: no UTF-8, no JSON, a key twice in one object, a number with
    a fraction, or no object at all.
    """
    if len(data) > MAX_FILE_BYTES:
        raise malformed("file", f"has {len(data)} bytes, over {MAX_FILE_BYTES}")
    try:
        body = json.loads(
            data.decode(),
            object_pairs_hook=_once,
            parse_float=_no_float,
            parse_constant=_no_float,
        )
    except (ValueError, RecursionError) as error:
        raise malformed("file", f"is no JSON: {error}") from None
    if not isinstance(body, dict):
        raise malformed("file", "is no JSON object")
    return body


def parse_bundle(body: Mapping[str, object]) -> Bundle:
    """Return what a file of one of the three kinds holds; raises `InputError` PROOF_MALFORMED."""
    kind = body.get("kanhe")
    if kind == REPORT_BUNDLE:
        return Bundle(
            REPORT_BUNDLE,
            _parse_result(map_of(body, "result")),
            report=map_of(body, "report"),
            groups=list_of(body, "groups", MAX_FILE_BYTES),
        )
    if kind == RECORD_PROOF:
        return Bundle(
            RECORD_PROOF,
            _parse_result(map_of(body, "result")),
            report=None if _is_null(body, "report") else map_of(body, "report"),
            proof=parse_proof(map_of(body, "proof")),
        )
    if kind == STREAM:
        return Bundle(
            STREAM,
            _parse_result(map_of(body, "result")),
            side=read_side(body),
            batches=tuple(_parse_batch(item) for item in list_of(body, "batches", MAX_PROOF_LINKS)),
        )
    raise malformed("kanhe", f"is not {REPORT_BUNDLE}, {RECORD_PROOF} or {STREAM}")


def _parse_result(body: Mapping[str, object]) -> SignedResult:
    attestations = tuple(
        _parse_signed(item) for item in list_of(body, "attestations", MAX_ATTESTATIONS)
    )
    sides = [signed.side for signed in attestations]
    if not sides or sides != sorted(set(sides)):
        raise malformed("attestations", "are not one or two, each side once, servicer first")
    return SignedResult(
        domain=Domain(
            read_number(body, "chain_id", MAX_UINT256),
            read_address(body, "ledger", ADDRESS_BYTES),
        ),
        agreement=read_hex(body, "agreement", HASH_BYTES),
        window=read_number(body, "window", MAX_UINT32),
        servicer_head=read_hex(body, "servicer_head", HASH_BYTES),
        owner_head=read_hex(body, "owner_head", HASH_BYTES),
        previous_agreed_digest=read_hex(body, "previous_agreed_digest", HASH_BYTES),
        digest=read_hex(body, "digest", HASH_BYTES),
        attestations=attestations,
        represented=None if _is_null(body, "represented") else read_side(body, "represented"),
    )


def _parse_signed(item: object) -> Signed:
    body = as_map(item, "attestations")
    return Signed(
        side=read_side(body),
        revision=read_number(body, "revision", MAX_UINT32),
        flags=read_number(body, "flags", MAX_FLAGS),
        approver=read_address(body, "approver", ADDRESS_BYTES),
        signature=read_hex(body, "signature", SIGNATURE_BYTES),
    )


def _parse_batch(item: object) -> PostedPayload:
    body = as_map(item, "batches")
    return PostedPayload(
        seq=read_number(body, "seq", MAX_UINT64),
        window=read_number(body, "window", MAX_UINT32),
        epoch=read_number(body, "epoch", MAX_UINT32),
        commitment=read_hex(body, "commitment", HASH_BYTES),
        payload=read_hex(body, "payload", most=PAYLOAD_SIZES[-1]),
    )


def _is_null(body: Mapping[str, object], field: str) -> bool:
    """Say whether a field is null; one that is left out is not, or a misspelt name would pass."""
    if field not in body:
        raise malformed(field, "is missing; where there is none it is null")
    return body[field] is None


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Refuse a key that stands twice: readers disagree about which of the two counts."""
    body = dict(pairs)
    if len(body) != len(pairs):
        raise InputError(
            "PROOF_MALFORMED",
            "an object names the same key twice",
            help="Export the proof again; nothing of this file was taken as proven.",
        )
    return body


def _no_float(text: str) -> object:
    raise ValueError(f"{text} is no integer")
