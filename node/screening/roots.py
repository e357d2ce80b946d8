"""What a replica says of a version: its header, under the signature that the ledger takes.

The committee signs IndexRoot(version, key epoch, cut block, leaf count, root, revision) for the
ledger. A replica signs the same words whenever it serves the version, so that one that serves
another root has signed both, and whoever holds the two can show it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import msgspec

from node.crypto.eip712 import Domain, Fields
from node.crypto.signer import recover_address
from node.screening.index import BucketProof, IndexHeader
from reconcile.commitment.fields import as_hex
from reconcile.model import KanheError, ProtocolError, Where

ROOT_FIELDS: Final[Fields] = (
    ("uint32", "version"),
    ("uint32", "keyEpoch"),
    ("uint64", "cutBlock"),
    ("uint64", "leafCount"),
    ("bytes32", "root"),
    ("uint8", "revision"),
)
_MAX_BUCKET: Final = 4_096 * 1_000 + 6
_MAX_BITS: Final = 24


@dataclass(frozen=True, slots=True)
class SignedHeader:
    """A version's header in one revision, and the replica's signature over its root."""

    header: IndexHeader
    revision: int
    signature: bytes

    def signer(self, domain: Domain) -> str:
        """Return who signed; raises `ProtocolError` SIGNATURE_MALFORMED."""
        return recover_address(root_digest(domain, self.header, self.revision), self.signature)

    def to_json(self) -> dict[str, object]:
        """Return the header as evidence holds it."""
        body = {name: str(value) for name, value in asdict(self.header).items()}
        body["tree_root"] = self.header.tree_root.hex()
        return {
            "header": body,
            "revision": str(self.revision),
            "root": self.header.root.hex(),
            "signature": self.signature.hex(),
        }


class _Header(msgspec.Struct, forbid_unknown_fields=True):
    key_epoch: int
    version: int
    cut_block: int
    bits: int
    leaf_count: int
    largest: int
    tree_root: str
    revision: int
    signature: str


class _Bucket(msgspec.Struct, forbid_unknown_fields=True):
    bucket: str
    path: list[str]


def root_digest(domain: Domain, header: IndexHeader, revision: int) -> bytes:
    """Return what the committee signs for a version's root."""
    values = (
        header.version,
        header.key_epoch,
        header.cut_block,
        header.leaf_count,
        header.root,
        revision,
    )
    return domain.digest_of("IndexRoot", ROOT_FIELDS, values)


def write_header(signed: SignedHeader) -> bytes:
    """Return a signed header's bytes."""
    body = asdict(signed.header)
    body["tree_root"] = signed.header.tree_root.hex()
    return msgspec.json.encode(
        _Header(**body, revision=signed.revision, signature=signed.signature.hex())
    )


def read_header(data: bytes) -> SignedHeader:
    """Read a signed header; raises `ProtocolError` INDEX_HEADER_MALFORMED."""
    try:
        body = msgspec.json.decode(data, type=_Header)
        header = IndexHeader(
            body.key_epoch,
            body.version,
            body.cut_block,
            body.bits,
            body.leaf_count,
            body.largest,
            as_hex(body.tree_root, "tree_root", 32),
        )
        header.require_shape()
        _ = header.root
        return SignedHeader(header, body.revision, as_hex(body.signature, "signature", 65))
    except (msgspec.DecodeError, OverflowError, KanheError):
        raise _malformed("header") from None


def write_bucket(proof: BucketProof) -> bytes:
    """Return a bucket's bytes and path; its length tells the version alone."""
    return msgspec.json.encode(_Bucket(proof.bucket.hex(), [item.hex() for item in proof.path]))


def read_bucket_of(data: bytes, header: IndexHeader) -> BucketProof:
    """Read a bucket of a header's version; raises `ProtocolError` INDEX_HEADER_MALFORMED."""
    try:
        body = msgspec.json.decode(data, type=_Bucket)
        bucket = as_hex(body.bucket, "bucket", most=_MAX_BUCKET)
        path = tuple(as_hex(item, "path", 32) for item in body.path[: _MAX_BITS + 1])
    except (msgspec.DecodeError, KanheError):
        raise _malformed("bucket") from None
    return BucketProof(header, bucket, path)


def _malformed(what: str) -> ProtocolError:
    return ProtocolError(
        "INDEX_HEADER_MALFORMED",
        f"the replica's {what} does not read",
        where=Where(field="index"),
        help="Ask another replica.",
    )
