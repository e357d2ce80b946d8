from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.crypto.oprf import dleq, group, modes
from node.crypto.oprf.dleq import Proof
from node.crypto.oprf.modes import Mode
from reconcile.model import ProtocolError

SEED = bytes(range(32))
KEY = modes.derive_key_pair(Mode.VOPRF, SEED, b"test")
POINT = modes.blind(Mode.VOPRF, b"someone").element
INPUTS = st.lists(st.binary(max_size=64), min_size=1, max_size=4)
# Encodings of p, of an odd ("negative") number, of a number without a square root, and above p.
NO_ELEMENTS = [
    (2**255 - 19).to_bytes(32, "little"),
    (1).to_bytes(32, "little"),
    (2).to_bytes(32, "little"),
    b"\xff" * 32,
]


def code_of(call: object, *arguments: object, **options: object) -> str:
    """Return the code of the refusal that a call ends in."""
    with pytest.raises(ProtocolError) as caught:
        call(*arguments, **options)  # type: ignore[operator]
    return caught.value.code


@settings(max_examples=25)
@given(data=st.binary(max_size=80), info=st.binary(max_size=20))
def test_the_blind_changes_nothing(data: bytes, info: bytes) -> None:
    """In every mode the client's output is that of one who holds key and input, for any blind."""
    for mode in Mode:
        pair = modes.derive_key_pair(mode, SEED, b"test")
        used = info if mode is Mode.POPRF else None
        blinded = modes.blind(mode, data)
        if mode is Mode.POPRF:
            answer = modes.evaluate_partially(pair, [blinded.element], info)[0][0]
        else:
            answer = modes.evaluate(pair.secret, [blinded.element])[0]
        found = modes.finalize(mode, blinded, answer, info=used)
        assert found == modes.evaluate_directly(mode, pair.secret, data, info=used)
        assert blinded.element != modes.blind(mode, data).element


@settings(max_examples=15)
@given(inputs=INPUTS, at=st.integers(0, 3))
def test_a_changed_evaluation_is_refused(inputs: list[bytes], at: int) -> None:
    """One evaluation under another key makes the whole batch's proof fail."""
    blinded = [modes.blind(Mode.VOPRF, data).element for data in inputs]
    evaluated, proof = modes.evaluate_verifiably(KEY, blinded)
    assert modes.verify_evaluations(KEY.public, blinded, evaluated, proof) == evaluated
    other = modes.generate_key_pair()
    spot = at % len(blinded)
    evaluated[spot] = group.scale(other.secret, blinded[spot])
    assert (
        code_of(modes.verify_evaluations, KEY.public, blinded, evaluated, proof)
        == "OPRF_PROOF_WRONG"
    )


@pytest.mark.parametrize("bit", [0, 100, 255, 256, 400, 507])
def test_a_changed_proof_is_refused(bit: int) -> None:
    """A flipped bit of challenge or response is found."""
    evaluated, proof = modes.evaluate_verifiably(KEY, [POINT])
    changed = bytearray(proof.encode())
    changed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ProtocolError) as caught:
        modes.verify_evaluations(KEY.public, [POINT], evaluated, Proof.parse(bytes(changed)))
    assert caught.value.code in {"OPRF_PROOF_WRONG", "OPRF_SCALAR_MALFORMED"}


def test_the_identity_is_refused_before_evaluation() -> None:
    """The identity, valid to libsodium, has its own error wherever an element comes in."""
    zero = group.IDENTITY
    proof = modes.evaluate_verifiably(KEY, [POINT])[1]
    expected = "OPRF_ELEMENT_IDENTITY"
    assert code_of(modes.evaluate, KEY.secret, [POINT, zero]) == expected
    assert code_of(modes.evaluate_verifiably, KEY, [zero]) == expected
    assert code_of(modes.evaluate_partially, KEY, [zero], b"") == expected
    assert code_of(modes.verify_evaluations, KEY.public, [POINT], [zero], proof) == expected
    assert code_of(modes.finalize, Mode.OPRF, modes.blind(Mode.OPRF, b"x"), zero) == expected


MALFORMED = [*NO_ELEMENTS, b"", bytes(31), bytes(33), POINT + b"\x00"]


# The names of tests do not depend on the drawn point: workers compare them.
@pytest.mark.parametrize("bad", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_elements_are_refused_by_name(bad: bytes) -> None:
    """What is no canonical element is refused, and the refusal says where in the batch."""
    with pytest.raises(ProtocolError) as caught:
        modes.evaluate_verifiably(KEY, [POINT, bad])
    assert caught.value.code == "OPRF_ELEMENT_MALFORMED"
    assert caught.value.where.field == "blinded[1]"


def test_text_in_place_of_bytes_is_refused() -> None:
    """Types are checked too: the library below checks none."""
    assert code_of(group.element, POINT.hex()) == "OPRF_ELEMENT_MALFORMED"
    assert code_of(group.scalar, bytearray(32)) == "OPRF_SCALAR_MALFORMED"


@pytest.mark.parametrize("bad", [b"", bytes(31), bytes(33), b"\xff" * 32, group.ORDER])
def test_scalars_have_one_form(bad: bytes | int) -> None:
    """A scalar at or above the order, or of another length, is refused."""
    data = bad if isinstance(bad, bytes) else bad.to_bytes(32, "little")
    assert code_of(group.scalar, data) == "OPRF_SCALAR_MALFORMED"


def test_proofs_have_one_form() -> None:
    """A proof of another length, or with a scalar not below the order, is refused."""
    assert code_of(Proof.parse, bytes(63)) == "OPRF_PROOF_MALFORMED"
    assert code_of(Proof.parse, bytes(65)) == "OPRF_PROOF_MALFORMED"
    assert code_of(Proof.parse, bytes(32) + b"\xff" * 32) == "OPRF_SCALAR_MALFORMED"


@given(st.lists(st.integers(1, group.ORDER - 1), max_size=9))
def test_inverting_together_is_inverting_singly(values: list[int]) -> None:
    """One inversion for many gives each one's own inverse, in order."""
    scalars = [group.public_scalar(value) for value in values]
    assert group.invert_all(scalars) == [group.invert(item) for item in scalars]


def test_batches_are_bounded() -> None:
    """An empty batch and one above the limit are refused before any work."""
    for count in (0, dleq.MAX_BATCH + 1):
        assert code_of(modes.evaluate_verifiably, KEY, [POINT] * count) == "OPRF_BATCH_SIZE"


def test_an_input_too_long_is_refused() -> None:
    """An input that RFC 9497 cannot frame in two bytes is refused, the longest is not."""
    assert code_of(modes.blind, Mode.OPRF, bytes(65_536)) == "OPRF_INPUT_TOO_LONG"
    assert modes.blind(Mode.OPRF, bytes(65_535)).element
    assert code_of(group.expand_message_xmd, b"", b"", 65_536) == "OPRF_INPUT_TOO_LONG"
    assert code_of(group.expand_message_xmd, b"", bytes(256), 32) == "OPRF_INPUT_TOO_LONG"


def test_an_info_that_cancels_the_key_is_refused() -> None:
    """The POPRF key of an info that gives zero is refused by both sides, not inverted."""
    dst = b"HashToScalar-" + Mode.POPRF.context
    m = group.hash_to_scalar(b"Info" + group.framed(b"poison"), dst)
    secret = group.subtract(group.ZERO, m)
    pair = modes.KeyPair(secret, group.scale_base(secret))
    assert code_of(modes.evaluate_partially, pair, [POINT], b"poison") == "OPRF_INFO_CANCELS_KEY"
    assert code_of(modes.tweaked_key, pair.public, b"poison") == "OPRF_INPUT_INVALID"


def test_secrets_do_not_show() -> None:
    """Neither key, blind nor input is in what a log would print."""
    blinded = modes.blind(Mode.OPRF, b"11010519491231002X")
    assert KEY.secret.hex() not in repr(KEY)
    assert "11010519491231002X" not in repr(blinded)
    assert blinded.blind.hex() not in repr(blinded)


def test_the_library_leaves_no_file_behind(tmp_path: Path) -> None:
    """Each process loads libsodium from a temporary file, which is gone afterwards."""
    words = "from node.crypto.oprf import group; assert group.ONE"
    subprocess.run(
        [sys.executable, "-c", words],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        check=True,
    )
    assert list(tmp_path.iterdir()) == []
