"""ristretto255 as RFC 9497 (4.1) uses it: elements and scalars in their one form, by libsodium.

The wrapper `rbcl` checks no lengths when it is installed, so a short buffer would be read past its
end: nothing reaches it that did not pass `element`, `scalar` or this module's own arithmetic.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NewType

import rbcl

from reconcile.model import ProtocolError, Where

# rbcl writes libsodium (3 MB) to a temporary file in every process and leaves it there; once it is
# loaded the file may go.
Path(sys.modules["rbcl._sodium"].lib_path).unlink(missing_ok=True)

Element = NewType("Element", bytes)
Scalar = NewType("Scalar", bytes)
Randomness = Callable[[int], bytes]

ELEMENT_BYTES: Final = 32
SCALAR_BYTES: Final = 32
WIDE_BYTES: Final = 64
ORDER: Final = 2**252 + 27742317777372353535851937790883648493
IDENTITY: Final = Element(bytes(ELEMENT_BYTES))
ZERO: Final = Scalar(bytes(SCALAR_BYTES))
ONE: Final = Scalar((1).to_bytes(SCALAR_BYTES, "little"))
_HASH_BYTES: Final = 64
_MAX_DST_BYTES: Final = 255
_MAX_BLOCKS: Final = 255
_MAX_UINT16: Final = 0xFFFF
# SHA-512 once it has read Z_pad, the block of zeros that every message begins with.
_AFTER_Z_PAD: Final = hashlib.sha512(bytes(128))


def element(data: bytes, field: str = "element") -> Element:
    """Return `data` as a group element that a key may be applied to.

    Raises `ProtocolError` OPRF_ELEMENT_MALFORMED for anything but the 32 canonical bytes of an
    element, OPRF_ELEMENT_IDENTITY for the identity, which libsodium itself accepts as valid
    (RFC 9497, 4.1, DeserializeElement).
    """
    if is_element(data):
        return Element(data)
    if data == IDENTITY:
        raise _refuse("OPRF_ELEMENT_IDENTITY", f"{field} is the identity", field)
    says = f"{field} is not the {ELEMENT_BYTES} bytes of an element of ristretto255"
    raise _refuse("OPRF_ELEMENT_MALFORMED", says, field)


def is_element(data: bytes) -> bool:
    """Say whether `element` would take these bytes."""
    return (
        isinstance(data, bytes)
        and len(data) == ELEMENT_BYTES
        and data != IDENTITY
        and rbcl.crypto_core_ristretto255_is_valid_point(data)
    )


def scalar(data: bytes, field: str = "scalar") -> Scalar:
    """Return `data` as a scalar: 32 bytes, little-endian, below the group's order.

    Raises `ProtocolError` OPRF_SCALAR_MALFORMED.
    """
    if not isinstance(data, bytes) or len(data) != SCALAR_BYTES:
        raise _refuse("OPRF_SCALAR_MALFORMED", f"{field} is not {SCALAR_BYTES} bytes", field)
    reduced = rbcl.crypto_core_ristretto255_scalar_reduce(data + bytes(SCALAR_BYTES))
    if not hmac.compare_digest(reduced, data):
        raise _refuse("OPRF_SCALAR_MALFORMED", f"{field} is not below the group's order", field)
    return Scalar(data)


def random_scalar(randomness: Randomness = secrets.token_bytes) -> Scalar:
    """Return a scalar from 64 random bytes, so that it is uniform; zero is drawn again."""
    while True:
        drawn = reduce_wide(randomness(WIDE_BYTES))
        if not hmac.compare_digest(drawn, ZERO):
            return drawn


def reduce_wide(data: bytes) -> Scalar:
    """Return 64 little-endian bytes modulo the group's order."""
    assert len(data) == WIDE_BYTES, "64 bytes are reduced, so that the result is uniform"
    return Scalar(rbcl.crypto_core_ristretto255_scalar_reduce(data))


def public_scalar(value: int) -> Scalar:
    """Return a public integer as a scalar; never use it on a secret."""
    return Scalar((value % ORDER).to_bytes(SCALAR_BYTES, "little"))


def add(left: Scalar, right: Scalar) -> Scalar:
    """Return the sum of two scalars."""
    return Scalar(rbcl.crypto_core_ristretto255_scalar_add(left, right))


def subtract(left: Scalar, right: Scalar) -> Scalar:
    """Return the difference of two scalars."""
    return Scalar(rbcl.crypto_core_ristretto255_scalar_sub(left, right))


def multiply(left: Scalar, right: Scalar) -> Scalar:
    """Return the product of two scalars."""
    return Scalar(rbcl.crypto_core_ristretto255_scalar_mul(left, right))


def invert(value: Scalar) -> Scalar:
    """Return the inverse of a scalar that is not zero."""
    assert not hmac.compare_digest(value, ZERO), "zero has no inverse"
    return Scalar(rbcl.crypto_core_ristretto255_scalar_invert(value))


def invert_all(values: Sequence[Scalar]) -> list[Scalar]:
    """Return the inverses of scalars that are not zero, by one inversion (Montgomery's trick)."""
    if not values:
        return []
    products = [values[0]]
    for value in values[1:]:
        products.append(multiply(products[-1], value))
    rest = invert(products[-1])
    inverses = []
    for value, before in zip(values[:0:-1], products[-2::-1], strict=True):
        inverses.append(multiply(rest, before))
        rest = multiply(rest, value)
    return [*reversed([*inverses, rest])]


def scale(value: Scalar, point: Element) -> Element:
    """Return value · point; the identity where either is zero.

    Of a checked element and a reduced scalar libsodium refuses nothing but that product, so its
    refusal is the answer; the call that permits it checks the element a second time.
    """
    try:
        return Element(rbcl.crypto_scalarmult_ristretto255(value, point))
    except RuntimeError:
        return IDENTITY


def scale_received(value: Scalar, data: bytes, field: str = "element") -> Element:
    """Return value · data for bytes that came from outside, with `element`'s errors.

    libsodium decodes before it multiplies and refuses what is no element, so the check costs
    nothing where it passes: the scalar never meets a bad one.
    """
    require_words((data,), field)
    try:
        return Element(rbcl.crypto_scalarmult_ristretto255(value, data))
    except RuntimeError:
        element(data, field)
        return IDENTITY


def require_words(given: Sequence[bytes], field: str) -> None:
    """Refuse anything but 32 bytes that are not the identity, without decoding them."""
    for data in given:
        if not isinstance(data, bytes) or len(data) != ELEMENT_BYTES or data == IDENTITY:
            element(data, field)


def scale_base(value: Scalar) -> Element:
    """Return value · G; the identity where the scalar is zero."""
    return Element(rbcl.crypto_scalarmult_ristretto255_base_allow_scalar_zero(value))


def plus(left: Element, right: Element) -> Element:
    """Return the sum of two elements."""
    return Element(rbcl.crypto_core_ristretto255_add(left, right))


def weighted_sum(weights: Sequence[Scalar], points: Sequence[Element]) -> Element:
    """Return Σ weight · point; the identity for none."""
    total = IDENTITY
    for weight, point in zip(weights, points, strict=True):
        term = scale(weight, point)
        total = term if total == IDENTITY else plus(total, term)
    return total


def minus(left: Element, right: Element) -> Element:
    """Return the difference of two elements."""
    return Element(rbcl.crypto_core_ristretto255_sub(left, right))


def public_multiple(factor: int, point: Element) -> Element:
    """Return factor · point for a public factor ≥ 0, by additions where these are cheaper."""
    match factor:
        case 1:
            return point
        case 2:
            return plus(point, point)
        case 3:
            return plus(plus(point, point), point)
    return scale(public_scalar(factor), point)


def public_sum(factors: Sequence[int], points: Sequence[Element]) -> Element:
    """Return Σ factor · point for public integers, none of them zero."""
    parts = [
        (factor > 0, public_multiple(abs(factor), point))
        for factor, point in zip(factors, points, strict=True)
    ]
    parts.sort(key=lambda part: not part[0])
    positive, total = parts[0]
    assert positive, "of Lagrange's factors at 0 one at least is positive: their sum is"
    for added, point in parts[1:]:
        total = plus(total, point) if added else minus(total, point)
    return total


def expand_message_xmd(message: bytes, dst: bytes, length: int) -> bytes:
    """Return `length` bytes from SHA-512 (RFC 9380, 5.3.1).

    Raises `ProtocolError` OPRF_INPUT_TOO_LONG where the RFC aborts.
    """
    blocks = -(-length // _HASH_BYTES)
    if blocks > _MAX_BLOCKS or length > _MAX_UINT16 or len(dst) > _MAX_DST_BYTES:
        raise _refuse("OPRF_INPUT_TOO_LONG", "expand_message_xmd gives no such length", "length")
    dst_prime = dst + bytes([len(dst)])
    start = _AFTER_Z_PAD.copy()
    start.update(message + length.to_bytes(2, "big") + b"\x00" + dst_prime)
    first = start.digest()
    block = hashlib.sha512(first + b"\x01" + dst_prime).digest()
    out = [block]
    for number in range(2, blocks + 1):
        mixed = int.from_bytes(first, "big") ^ int.from_bytes(block, "big")
        head = mixed.to_bytes(_HASH_BYTES, "big")
        block = hashlib.sha512(head + bytes([number]) + dst_prime).digest()
        out.append(block)
    return b"".join(out)[:length]


def hash_to_group(message: bytes, dst: bytes) -> Element:
    """Return the element of a message (RFC 9380, appendix B, hash_to_ristretto255)."""
    uniform = expand_message_xmd(message, dst, WIDE_BYTES)
    return Element(rbcl.crypto_core_ristretto255_from_hash(uniform))


def hash_to_scalar(message: bytes, dst: bytes) -> Scalar:
    """Return the scalar of a message (RFC 9497, 4.1)."""
    return reduce_wide(expand_message_xmd(message, dst, WIDE_BYTES))


def framed(*parts: bytes) -> bytes:
    """Return each part behind its length as two bytes: the framing of every RFC 9497 transcript.

    Raises `ProtocolError` OPRF_INPUT_TOO_LONG for a part of 65,536 bytes or more.
    """
    try:
        return b"".join([len(part).to_bytes(2, "big") + part for part in parts])
    except OverflowError:
        raise _refuse(
            "OPRF_INPUT_TOO_LONG", "a part is longer than 65,535 bytes", "input"
        ) from None


def _refuse(code: str, message: str, field: str) -> ProtocolError:
    return ProtocolError(
        code,
        message,
        where=Where(field=field),
        help="Nothing was evaluated; ask the sender to make the request anew.",
    )
