from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from node.crypto.oprf import dleq, group, modes
from node.crypto.oprf.dleq import Proof
from node.crypto.oprf.group import Element, Scalar
from node.crypto.oprf.modes import Blinded, KeyPair, Mode

# RFC 9380, appendix K.3: expand_message_xmd(SHA-512), DST "QUUX-V01-CS02-with-expander-SHA512-256".
XMD_DST = b"QUUX-V01-CS02-with-expander-SHA512-256"
XMD_128 = (
    "7f1dddd13c08b543f2e2037b14cefb255b44c83cc397c1786d975653e36a6b11"
    "bdd7732d8b38adb4a0edc26a0cef4bb45217135456e58fbca1703cd6032cb134"
    "7ee720b87972d63fbf232587043ed2901bce7f22610c0419751c065922b48843"
    "1851041310ad659e4b23520e1772ab29dcdeb2002222a363f0c2b1c972b3efe1"
)
XMD = [
    (b"", 0x20, "6b9a7312411d92f921c6f68ca0b6380730a1a4d982c507211a90964c394179ba"),
    (b"abc", 0x20, "0da749f12fbe5483eb066a5f595055679b976e93abe9be6f0f6318bce7aca8dc"),
    (
        b"abc",
        0x80,
        XMD_128,
    ),
]


@pytest.fixture(scope="module")
def published(samples: Path) -> dict[Mode, dict[str, Any]]:
    """RFC 9497's vectors for ristretto255-SHA512, by mode."""
    text = (samples / "vectors" / "rfc9497-ristretto255.json").read_text(encoding="utf-8")
    return {Mode(suite["mode"]): suite for suite in json.loads(text)}


def parts(text: str) -> list[bytes]:
    """Split a vector's comma-separated hex."""
    return [bytes.fromhex(part) for part in text.split(",")]


def blinds(mode: Mode, vector: dict[str, Any]) -> list[Blinded]:
    """Blind a vector's inputs with its blinds."""
    pairs = zip(parts(vector["Input"]), parts(vector["Blind"]), strict=True)
    return [modes.blind(mode, data, scalar=group.scalar(scalar)) for data, scalar in pairs]


def key_of(mode: Mode, suite: dict[str, Any]) -> KeyPair:
    """Derive a suite's key from its seed."""
    return modes.derive_key_pair(
        mode, bytes.fromhex(suite["seed"]), bytes.fromhex(suite["keyInfo"])
    )


@pytest.mark.parametrize(("message", "length", "expected"), XMD)
def test_expand_message_is_rfc_9380s(message: bytes, length: int, expected: str) -> None:
    """expand_message_xmd over SHA-512 gives the bytes of RFC 9380, appendix K.3."""
    assert group.expand_message_xmd(message, XMD_DST, length).hex() == expected


@pytest.mark.parametrize("mode", list(Mode))
def test_keys_and_domains_are_the_published_ones(
    mode: Mode, published: dict[Mode, dict[str, Any]]
) -> None:
    """DeriveKeyPair and the hash-to-group domain are RFC 9497's, in every mode."""
    suite = published[mode]
    pair = key_of(mode, suite)
    assert pair.secret.hex() == suite["skSm"]
    assert (b"HashToGroup-" + mode.context).hex() == suite["groupDST"]
    if mode is not Mode.OPRF:
        assert pair.public.hex() == suite["pkSm"]


@pytest.mark.parametrize("mode", list(Mode))
def test_every_published_vector_passes(mode: Mode, published: dict[Mode, dict[str, Any]]) -> None:
    """Blinded elements, evaluations, proofs and outputs are byte for byte those of RFC 9497."""
    suite = published[mode]
    pair = key_of(mode, suite)
    for vector in suite["vectors"]:
        given = blinds(mode, vector)
        assert [item.element for item in given] == parts(vector["BlindedElement"])
        evaluated = check_evaluation(mode, pair, vector, [item.element for item in given])
        info = bytes.fromhex(vector["Info"]) if mode is Mode.POPRF else None
        for item, answer, output in zip(given, evaluated, parts(vector["Output"]), strict=True):
            assert modes.finalize(mode, item, answer, info=info) == output
            assert modes.evaluate_directly(mode, pair.secret, item.input, info=info) == output
    assert {vector["Batch"] for vector in suite["vectors"]} == ({1} if mode == 0 else {1, 2})


def check_evaluation(
    mode: Mode, pair: KeyPair, vector: dict[str, Any], blinded: list[Element]
) -> list[Element]:
    """Evaluate a vector's batch, compare elements and proof, verify, and return the elements."""
    expected = parts(vector["EvaluationElement"])
    if mode is Mode.OPRF:
        found = modes.evaluate(pair.secret, blinded)
        assert found == expected
        return found
    nonce: Scalar = group.scalar(bytes.fromhex(vector["Proof"]["r"]))
    if mode is Mode.VOPRF:
        found, proof = modes.evaluate_verifiably(pair, blinded, nonce=nonce)
        verified = modes.verify_evaluations(pair.public, blinded, expected, proof)
    else:
        info = bytes.fromhex(vector["Info"])
        found, proof = modes.evaluate_partially(pair, blinded, info, nonce=nonce)
        verified = modes.verify_partial(pair.public, blinded, expected, proof, info)
    assert found == verified == expected
    assert proof.encode().hex() == vector["Proof"]["proof"]
    assert Proof.parse(proof.encode()) == proof
    return found


def test_a_published_proof_fails_for_anything_else(
    published: dict[Mode, dict[str, Any]],
) -> None:
    """The same proof is refused under another key, for swapped elements and in another mode."""
    suite = published[Mode.VOPRF]
    vector = next(item for item in suite["vectors"] if item["Batch"] == 2)
    pair = key_of(Mode.VOPRF, suite)
    blinded = [Element(item) for item in parts(vector["BlindedElement"])]
    evaluated = [Element(item) for item in parts(vector["EvaluationElement"])]
    proof = Proof.parse(bytes.fromhex(vector["Proof"]["proof"]))
    context = Mode.VOPRF.context
    assert dleq.verify(context, pair.public, evaluated, blinded, proof)
    other = modes.generate_key_pair().public
    assert not dleq.verify(context, other, evaluated, blinded, proof)
    assert not dleq.verify(context, pair.public, evaluated[::-1], blinded, proof)
    assert not dleq.verify(context, pair.public, evaluated[:1], blinded, proof)
    assert not dleq.verify(Mode.POPRF.context, pair.public, evaluated, blinded, proof)
