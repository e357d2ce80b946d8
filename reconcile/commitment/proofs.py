"""A record's proof: from its bytes, over its batch, to the closing head that a report names.

Re-hashing shows that the stream which both institutions signed holds this very record: bytes and
salt give the leaf, leaf and path the root, count and root the commitment, and the batch's fields
with those of every following batch the closing head. One salt discloses one record; its neighbours
appear only as hashes of salted bytes. `Ledger.verifyRecord` checks the same fields on chain.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

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
)
from reconcile.commitment.heads import (
    ADDRESS_BYTES,
    MAX_UINT32,
    MAX_UINT64,
    MAX_UINT256,
    SALT_BYTES,
    Stream,
    commitment_of,
    next_head,
    salted_leaf,
)
from reconcile.commitment.records import MAX_RECORD_BYTES
from reconcile.commitment.tree import (
    HASH_BYTES,
    MAX_PATH_LENGTH,
    inclusion_path,
    root_from_path,
)
from reconcile.model import Side

# Far above the 4,096 that the contract walks; a bound on what a file may make a reader do.
MAX_PROOF_LINKS: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class BatchFields:
    """What the head chain takes of one batch; `payload_hash` is SHA-256(payload)."""

    seq: int
    window: int
    epoch: int
    commitment: bytes
    payload_hash: bytes

    @staticmethod
    def of(seq: int, window: int, epoch: int, commitment: bytes, payload: bytes) -> BatchFields:
        """Return the fields of a posted batch."""
        return BatchFields(seq, window, epoch, commitment, hashlib.sha256(payload).digest())

    def after(self, head: bytes) -> bytes:
        """Return the head behind this batch."""
        return next_head(
            head, self.seq, self.window, self.epoch, self.commitment, self.payload_hash
        )


@dataclass(frozen=True, slots=True)
class RecordProof:
    """Everything that re-hashes from one record to a closing head.

    `index` is the leaf (0 the header), `count` the leaves, `prev_head` the head before the record's
    batch. `links` are the batches behind it, without gap, up to the last of `closed_window`.
    """

    stream: Stream
    closed_window: int
    record: bytes
    salt: bytes
    index: int
    count: int
    path: tuple[bytes, ...]
    prev_head: bytes
    seq: int
    window: int
    epoch: int
    payload_hash: bytes
    links: tuple[BatchFields, ...] = ()

    @property
    def commitment(self) -> bytes | None:
        """Return the commitment that record, salt and path lead to; None where none can be."""
        root = root_from_path(
            salted_leaf(self.salt, self.record), self.index, self.count, self.path
        )
        return None if root is None else commitment_of(self.count, root)

    @property
    def closing_head(self) -> bytes | None:
        """Return the head that the proof leads to; None where the links leave a gap."""
        commitment = self.commitment
        if commitment is None:
            return None
        head = next_head(
            self.prev_head, self.seq, self.window, self.epoch, commitment, self.payload_hash
        )
        for seq, link in enumerate(self.links, start=self.seq + 1):
            if link.seq != seq:
                return None
            head = link.after(head)
        return head


def make_record_proof(
    stream: Stream,
    *,
    closed_window: int,
    leaves: Sequence[bytes],
    index: int,
    salt: bytes,
    record: bytes,
    prev_head: bytes,
    batches: Sequence[BatchFields],
) -> RecordProof:
    """Build a proof. `batches` begins with the record's own and ends with the closing's `lastSeq`.

    `leaves` are the batch's salted leaves (`heads.salted_leaves`). A salt that does not belong to
    the record, or leaves that are another batch's, are the caller's own mistake and an assertion.
    """
    own, *links = batches
    proof = RecordProof(
        stream=stream,
        closed_window=closed_window,
        record=record,
        salt=salt,
        index=index,
        count=len(leaves),
        path=inclusion_path(leaves, index),
        prev_head=prev_head,
        seq=own.seq,
        window=own.window,
        epoch=own.epoch,
        payload_hash=own.payload_hash,
        links=tuple(links),
    )
    assert proof.commitment == own.commitment, "record, salt and leaves are this batch's"
    return proof


# ------------------------------------------------------------------ JSON
def proof_json(proof: RecordProof) -> dict[str, object]:
    """Return a proof as JSON: bytes in hex, integers as decimal strings."""
    return {
        "chain_id": str(proof.stream.chain_id),
        "ledger": address_text(proof.stream.contract),
        "agreement": proof.stream.agreement.hex(),
        "side": proof.stream.side.word,
        "closed_window": str(proof.closed_window),
        "record": proof.record.hex(),
        "salt": proof.salt.hex(),
        "index": str(proof.index),
        "count": str(proof.count),
        "path": [node.hex() for node in proof.path],
        "prev_head": proof.prev_head.hex(),
        "batch": {
            "seq": str(proof.seq),
            "window": str(proof.window),
            "epoch": str(proof.epoch),
            "payload_hash": proof.payload_hash.hex(),
        },
        "links": [
            {
                "seq": str(link.seq),
                "window": str(link.window),
                "epoch": str(link.epoch),
                "commitment": link.commitment.hex(),
                "payload_hash": link.payload_hash.hex(),
            }
            for link in proof.links
        ],
    }


def parse_proof(body: Mapping[str, object]) -> RecordProof:
    """Read a proof; raises `InputError` PROOF_MALFORMED with the field."""
    batch = map_of(body, "batch")
    return RecordProof(
        stream=Stream(
            read_number(body, "chain_id", MAX_UINT256),
            read_address(body, "ledger", ADDRESS_BYTES),
            read_hex(body, "agreement", HASH_BYTES),
            read_side(body),
        ),
        closed_window=read_number(body, "closed_window", MAX_UINT32),
        record=read_hex(body, "record", most=MAX_RECORD_BYTES),
        salt=read_hex(body, "salt", SALT_BYTES),
        index=read_number(body, "index", MAX_UINT64),
        count=read_number(body, "count", MAX_UINT64),
        path=tuple(
            as_hex(node, "path", HASH_BYTES) for node in list_of(body, "path", MAX_PATH_LENGTH)
        ),
        prev_head=read_hex(body, "prev_head", HASH_BYTES),
        seq=read_number(batch, "seq", MAX_UINT64),
        window=read_number(batch, "window", MAX_UINT32),
        epoch=read_number(batch, "epoch", MAX_UINT32),
        payload_hash=read_hex(batch, "payload_hash", HASH_BYTES),
        links=tuple(_link(item) for item in list_of(body, "links", MAX_PROOF_LINKS)),
    )


def read_side(body: Mapping[str, object], field: str = "side") -> Side:
    """Read a side: servicer or owner."""
    words = {side.word: side for side in Side}
    word = body.get(field)
    if not isinstance(word, str) or word not in words:
        raise malformed(field, "is not servicer or owner")
    return words[word]


def _link(item: object) -> BatchFields:
    body = as_map(item, "links")
    return BatchFields(
        read_number(body, "seq", MAX_UINT64),
        read_number(body, "window", MAX_UINT32),
        read_number(body, "epoch", MAX_UINT32),
        read_hex(body, "commitment", HASH_BYTES),
        read_hex(body, "payload_hash", HASH_BYTES),
    )
