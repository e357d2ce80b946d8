"""Batched proofs of discrete-logarithm equality (RFC 9497, 2.2).

A proof says: one key k gives public = k · G and every evaluated[i] = k · blinded[i], and tells
nothing of k. Its size does not grow with the batch. The RFC's C is `blinded`, its D `evaluated`.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.crypto.oprf import group
from node.crypto.oprf.group import Element, Randomness, Scalar, framed
from reconcile.model import ProtocolError, Where

#: Far above a batch of lookups (100), and it keeps one request's work bounded.
MAX_BATCH: Final = 1_024
#: An element's length as every transcript frames it.
_FRAME: Final = group.ELEMENT_BYTES.to_bytes(2, "big")
PROOF_BYTES: Final = 2 * group.SCALAR_BYTES


@dataclass(frozen=True, slots=True)
class Proof:
    """Challenge and response; `encode` is c ‖ s, 64 bytes."""

    challenge: Scalar
    response: Scalar

    def encode(self) -> bytes:
        """Return the 64 bytes of RFC 9497's vectors."""
        return self.challenge + self.response

    @staticmethod
    def parse(data: bytes) -> Proof:
        """Read 64 bytes; raises `ProtocolError` OPRF_PROOF_MALFORMED or OPRF_SCALAR_MALFORMED."""
        if not isinstance(data, bytes) or len(data) != PROOF_BYTES:
            raise ProtocolError(
                "OPRF_PROOF_MALFORMED",
                f"a proof is {PROOF_BYTES} bytes",
                where=Where(field="proof"),
                help="Ask the node to answer again.",
            )
        half = group.SCALAR_BYTES
        return Proof(
            group.scalar(data[:half], "proof.challenge"),
            group.scalar(data[half:], "proof.response"),
        )


def require_batch(count: int) -> None:
    """Refuse an empty batch and one above `MAX_BATCH`: `ProtocolError` OPRF_BATCH_SIZE."""
    if not 0 < count <= MAX_BATCH:
        raise ProtocolError(
            "OPRF_BATCH_SIZE",
            f"a batch of {count} elements",
            help=f"Send between 1 and {MAX_BATCH:,} elements at once.",
        )


def prove(
    context: bytes,
    key: Scalar,
    public: Element,
    evaluated: Sequence[Element],
    blinded: Sequence[Element],
    *,
    nonce: Scalar | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> Proof:
    """Return a proof that `key` lies behind `public` and every pair (GenerateProof).

    `nonce` is for the RFC's vectors alone: a nonce used twice gives the key away.
    """
    require_batch(len(blinded))
    middle = _composite(context, public, evaluated, blinded)[0]
    last = group.scale(key, middle)
    drawn = nonce or group.random_scalar(randomness)
    t2 = group.scale_base(drawn)
    t3 = group.scale(drawn, middle)
    challenge = _challenge(context, public, middle, last, t2, t3)
    return Proof(challenge, group.subtract(drawn, group.multiply(challenge, key)))


def verify(
    context: bytes,
    public: Element,
    evaluated: Sequence[bytes],
    blinded: Sequence[Element],
    proof: Proof,
) -> bool:
    """Say whether the proof holds for these very elements (VerifyProof).

    `evaluated` comes from outside: what is no element, or the identity, is refused with its error.
    """
    require_batch(len(blinded))
    if len(evaluated) != len(blinded):
        return False
    group.require_words(evaluated, "evaluated")
    middle, last = _composite(context, public, evaluated, blinded, both=True)
    c, s = proof.challenge, proof.response
    t2 = group.plus(group.scale_base(s), group.scale(c, public))
    t3 = group.plus(group.scale(s, middle), group.scale(c, last))
    return hmac.compare_digest(_challenge(context, public, middle, last, t2, t3), c)


def _composite(
    context: bytes,
    public: Element,
    evaluated: Sequence[bytes],
    blinded: Sequence[Element],
    *,
    both: bool = False,
) -> tuple[Element, Element]:
    """Return (M, Z), weighted sums of the blinded and, for `both`, the evaluated elements.

    The prover knows k and computes Z = k · M itself (ComputeCompositesFast).
    """
    prefix, dst = _seed_prefix(context, public), b"HashToScalar-" + context
    weights = [
        group.hash_to_scalar(
            prefix + index.to_bytes(2, "big") + _FRAME + d + _FRAME + c + b"Composite", dst
        )
        for index, (c, d) in enumerate(zip(evaluated, blinded, strict=True))
    ]
    middle = group.weighted_sum(weights, blinded)
    return middle, _received_sum(weights, evaluated) if both else group.IDENTITY


def _received_sum(weights: Sequence[Scalar], given: Sequence[bytes]) -> Element:
    total = group.IDENTITY
    for index, (weight, item) in enumerate(zip(weights, given, strict=True)):
        term = group.scale_received(weight, item, f"evaluated[{index}]")
        total = term if total == group.IDENTITY else group.plus(total, term)
    return total


@functools.lru_cache(maxsize=256)
def _seed_prefix(context: bytes, public: Element) -> bytes:
    """Return the framed seed, which is the same for every batch under one public key."""
    return framed(hashlib.sha512(framed(public, b"Seed-" + context)).digest())


def _challenge(context: bytes, *elements: Element) -> Scalar:
    transcript = _FRAME + _FRAME.join(elements) + b"Challenge"
    return group.hash_to_scalar(transcript, b"HashToScalar-" + context)
