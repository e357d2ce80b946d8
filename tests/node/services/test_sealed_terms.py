"""Sealed terms: what opens is what was sealed, whatever the proposer or its machine does."""

from __future__ import annotations

import hashlib
import os

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from node.crypto.keys import SealingKey
from node.identity import Place
from node.services.network import sealed_terms
from node.services.network.sealed_terms import MAX_TERMS_BYTES, Recipient, open_terms, seal_terms
from reconcile.model import ProtocolError

PLACE = Place(31_337, bytes(20), bytes([7]) * 20)
KEY = SealingKey(bytes(range(96)))
MEMBER = 2


def _sealed(terms: bytes, place: Place = PLACE) -> bytes:
    return seal_terms(terms, [Recipient(MEMBER, 1, KEY.public)], place)


def _opened(sealed: bytes, terms: bytes, place: Place = PLACE) -> bytes:
    return open_terms(sealed, hashlib.sha256(terms).digest(), MEMBER, {1: KEY}, place)


def _by_hand(packed: bytes, terms: bytes) -> bytes:
    """Seal any compressed body as a dishonest proposer can: the wrap and the seal are right."""
    digest = hashlib.sha256(terms).digest()
    key, nonce = bytes([1]) * 32, bytes(12)
    info = sealed_terms._info(PLACE, digest, MEMBER, 1)
    body = AESGCM(key).encrypt(nonce, packed, sealed_terms.TAG + digest)
    wraps = [(MEMBER, 1, KEY.public.seal(key, info))]
    return msgspec.msgpack.encode([sealed_terms.FORMAT, wraps, nonce, body])


def test_a_reader_opens_the_terms_in_their_place_alone() -> None:
    """The terms open for their reader, and not on another chain or under another ledger."""
    sealed = _sealed(b'{"a":"1"}')
    assert _opened(sealed, b'{"a":"1"}') == b'{"a":"1"}'
    for place in (Place(1, bytes(20), PLACE.ledger), Place(PLACE.chain_id, bytes(20), bytes(20))):
        with pytest.raises(ProtocolError):
            _opened(sealed, b'{"a":"1"}', place)


def test_a_bomb_is_refused_before_it_expands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Terms whose frame states more than the limit are refused by what they state."""
    bomb = bytes(MAX_TERMS_BYTES * 64)
    sealed = _by_hand(zstandard.ZstdCompressor(level=3).compress(bomb), bomb)
    assert len(sealed) < 65_536

    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("something was expanded")

    monkeypatch.setattr(zstandard.ZstdDecompressor, "decompress", never, raising=False)
    with pytest.raises(ProtocolError) as caught:
        _opened(sealed, bomb)
    assert caught.value.code == "TERMS_NOT_OPENED"


def test_a_frame_that_hides_its_size_is_refused() -> None:
    """A frame that does not state its size cannot be bounded and is refused."""
    maker = zstandard.ZstdCompressor(write_content_size=False)
    terms = b'{"a":"1"}'
    with pytest.raises(ProtocolError) as caught:
        _opened(_by_hand(maker.compress(terms), terms), terms)
    assert caught.value.code == "TERMS_NOT_OPENED"


def test_a_machine_that_repeats_its_random_bytes_repeats_no_key(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two proposals from a cloned machine share no key, whatever its generator repeats."""
    monkeypatch.setattr(os, "urandom", bytes)
    seen = set()
    for terms in (b'{"a":"1"}', b'{"a":"2"}'):
        read = msgspec.msgpack.decode(_sealed(terms))
        digest = hashlib.sha256(terms).digest()
        info = sealed_terms._info(PLACE, digest, MEMBER, 1)
        seen.add(KEY.open(read[1][0][2], info))
        assert _opened(msgspec.msgpack.encode(read), terms) == terms
    assert len(seen) == 2
