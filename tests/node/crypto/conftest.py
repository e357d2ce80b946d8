"""One agreed window, sealed and signed for real: what the tests of `kanhe verify` read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from node.crypto.bundle import (
    PostedPayload,
    Signed,
    SignedResult,
    file_bytes,
    record_file,
    report_bundle,
    stream_file,
)
from node.crypto.eip712 import Domain
from node.crypto.sealing import SealedBatch, leaf_salts, seal_batch
from node.crypto.signer import LocalSigner
from reconcile.commitment.header import PlainBatch, build_batch
from reconcile.commitment.heads import BatchPlace, Stream, salted_leaves
from reconcile.commitment.proofs import BatchFields, RecordProof, make_record_proof
from reconcile.matching.run_input import RunInput
from reconcile.model import (
    AgreementKind,
    Balance,
    BalanceBasis,
    Direction,
    Entry,
    InvalidBatch,
    Side,
    SideBook,
)
from reconcile.report import Result, match_json, reconcile
from reconcile.terms import default_terms

LEDGER = b"\x11" * 20
AGREEMENT = b"\x22" * 32
WINDOW = 20_779 * 8
KEY = bytes(range(32))
APPROVERS = {Side.SERVICER: LocalSigner(b"\x01" * 32), Side.OWNER: LocalSigner(b"\x02" * 32)}


def entry(ref: str, amount: int, e2e: str) -> Entry:
    """Return a booked entry that matches by its end-to-end id."""
    return Entry(ref, 0, Direction.IN, amount, "CNY", 20_779, references=((1, e2e),))


@dataclass(frozen=True)
class Posted:
    """One side's stream, sealed for real."""

    stream: Stream
    plains: tuple[PlainBatch, ...]
    sealed: tuple[SealedBatch, ...]
    payloads: tuple[PostedPayload, ...]
    fields: tuple[BatchFields, ...]
    heads: tuple[bytes, ...]


def post(side: Side, *batches: list[Entry]) -> Posted:
    """Seal batches one after the other."""
    stream = Stream(31_337, LEDGER, AGREEMENT, side)
    plains, sealed, payloads, fields, heads = [], [], [], [], [stream.head0]
    for seq, records in enumerate(batches, start=1):
        plain = build_batch(agreement=AGREEMENT, side=side, seq=seq, window=WINDOW, records=records)
        batch = seal_batch(plain, KEY, BatchPlace(stream, seq, WINDOW, 1))
        plains.append(plain)
        sealed.append(batch)
        payloads.append(PostedPayload(seq, WINDOW, 1, batch.commitment, batch.payload))
        fields.append(BatchFields.of(seq, WINDOW, 1, batch.commitment, batch.payload))
        heads.append(fields[-1].after(heads[-1]))
    return Posted(stream, *map(tuple, (plains, sealed, payloads, fields, heads)))  # type: ignore[arg-type]


SERVICER = post(
    Side.SERVICER,
    [entry("S1", 100, "E2E-1"), entry("S2", 250, "E2E-2")],
    [],
    [entry("S3", 7, "X3")],
)
OWNER = post(Side.OWNER, [entry("O1", 100, "E2E-1"), entry("O2", 260, "E2E-2")])


def book(posted: Posted, total: int) -> SideBook:
    """Return a side's book with balances that its entries explain."""
    entries = tuple(item for plain in posted.plains for item in plain.entries)
    return SideBook(
        entries=entries,
        opening={"CNY": Balance(0, Direction.IN, 20_779, BalanceBasis.STATED)},
        closing={"CNY": Balance(total, Direction.IN, 20_779, BalanceBasis.STATED)},
        closed_through=20_779,
        head=posted.heads[-1],
    )


RESULT = reconcile(
    RunInput(
        agreement=AGREEMENT,
        kind=AgreementKind.BANK_ENTERPRISE,
        window=WINDOW,
        previous_window=None,
        terms=default_terms(["CNY"]),
        servicer=book(SERVICER, 357),
        owner=book(OWNER, 360),
    ),
    invalid_batches=[InvalidBatch(Side.SERVICER, 2, "HEADER_TOTALS")],
)


def signed(
    *sides: Side, owner_head: bytes = OWNER.heads[-1], represented: Side | None = None
) -> SignedResult:
    """Return the result signed by both sides, or by those named."""
    plain = SignedResult(
        domain=Domain(31_337, LEDGER),
        agreement=AGREEMENT,
        window=WINDOW,
        servicer_head=SERVICER.heads[-1],
        owner_head=owner_head,
        previous_agreed_digest=bytes(32),
        digest=RESULT.digest,
        attestations=(),
        represented=represented,
    )
    attestations = []
    for side in sides or tuple(Side):
        signer = APPROVERS[side]
        unsigned = Signed(side, 1, 0, bytes.fromhex(signer.address[2:]), bytes(65))
        signature = signer.sign_digest(plain.domain.result(plain.claim(unsigned)))
        attestations.append(dataclasses.replace(unsigned, signature=signature))
    return dataclasses.replace(plain, attestations=tuple(attestations))


def proof_of(seq: int = 1, index: int = 1) -> RecordProof:
    """Return the proof itself."""
    plain, sealed = SERVICER.plains[seq - 1], SERVICER.sealed[seq - 1]
    salts = leaf_salts(sealed.salt_key, len(plain.items))
    return make_record_proof(
        SERVICER.stream,
        closed_window=WINDOW,
        leaves=salted_leaves(salts, plain.items),
        index=index,
        salt=salts[16 * index : 16 * index + 16],
        record=plain.items[index],
        prev_head=SERVICER.heads[seq - 1],
        batches=SERVICER.fields[seq - 1 :],
    )


@dataclass(frozen=True)
class Scene:
    """The window's result, both streams, and the files made of them."""

    result: Result = RESULT
    servicer: Posted = SERVICER
    owner: Posted = OWNER

    def signed(
        self, *sides: Side, owner_head: bytes | None = None, represented: Side | None = None
    ) -> SignedResult:
        """Return the result as it was signed."""
        return signed(
            *sides, owner_head=owner_head or self.owner.heads[-1], represented=represented
        )

    def bundle(self, result: SignedResult | None = None) -> bytes:
        """Return a report bundle's file."""
        body = report_bundle(result or self.signed(), self.result.report, self.result.groups)
        return file_bytes(body)

    def proof(self, seq: int = 1, index: int = 1) -> RecordProof:
        """Return the proof of one leaf of the servicer's stream."""
        return proof_of(seq, index)

    def record(self, seq: int = 1, index: int = 1, *, report: bool = True) -> bytes:
        """Return a record proof's file, with the report beside it or not."""
        beside = self.result.report if report else None
        return file_bytes(record_file(self.signed(), proof_of(seq, index), beside))

    def stream(
        self, batches: Sequence[PostedPayload] = SERVICER.payloads, side: Side = Side.SERVICER
    ) -> bytes:
        """Return a stream's file."""
        return file_bytes(stream_file(self.signed(), side, batches))

    @property
    def unsigned(self) -> bytes:
        """Return what `kanhe match --json` writes, without its timing."""
        return file_bytes({**match_json(self.result), "timing_ms": None})

    @property
    def files(self) -> dict[str, bytes]:
        """Return one honest file of each kind."""
        return {
            "report": self.bundle(),
            "record": self.record(),
            "stream": self.stream(),
            "unsigned": self.unsigned,
        }


@pytest.fixture(scope="session")
def scene() -> Scene:
    """An agreed window with three batches of the servicer and one of the owner."""
    return Scene()
