"""A listing sealed into a record of fixed size: what a replica holds and cannot read.

record (1,000 bytes) = version ‖ leaf ‖ nonce ‖ wrapped entry key ‖ sealed body
    wrapped entry key  AES-256-GCM under K_label, additional data version ‖ leaf
    sealed body        AES-256-GCM under the entry key (zero nonce: one message a key), same data,
                       of uint16 length ‖ MessagePack [listing, salt, signature] ‖ zeros

Only who knows T can tell that a record concerns the person, by unwrapping. Each re-tag takes a
fresh entry key and nonce, so nothing in two epochs' records is equal.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.screening.derivation import KEY_BYTES, Tag
from node.screening.identifiers import Identifier
from node.screening.listings import Listing, commitment_of, pack_listing, unpack_listing
from reconcile.model import ProtocolError, Where

RECORD_BYTES: Final = 1_000
VERSION: Final = b"\x01"
LEAF_BYTES: Final = 32
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_HEAD_BYTES: Final = len(VERSION) + LEAF_BYTES
_WRAP_BYTES: Final = NONCE_BYTES + KEY_BYTES + TAG_BYTES
_BODY_BYTES: Final = RECORD_BYTES - _HEAD_BYTES - _WRAP_BYTES - TAG_BYTES
_ZERO_NONCE: Final = bytes(NONCE_BYTES)


@dataclass(frozen=True, slots=True)
class OpenedRecord:
    """What a record says: the statement, the commitment's salt, the uploader's signature."""

    listing: Listing
    salt: bytes
    signature: bytes

    def __repr__(self) -> str:
        """Show which entry it is, never the salt."""
        return f"OpenedRecord({self.listing.entry_id.hex()})"


class _Body(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    listing: bytes
    salt: bytes
    signature: bytes


def seal_record(
    tag: Tag, opened: OpenedRecord, *, randomness: Callable[[int], bytes] = secrets.token_bytes
) -> bytes:
    """Return the 1,000 bytes of a record under a fresh entry key."""
    body = msgspec.msgpack.encode(
        _Body(pack_listing(opened.listing), opened.salt, opened.signature)
    )
    assert len(body) + 2 <= _BODY_BYTES, "every field is bounded, and all of them fit"
    head = VERSION + tag.leaf(opened.listing.entry_id)
    entry_key, nonce = randomness(KEY_BYTES), randomness(NONCE_BYTES)
    wrapped = AESGCM(tag.label_key).encrypt(nonce, entry_key, head)
    padded = (len(body).to_bytes(2, "big") + body).ljust(_BODY_BYTES, b"\x00")
    return head + nonce + wrapped + AESGCM(entry_key).encrypt(_ZERO_NONCE, padded, head)


def open_record(record: bytes, tag: Tag) -> OpenedRecord | None:
    """Return what a record says about the person of `tag`, or None: it concerns somebody else.

    Raises `ProtocolError` RECORD_MALFORMED for another size, and RECORD_FALSE for one that is
    addressed to this person but whose body, leaf or statement does not hold.
    """
    if len(record) != RECORD_BYTES or record[:1] != VERSION:
        raise _refuse("RECORD_MALFORMED", f"a record is {RECORD_BYTES} bytes of version 1")
    entry_key = _entry_key(record, tag)
    if entry_key is None:
        return None
    return _open_body(record[_HEAD_BYTES + _WRAP_BYTES :], entry_key, record[:_HEAD_BYTES], tag)


def addressed_leaf(record: bytes, tag: Tag) -> bytes | None:
    """Return a record's leaf if it is addressed to the person of `tag`, whether it holds or not."""
    if len(record) != RECORD_BYTES or _entry_key(record, tag) is None:
        return None
    return record[len(VERSION) : _HEAD_BYTES]


def _entry_key(record: bytes, tag: Tag) -> bytes | None:
    wrap = record[_HEAD_BYTES : _HEAD_BYTES + _WRAP_BYTES]
    nonce, sealed = wrap[:NONCE_BYTES], wrap[NONCE_BYTES:]
    try:
        return AESGCM(tag.label_key).decrypt(nonce, sealed, record[:_HEAD_BYTES])
    except InvalidTag:
        return None


def require_commitment(opened: OpenedRecord, identifier: Identifier) -> None:
    """Refuse a record whose commitment is not of this person: `ProtocolError` RECORD_FALSE."""
    listing = opened.listing
    if listing.id_type != identifier.type:
        raise _refuse("RECORD_FALSE", "the statement names another type of identifier")
    if commitment_of(listing, identifier, opened.salt) != listing.commitment:
        raise _refuse("RECORD_FALSE", "the commitment is not of this person and statement")


def _open_body(sealed: bytes, entry_key: bytes, head: bytes, tag: Tag) -> OpenedRecord:
    try:
        padded = AESGCM(entry_key).decrypt(_ZERO_NONCE, sealed, head)
    except (InvalidTag, ValueError):
        raise _refuse("RECORD_FALSE", "the sealed statement does not open") from None
    length = int.from_bytes(padded[:2], "big")
    data, padding = padded[2 : 2 + length], padded[2 + length :]
    try:
        body = msgspec.msgpack.decode(data, type=_Body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise _refuse("RECORD_FALSE", "the sealed body is none") from None
    if any(padding) or msgspec.msgpack.encode(body) != data:
        raise _refuse("RECORD_FALSE", "the sealed body is not in its one form")
    if len(body.salt) != KEY_BYTES:
        raise _refuse("RECORD_FALSE", "the salt has another length")
    listing = unpack_listing(body.listing)
    if VERSION + tag.leaf(listing.entry_id) != head:
        raise _refuse("RECORD_FALSE", "the leaf is another entry's")
    return OpenedRecord(listing, body.salt, body.signature)


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, says, where=Where(field="record"), help="Keep the record as evidence; dispute it."
    )
