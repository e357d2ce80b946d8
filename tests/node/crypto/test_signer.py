from __future__ import annotations

import pytest
from coincurve import PrivateKey
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from node.crypto.signer import (
    CURVE_ORDER,
    HALF_ORDER,
    LocalSigner,
    recover_address,
)
from reconcile.model import InputError, ProtocolError

SECRET = bytes(range(1, 33))
SIGNER = LocalSigner(SECRET)
digests = st.binary(min_size=32, max_size=32)
secrets = st.integers(1, CURVE_ORDER - 1).map(lambda number: number.to_bytes(32, "big"))


def refusal(digest: bytes, signature: bytes) -> str | None:
    """Return the code with which a signature is refused, None if it recovers to someone."""
    try:
        recover_address(digest, signature)
    except ProtocolError as error:
        return error.code
    return None


@given(secrets, digests)
def test_a_signature_recovers_to_its_signer(secret: bytes, digest: bytes) -> None:
    """65 bytes, low s, v 27 or 28; the address is the one that other wallets derive."""
    signer = LocalSigner(secret)
    signature = signer.sign_digest(digest)
    assert len(signature) == 65
    assert signature[64] in {27, 28}
    assert 0 < int.from_bytes(signature[32:64], "big") <= HALF_ORDER
    assert recover_address(digest, signature) == signer.address == Account.from_key(secret).address


def test_a_signature_is_deterministic() -> None:
    """A cloned machine signs one digest with the same bytes: no nonce is ever drawn."""
    digest = bytes(32)
    assert SIGNER.sign_digest(digest) == LocalSigner(SECRET).sign_digest(digest)
    assert SIGNER.sign_digest(digest) == bytes(Account.unsafe_sign_hash(digest, SECRET).signature)


@given(digests, st.integers(0, 64), st.integers(1, 255))
def test_any_changed_byte_of_a_signature_is_found(digest: bytes, at: int, change: int) -> None:
    """A signature with one byte changed is refused or belongs to someone else."""
    changed = bytearray(SIGNER.sign_digest(digest))
    changed[at] ^= change
    code = refusal(digest, bytes(changed))
    assert (
        code == "SIGNATURE_MALFORMED" or recover_address(digest, bytes(changed)) != SIGNER.address
    )


@given(digests)
def test_the_second_form_of_a_signature_is_refused(digest: bytes) -> None:
    """The high-s twin, which recovers to the same signer, has no place."""
    signature = SIGNER.sign_digest(digest)
    high = CURVE_ORDER - int.from_bytes(signature[32:64], "big")
    twin = signature[:32] + high.to_bytes(32, "big") + bytes([55 - signature[64]])
    assert refusal(digest, twin) == "SIGNATURE_MALFORMED"


@given(st.binary(max_size=70))
def test_any_bytes_are_refused_or_someone_s(data: bytes) -> None:
    """Arbitrary bytes never raise anything but the stable refusal."""
    assert refusal(bytes(32), data) in {None, "SIGNATURE_MALFORMED"}


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        bytes(65),
        bytes(64) + b"\x1b",
        b"\xff" * 32 + bytes(31) + b"\x01\x1b",
        SIGNER.sign_digest(bytes(32))[:64] + b"\x00",
        SIGNER.sign_digest(bytes(32)) + b"\x00",
    ],
)
def test_impossible_signatures_are_refused(signature: bytes) -> None:
    """Zeros, numbers off the curve, v 0 and another length are no signatures."""
    assert refusal(bytes(32), signature) == "SIGNATURE_MALFORMED"


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, bytes(31) + b"\x01\x00"])
def test_a_number_that_is_no_key_is_refused(secret: bytes) -> None:
    """Zero, the order and above, or another length are no private keys."""
    with pytest.raises(InputError) as refused:
        LocalSigner(secret)
    assert refused.value.code == "KEY_MALFORMED"


def test_a_draw_beyond_the_order_is_drawn_again() -> None:
    """Key generation takes only numbers of the curve."""
    draws = iter([b"\xff" * 32, bytes(32), SECRET])
    assert LocalSigner.generate(lambda _: next(draws)).secret == SECRET
    assert PrivateKey(SECRET).secret == SECRET


def test_a_signer_does_not_show_its_key() -> None:
    """The text form of a signer holds its address alone."""
    assert repr(SIGNER) == f"LocalSigner({SIGNER.address})"
