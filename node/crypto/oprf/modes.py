"""OPRF, VOPRF and POPRF over ristretto255-SHA512 (RFC 9497, 3.3).

A client blinds an input, a server evaluates the blinded element, the client finalizes to 64 bytes.
VOPRF adds a proof under a known public key; POPRF also binds a public `info` into the key.
"""

from __future__ import annotations

import enum
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from node.crypto.oprf import dleq, group
from node.crypto.oprf.dleq import Proof
from node.crypto.oprf.group import Element, Randomness, Scalar, framed
from reconcile.model import ProtocolError, Where

SUITE: Final = b"ristretto255-SHA512"
SEED_BYTES: Final = 32
OUTPUT_BYTES: Final = 64
_KEY_TRIES: Final = 256


class Mode(enum.IntEnum):
    """RFC 9497, table 1."""

    OPRF = 0
    VOPRF = 1
    POPRF = 2

    @property
    def context(self) -> bytes:
        """Return the context string that separates the modes (RFC 9497, 3.1)."""
        return b"OPRFV1-" + bytes([self]) + b"-" + SUITE


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A key and its public element; `repr` shows the public part alone."""

    secret: Scalar
    public: Element

    def __repr__(self) -> str:
        """Show the public element, never the key."""
        return f"KeyPair({self.public.hex()})"


@dataclass(frozen=True, slots=True)
class Blinded:
    """What the client keeps (input, blind) and sends (element)."""

    input: bytes
    blind: Scalar
    element: Element

    def __repr__(self) -> str:
        """Show what is sent, never the input or the blind."""
        return f"Blinded({self.element.hex()})"


def derive_key_pair(mode: Mode, seed: bytes, info: bytes) -> KeyPair:
    """Return the key of a seed (RFC 9497, 3.2.1, DeriveKeyPair)."""
    assert len(seed) == SEED_BYTES, "a seed is 32 bytes"
    base = seed + framed(info)
    for counter in range(_KEY_TRIES):
        dst = b"DeriveKeyPair" + mode.context
        secret = group.hash_to_scalar(base + bytes([counter]), dst)
        if not hmac.compare_digest(secret, group.ZERO):
            return KeyPair(secret, group.scale_base(secret))
    raise _refuse("OPRF_KEY_ZERO", "no key follows from this seed", "seed")


def generate_key_pair(randomness: Randomness = secrets.token_bytes) -> KeyPair:
    """Return a new key."""
    secret = group.random_scalar(randomness)
    return KeyPair(secret, group.scale_base(secret))


def blind(
    mode: Mode,
    data: bytes,
    *,
    scalar: Scalar | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> Blinded:
    """Return the blinded input (Blind); raises `ProtocolError` OPRF_INPUT_INVALID or _TOO_LONG."""
    framed(data)
    point = group.hash_to_group(data, b"HashToGroup-" + mode.context)
    if point == group.IDENTITY:
        raise _refuse("OPRF_INPUT_INVALID", "the input hashes to the identity", "input")
    drawn = scalar or group.random_scalar(randomness)
    return Blinded(data, drawn, group.scale(drawn, point))


def evaluate(key: Scalar, blinded: Sequence[bytes]) -> list[Element]:
    """Return key · element for each, in mode OPRF; each element is checked before any is used."""
    dleq.require_batch(len(blinded))
    points = read_elements(blinded, "blinded")
    return [group.scale(key, point) for point in points]


def evaluate_verifiably(
    pair: KeyPair,
    blinded: Sequence[bytes],
    *,
    nonce: Scalar | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> tuple[list[Element], Proof]:
    """Return the evaluations in mode VOPRF and one proof for all of them."""
    dleq.require_batch(len(blinded))
    evaluated = [
        group.scale_received(pair.secret, item, f"blinded[{index}]")
        for index, item in enumerate(blinded)
    ]
    proof = dleq.prove(
        Mode.VOPRF.context,
        pair.secret,
        pair.public,
        evaluated,
        [Element(item) for item in blinded],
        nonce=nonce,
        randomness=randomness,
    )
    return evaluated, proof


def verify_evaluations(
    public: Element, blinded: Sequence[bytes], evaluated: Sequence[bytes], proof: Proof
) -> list[Element]:
    """Return the evaluations once the VOPRF proof holds; raises `ProtocolError` OPRF_PROOF_WRONG.

    Elements that are malformed or the identity are refused before the proof is looked at.
    """
    answers = read_elements(evaluated, "evaluated")
    asked = read_elements(blinded, "blinded")
    if not dleq.verify(Mode.VOPRF.context, public, answers, asked, proof):
        raise proof_wrong()
    return answers


def finalize(mode: Mode, blinded: Blinded, evaluated: bytes, *, info: bytes | None = None) -> bytes:
    """Return the 64 bytes of output (Finalize); `info` belongs to POPRF and to it alone."""
    assert (info is not None) == (mode is Mode.POPRF), "POPRF has an info, the others have none"
    answer = group.element(evaluated, "evaluated")
    return output_of(blinded.input, group.scale(group.invert(blinded.blind), answer), info=info)


def output_of(data: bytes, unblinded: Element, *, info: bytes | None = None) -> bytes:
    """Return the hash that ends every mode, from the unblinded element."""
    parts = (data, unblinded) if info is None else (data, info, unblinded)
    return hashlib.sha512(framed(*parts) + b"Finalize").digest()


def evaluate_directly(mode: Mode, key: Scalar, data: bytes, *, info: bytes | None = None) -> bytes:
    """Return the output for one who holds key and input (Evaluate)."""
    assert (info is not None) == (mode is Mode.POPRF), "POPRF has an info, the others have none"
    point = group.hash_to_group(data, b"HashToGroup-" + mode.context)
    if point == group.IDENTITY:
        raise _refuse("OPRF_INPUT_INVALID", "the input hashes to the identity", "input")
    used = key if info is None else group.invert(_tweak(key, info))
    return output_of(data, group.scale(used, point), info=info)


def tweaked_key(public: Element, info: bytes) -> Element:
    """Return the client's view of the POPRF key for `info`: G · m + public.

    Raises `ProtocolError` OPRF_INPUT_INVALID where the sum is the identity.
    """
    tweaked = group.plus(group.scale_base(_info_scalar(info)), public)
    if tweaked == group.IDENTITY:
        raise _refuse("OPRF_INPUT_INVALID", "this info cancels the key", "info")
    return tweaked


def evaluate_partially(
    pair: KeyPair,
    blinded: Sequence[bytes],
    info: bytes,
    *,
    nonce: Scalar | None = None,
    randomness: Randomness = secrets.token_bytes,
) -> tuple[list[Element], Proof]:
    """Return the evaluations in mode POPRF and one proof; raises OPRF_INFO_CANCELS_KEY."""
    dleq.require_batch(len(blinded))
    points = read_elements(blinded, "blinded")
    tweaked = _tweak(pair.secret, info)
    inverse = group.invert(tweaked)
    evaluated = [group.scale(inverse, point) for point in points]
    proof = dleq.prove(
        Mode.POPRF.context,
        tweaked,
        group.scale_base(tweaked),
        points,
        evaluated,
        nonce=nonce,
        randomness=randomness,
    )
    return evaluated, proof


def verify_partial(
    public: Element, blinded: Sequence[bytes], evaluated: Sequence[bytes], proof: Proof, info: bytes
) -> list[Element]:
    """Return the POPRF evaluations once their proof holds; raises OPRF_PROOF_WRONG."""
    answers = read_elements(evaluated, "evaluated")
    asked = read_elements(blinded, "blinded")
    if not dleq.verify(Mode.POPRF.context, tweaked_key(public, info), asked, answers, proof):
        raise proof_wrong()
    return answers


def read_elements(given: Sequence[bytes], name: str) -> list[Element]:
    """Return checked elements; the refusal names the index."""
    if all(map(group.is_element, given)):
        return [Element(item) for item in given]
    return [group.element(item, f"{name}[{index}]") for index, item in enumerate(given)]


def proof_wrong() -> ProtocolError:
    """Return the refusal of an evaluation whose proof does not hold."""
    return ProtocolError(
        "OPRF_PROOF_WRONG",
        "the proof does not show that the published key was used",
        where=Where(field="proof"),
        help="Keep the answer as evidence; ask another node.",
    )


def _info_scalar(info: bytes) -> Scalar:
    return group.hash_to_scalar(b"Info" + framed(info), b"HashToScalar-" + Mode.POPRF.context)


def _tweak(key: Scalar, info: bytes) -> Scalar:
    tweaked = group.add(key, _info_scalar(info))
    if hmac.compare_digest(tweaked, group.ZERO):
        raise _refuse("OPRF_INFO_CANCELS_KEY", "this info cancels the key", "info")
    return tweaked


def _refuse(code: str, message: str, field: str) -> ProtocolError:
    return ProtocolError(
        code, message, where=Where(field=field), help="Use another input; nothing was evaluated."
    )
