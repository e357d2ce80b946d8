from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.crypto.signer import LocalSigner
from node.screening.envelope import (
    KYC_TYPE,
    LISTING_TYPE,
    Envelope,
    envelope_digest,
    read_envelope,
    sign_envelope,
)
from reconcile.model import KanheError

SIGNERS = [LocalSigner(hashlib.sha256(bytes([n])).digest()) for n in range(3)]


def test_the_digest_is_dsse_s() -> None:
    """PAE is DSSE v1's own example, under SHA-256."""
    pae = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    found = envelope_digest("http://example.com/HelloWorld", b"hello world")
    assert found == hashlib.sha256(pae).digest()


@given(st.binary(max_size=200), st.sets(st.integers(0, 2), min_size=1))
def test_an_envelope_reads_back(payload: bytes, chosen: set[int]) -> None:
    """What is written reads back to the same payload, type and signers."""
    made = sign_envelope(LISTING_TYPE, payload, [SIGNERS[n] for n in chosen])
    found = read_envelope(made.to_json())
    assert found == made
    for number in chosen:
        assert found.require(LISTING_TYPE, SIGNERS[number].address) == payload


def test_every_changed_byte_is_found() -> None:
    """No byte of the file can change without a refusal."""
    data = sign_envelope(LISTING_TYPE, b'{"a":"1"}', SIGNERS[:2]).to_json()
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with pytest.raises(KanheError):
            read_envelope(bytes(changed))


def test_a_signature_counts_for_its_type_and_signer(code_of: Callable[..., str]) -> None:
    """Another type or an absent signer is refused."""
    made = sign_envelope(LISTING_TYPE, b"x", SIGNERS[:1])
    assert code_of(made.require, KYC_TYPE, SIGNERS[0].address) == "ENVELOPE_TYPE"
    assert code_of(made.require, LISTING_TYPE, SIGNERS[1].address) == "ENVELOPE_SIGNER"
    moved = Envelope(KYC_TYPE, made.payload, made.signatures)
    assert code_of(moved.require, KYC_TYPE, SIGNERS[0].address) == "ENVELOPE_SIGNER"


def test_other_forms_are_refused(code_of: Callable[..., str]) -> None:
    """Blanks, another order, no signature, a doubled one, extra fields: not the one form."""
    made = sign_envelope(LISTING_TYPE, b"x", SIGNERS[:2])
    body = json.loads(made.to_json())
    signatures = body["signatures"]
    for wrong in [
        {**body, "signatures": []},
        {**body, "signatures": signatures[::-1]},
        {**body, "signatures": [signatures[0], signatures[0]]},
        {**body, "extra": "1"},
        {**body, "payload": base64.b64encode(b"x").decode() + "\n"},
    ]:
        data = json.dumps(wrong, sort_keys=True, separators=(",", ":")).encode()
        assert code_of(read_envelope, data) == "ENVELOPE_MALFORMED"
    assert code_of(read_envelope, made.to_json() + b" ") == "ENVELOPE_MALFORMED"
    assert code_of(read_envelope, b"") == "ENVELOPE_MALFORMED"
    assert code_of(read_envelope, bytes(1 << 21)) == "ENVELOPE_MALFORMED"
