"""Legacy transactions (EIP-155): built, signed once, hashed locally.

Legacy and not EIP-1559, since consortium engines run without a base fee and all of them take it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from node.crypto.signer import Signer

_V_OFFSET: Final = 35
_V_FIRST: Final = 27


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """Signed bytes and the hash computed from them; `raw` is what is sent, always the same."""

    raw: bytes
    tx_hash: bytes


def sign_legacy(
    signer: Signer,
    *,
    chain_id: int,
    nonce: int,
    gas_price_wei: int,
    gas_limit: int,
    receiver: bytes,
    calldata: bytes,
    value_wei: int = 0,
) -> SignedTransaction:
    """Sign a transaction; an empty `receiver` creates a contract."""
    body = [nonce, gas_price_wei, gas_limit, receiver, value_wei, calldata]
    signature = signer.sign_digest(keccak(rlp.encode([*body, chain_id, 0, 0])))
    r = int.from_bytes(signature[:32], "big")
    s = int.from_bytes(signature[32:64], "big")
    v = signature[64] - _V_FIRST + _V_OFFSET + 2 * chain_id
    raw = rlp.encode([*body, v, r, s])
    return SignedTransaction(raw, keccak(raw))


def address_bytes(signer: Signer) -> bytes:
    """Return a signer's address, 20 bytes."""
    return bytes.fromhex(signer.address.removeprefix("0x"))
