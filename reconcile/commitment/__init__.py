"""Commitments: record bytes, salted leaves, the RFC 6962 tree, headers, heads and proofs.

    records.py    record ↔ canonical bytes; the bytes are the truth
    header.py     leaf 0 of a batch, and the plaintext that is sealed
    tree.py       RFC 6962: root, inclusion path, verification
    heads.py      the hash chain of a side's stream
    validity.py   whether a batch counts: a pure function of what both sides know
    proofs.py     a record's proof up to the closing head that a signed report names

Everything is SHA-256 over fixed widths, big-endian (ledger.md, "Bytes"). Nothing here encrypts:
`node.crypto` seals what this package commits to.
"""

from reconcile.commitment.header import BatchHeader, PlainBatch, build_batch
from reconcile.commitment.heads import BatchPlace, Stream, epoch_key_commitment, head0, next_head
from reconcile.commitment.records import decode_record, encode_record
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.commitment.validity import BatchRules, Reason, Validity, judge_batch

__all__ = [
    "BatchHeader",
    "BatchPlace",
    "BatchRules",
    "PlainBatch",
    "Reason",
    "Stream",
    "Validity",
    "build_batch",
    "decode_record",
    "encode_record",
    "epoch_key_commitment",
    "head0",
    "judge_batch",
    "leaf_hash",
    "merkle_root",
    "next_head",
]
