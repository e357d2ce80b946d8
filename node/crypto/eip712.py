"""Typed digests (EIP-712), with the type strings of the contracts and nothing else.

The domain of every digest is Kanhe, version 1, the chain id and the verifying contract, so that a
signature for one chain or one contract says nothing on another.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from eth_utils.crypto import keccak

from node.crypto.signer import recover_address
from reconcile.model import ZERO32, Side

DOMAIN_NAME: Final = "Kanhe"
DOMAIN_VERSION: Final = "1"
#: A struct's fields, (type, name), in order.
Fields = tuple[tuple[str, str], ...]
TYPES: Final[dict[str, Fields]] = {
    "KeyPossession": (
        ("uint32", "member"),
        ("bytes32", "code"),
        ("uint8", "role"),
        ("uint64", "validFrom"),
        ("uint64", "validTo"),
    ),
    "Call": (
        ("address", "signer"),
        ("bytes", "call"),
        ("uint256", "nonce"),
        ("uint64", "lastBlock"),
    ),
    "Terms": (
        ("bytes32", "agreement"),
        ("bytes32", "termsHash"),
        ("uint32", "fromWindow"),
        ("bytes32", "observersHash"),
    ),
    "End": (("bytes32", "agreement"), ("uint32", "lastWindow")),
    "Result": (
        ("bytes32", "agreement"),
        ("uint8", "side"),
        ("uint32", "window"),
        ("uint32", "revision"),
        ("bytes32", "servicerHead"),
        ("bytes32", "ownerHead"),
        ("bytes32", "previousAgreedDigest"),
        ("bytes32", "digest"),
        ("uint8", "flags"),
    ),
}
_DOMAIN_TYPE: Final = (
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
Value = int | bytes


def type_string(name: str) -> str:
    """Return the type's string as it is hashed, e.g. `End(bytes32 agreement,uint32 lastWindow)`."""
    return _type_string(name, TYPES[name])


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a signature counts: one contract (20 bytes) on one chain."""

    chain_id: int
    contract: bytes

    @property
    def separator(self) -> bytes:
        """Return the domain separator, 32 bytes."""
        return _separator(self.chain_id, self.contract)

    def digest(self, name: str, *values: Value) -> bytes:
        """Return the digest of one of `TYPES`, values in the order of its fields."""
        return self.digest_of(name, TYPES[name], values)

    def digest_of(self, name: str, fields: Fields, values: Sequence[Value]) -> bytes:
        """Return the digest of a struct with these fields, values in their order."""
        words = [_word(kind, value) for (kind, _), value in zip(fields, values, strict=True)]
        struct_hash = keccak(_type_hash(name, fields) + b"".join(words))
        return keccak(b"\x19\x01" + self.separator + struct_hash)

    def key_possession(
        self, *, member: int, code: bytes, role: int, valid_from: int, valid_to: int
    ) -> bytes:
        """Return what a new key signs; `code` is zeros unless the member is being admitted."""
        return self.digest("KeyPossession", member, code, role, valid_from, valid_to)

    def call(self, *, signer: bytes, call: bytes, nonce: int, last_block: int) -> bytes:
        """Return what an admin signs so that someone else may send a Registry call."""
        return self.digest("Call", signer, call, nonce, last_block)

    def terms(
        self, *, agreement: bytes, terms_hash: bytes, from_window: int, observers: Sequence[int]
    ) -> bytes:
        """Return what an approver signs to open, accept or change an agreement."""
        return self.digest("Terms", agreement, terms_hash, from_window, observers_hash(observers))

    def end(self, *, agreement: bytes, last_window: int) -> bytes:
        """Return what an approver signs to end an agreement."""
        return self.digest("End", agreement, last_window)

    def result(self, claim: ResultClaim) -> bytes:
        """Return what an approver signs under a report."""
        return self.digest(
            "Result",
            claim.agreement,
            int(claim.side),
            claim.window,
            claim.revision,
            claim.servicer_head,
            claim.owner_head,
            claim.previous_agreed_digest,
            claim.digest,
            claim.flags,
        )


@dataclass(frozen=True, slots=True)
class ResultClaim:
    """One side's signed statement about a window: the fields of `Result`."""

    agreement: bytes
    side: Side
    window: int
    revision: int
    servicer_head: bytes
    owner_head: bytes
    digest: bytes
    previous_agreed_digest: bytes = ZERO32
    flags: int = 0


def observers_hash(observers: Sequence[int]) -> bytes:
    """Return keccak256(abi.encodePacked(uint32[])): array elements are padded to 32 bytes."""
    return keccak(b"".join(member.to_bytes(32, "big") for member in observers))


def recover_signer(domain: Domain, claim: ResultClaim, signature: bytes) -> str:
    """Return the address that signed a result; raises `ProtocolError` SIGNATURE_MALFORMED."""
    return recover_address(domain.result(claim), signature)


@functools.lru_cache(maxsize=64)
def _separator(chain_id: int, contract: bytes) -> bytes:
    return keccak(
        keccak(text=_DOMAIN_TYPE)
        + keccak(text=DOMAIN_NAME)
        + keccak(text=DOMAIN_VERSION)
        + chain_id.to_bytes(32, "big")
        + contract.rjust(32, b"\x00")
    )


@functools.lru_cache(maxsize=64)
def _type_hash(name: str, fields: Fields) -> bytes:
    return keccak(text=_type_string(name, fields))


def _type_string(name: str, fields: Fields) -> str:
    return f"{name}({','.join(f'{kind} {field}' for kind, field in fields)})"


def _word(kind: str, value: Value) -> bytes:
    """Return a value as one 32-byte word (EIP-712, "Definition of encodeData")."""
    if isinstance(value, bytes):
        if kind == "bytes":
            return keccak(value)
        width = 20 if kind == "address" else 32
        assert len(value) == width, f"{kind} is {width} bytes"
        return value.rjust(32, b"\x00")
    bits = int(kind.removeprefix("uint"))
    assert 0 <= value < 1 << bits, f"{value} is no {kind}"
    return value.to_bytes(32, "big")
