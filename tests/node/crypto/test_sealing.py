from __future__ import annotations

import dataclasses
import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from hypothesis import given
from hypothesis import strategies as st

from node.crypto.frame import MAX_COMPRESSED_BYTES, PAYLOAD_SIZES, compress, pack_frame
from node.crypto.sealing import (
    SealedBatch,
    fit_batch,
    leaf_salts,
    open_batch,
    seal_batch,
)
from reconcile.commitment.header import PlainBatch, build_batch
from reconcile.commitment.heads import BatchPlace, Stream, commit
from reconcile.model import Direction, Entry, InputError, ProtocolError, Record, Side

STREAM = Stream(31_337, b"\x11" * 20, b"\x22" * 32, Side.OWNER)
PLACE = BatchPlace(STREAM, 1, 166_232, 1)
KEY = bytes(range(32))
GOLDEN = Path(__file__).parent / "golden" / "payload-1.hex"


def fixed(count: int) -> bytes:
    """Stand in for a machine whose random bytes repeat."""
    return b"\x07" * count


def entry(ref: str, **fields: object) -> Entry:
    """Return a booked entry with some fields changed."""
    plain = Entry(ref, 0, Direction.IN, 12_345, "CNY", 20_779)
    return msgspec.structs.replace(plain, **fields)


def build(*records: Record, place: BatchPlace = PLACE, **fields: object) -> PlainBatch:
    """Build a truthful batch for a place."""
    base: dict[str, object] = {
        "agreement": place.stream.agreement,
        "side": place.stream.side,
        "seq": place.seq,
        "window": place.window,
        "records": records,
    }
    return build_batch(**{**base, **fields})  # type: ignore[arg-type]


def refusal(payload: bytes, commitment: bytes, key: bytes = KEY, place: BatchPlace = PLACE) -> str:
    """Return the code with which a payload is refused."""
    with pytest.raises(ProtocolError) as refused:
        open_batch(payload, key, place, commitment)
    return refused.value.code


def forged(
    frame: bytes, commitment: bytes | None = None, salt: bytes = b"\x05" * 32
) -> SealedBatch:
    """Seal any frame as a dishonest holder of the epoch key could."""
    info = b"kanhe/batch/1" + STREAM.agreement + b"\x01" + (1).to_bytes(8, "big")
    keys = HKDF(algorithm=SHA256(), length=64, salt=salt, info=info).derive(KEY)
    commitment = commitment or bytes(32)
    aad = (
        b"\x01"
        + (31_337).to_bytes(32, "big")
        + STREAM.contract
        + STREAM.agreement
        + b"\x01"
        + (1).to_bytes(8, "big")
        + (166_232).to_bytes(4, "big")
        + (1).to_bytes(4, "big")
        + commitment
    )
    body = AESGCM(keys[:32]).encrypt(bytes(12), frame, aad)
    return SealedBatch(b"\x01" + salt + body, commitment, keys[32:])


def forged_items(items: tuple[bytes, ...], plaintext: bytes) -> SealedBatch:
    """Seal any items under the commitment that they have."""
    salt_key = forged(b"").salt_key
    return forged(pack_frame(plaintext), commit(leaf_salts(salt_key, len(items)), items))


# ------------------------------------------------------------------ the format
def test_a_sealed_batch_opens_as_it_was() -> None:
    """Whoever holds the epoch key reads header and records, byte by byte."""
    plain = build(entry("a"), entry("b", remittance="货款"))
    sealed = seal_batch(plain, KEY, PLACE)
    opened = open_batch(sealed.payload, KEY, PLACE, sealed.commitment)
    assert opened.plain == plain
    assert opened.salt_key == sealed.salt_key
    assert sealed.payload_hash == hashlib.sha256(sealed.payload).digest()


def test_the_payload_is_the_page_of_the_ledger() -> None:
    """Written out by hand from the page, step by step, the payload is the same bytes."""
    plain = build(entry("a"))
    frame = len(compress(plain.plaintext)).to_bytes(4, "big") + compress(plain.plaintext)
    frame += bytes(2_048 - 1 - 32 - 16 - len(frame))
    salt = hmac.digest(KEY, fixed(32) + hashlib.sha256(frame).digest(), "sha256")
    by_hand = forged(frame, None, salt)
    stream = Cipher(algorithms.AES256(by_hand.salt_key), modes.CTR(bytes(16))).encryptor()
    commitment = commit(stream.update(bytes(32)), plain.items)
    sealed = seal_batch(plain, KEY, PLACE, randomness=fixed)
    assert sealed == forged(frame, commitment, salt)
    assert sealed.payload[0] == 1
    assert len(sealed.payload) == 2_048


def test_the_golden_payload() -> None:
    """The format cannot drift: commitment and payload hash of one batch are written down here.

    Without compression, since compressed bytes may differ between releases of the library.
    """
    sealed = seal_batch(build(entry("a")), KEY, PLACE, compression="none", randomness=fixed)
    assert (sealed.commitment.hex(), sealed.payload_hash.hex(), sealed.salt_key.hex()) == (
        "a971943a696f70ce222ff6118f8e693228fea16dacd10817387855356773625c",
        "50a2856478ea719eed3fe8a5fd1190de4a029ddfd7f909f8d2a5b96d5b7767bc",
        "4e5ee7972d0bf2f291b6b22962dcb445d96d9feea0bf5b208ca8134e285dc978",
    )


def test_a_payload_has_one_of_four_sizes() -> None:
    """An outsider sees a size class and no more."""
    seen = set()
    for count in (0, 1, 80, 300, 1_500):
        records = [entry(f"{n}{hashlib.sha256(b'%d' % n).hexdigest()}") for n in range(count)]
        seen.add(len(seal_batch(build(*records), KEY, PLACE).payload))
    assert seen == set(PAYLOAD_SIZES)


def test_a_salt_opens_its_own_leaf_alone() -> None:
    """Salts are 16-byte blocks that differ, and the batch gives each by its index."""
    sealed = seal_batch(build(entry("a"), entry("b")), KEY, PLACE)
    opened = open_batch(sealed.payload, KEY, PLACE, sealed.commitment)
    salts = leaf_salts(sealed.salt_key, 3)
    assert [opened.salt(index) for index in range(3)] == [
        salts[at : at + 16] for at in range(0, 48, 16)
    ]
    assert len({opened.salt(index) for index in range(3)}) == 3


# ------------------------------------------------------------------ key reuse
def test_a_machine_that_repeats_its_random_bytes_repeats_no_key() -> None:
    """A clone that seals something else has another salt, hence other keys under the zero nonce."""
    one = seal_batch(build(entry("a")), KEY, PLACE, randomness=fixed)
    other = seal_batch(build(entry("b")), KEY, PLACE, randomness=fixed)
    stored = seal_batch(build(entry("a")), KEY, PLACE, randomness=fixed, compression="none")
    salts = {sealed.payload[1:33] for sealed in (one, other, stored)}
    keys = {sealed.salt_key for sealed in (one, other, stored)}
    assert len(salts) == len(keys) == 3


def test_a_clone_that_seals_the_same_batch_makes_the_same_bytes() -> None:
    """Equal random bytes, frame and place give one payload: a repeated key encrypts one message."""
    one = seal_batch(build(entry("a")), KEY, PLACE, randomness=fixed)
    assert seal_batch(build(entry("a")), KEY, PLACE, randomness=fixed) == one


def test_equal_batches_of_a_healthy_machine_share_nothing() -> None:
    """Sealing the same batch twice gives other salts, keys and commitments."""
    one, two = (seal_batch(build(entry("a")), KEY, PLACE) for _ in range(2))
    assert one.commitment != two.commitment
    assert one.salt_key != two.salt_key


def test_every_field_of_the_place_makes_other_keys_or_other_data() -> None:
    """A payload opens in its own chain, contract, agreement, side, seq, window and epoch alone."""
    sealed = seal_batch(build(entry("a")), KEY, PLACE)
    streams = [
        dataclasses.replace(STREAM, chain_id=1),
        dataclasses.replace(STREAM, contract=b"\x12" * 20),
        dataclasses.replace(STREAM, agreement=b"\x23" * 32),
        dataclasses.replace(STREAM, side=Side.SERVICER),
    ]
    places = [dataclasses.replace(PLACE, stream=stream) for stream in streams]
    places += [dataclasses.replace(PLACE, **{name: 2}) for name in ("seq", "window", "epoch")]
    for place in places:
        assert refusal(sealed.payload, sealed.commitment, place=place) == "NOT_OPENED"


# ------------------------------------------------------------------ bad input
@given(st.data())
def test_any_changed_byte_of_a_stored_payload_is_found(data: st.DataObject) -> None:
    """One changed byte anywhere, the padding too, and the payload does not open."""
    sealed = seal_batch(build(entry("a")), KEY, PLACE, randomness=fixed)
    changed = bytearray(sealed.payload)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    assert refusal(bytes(changed), sealed.commitment) in {"NOT_OPENED", "SUITE_UNKNOWN"}


def test_another_key_or_commitment_does_not_open() -> None:
    """Key and commitment are authenticated with the payload."""
    sealed = seal_batch(build(entry("a")), KEY, PLACE)
    assert refusal(sealed.payload, sealed.commitment, key=bytes(32)) == "NOT_OPENED"
    assert refusal(sealed.payload, bytes(32)) == "NOT_OPENED"


@pytest.mark.parametrize("size", [0, 1, 2_047, 2_049, 119_999, 120_001])
def test_another_size_is_refused_unread(size: int) -> None:
    """Sizes outside the four classes are refused before any key is derived."""
    assert refusal(bytes(size), bytes(32)) == "PAYLOAD_SIZE"


def test_an_unknown_suite_is_refused() -> None:
    """Suite 2 is reserved; this release says that it does not know it."""
    assert refusal(b"\x02" + bytes(2_047), bytes(32)) == "SUITE_UNKNOWN"


def test_the_commitment_binds_the_plaintext() -> None:
    """A holder of the key who authenticates other records than were committed to is found.

    AES-GCM is not key-committing; what binds is the commitment, recomputed from the plaintext.
    """
    committed = build(entry("a"))
    salt_key = forged(b"").salt_key
    commitment = commit(leaf_salts(salt_key, 2), committed.items)
    good = forged(pack_frame(committed.plaintext), commitment)
    assert open_batch(good.payload, KEY, PLACE, commitment).plain == committed
    for other in (build(entry("b")), build(entry("a"), entry("b")), build()):
        swapped = forged(pack_frame(other.plaintext), commitment)
        assert refusal(swapped.payload, commitment) == "COMMITMENT_MISMATCH"


def test_a_dishonest_frame_has_its_reason() -> None:
    """Frames that open and are wrong inside are refused by what is wrong."""
    frame = bytearray(pack_frame(build(entry("a")).plaintext))
    frame[-1] = 1
    bad_padding = forged(bytes(frame))
    assert refusal(bad_padding.payload, bad_padding.commitment) == "FRAME_PADDING"
    for plaintext, code in [
        (b"\xc0", "PLAINTEXT_MALFORMED"),
        (b"\xdd\xff\xff\xff\xff", "TOO_MANY_RECORDS"),
    ]:
        sealed = forged(pack_frame(plaintext))
        assert refusal(sealed.payload, sealed.commitment) == code


def test_dishonest_parts_have_their_reason() -> None:
    """A committed header or record that is not canonical is refused, the leaf named."""
    plain = build(entry("a"))
    for items, code, leaf in [
        ((b"\x91\x00", *plain.items[1:]), "HEADER_MALFORMED", None),
        ((*plain.items, b"\xc0"), "RECORD_MALFORMED", 2),
        ((plain.items[0], plain.items[0]), "RECORD_MALFORMED", 1),
    ]:
        plaintext = bytes([0x90 + len(items)]) + b"".join(items)
        sealed = forged_items(items, plaintext)
        with pytest.raises(ProtocolError) as refused:
            open_batch(sealed.payload, KEY, PLACE, sealed.commitment)
        assert (refused.value.code, refused.value.where.line) == (code, leaf)


def test_a_header_of_another_place_is_not_sealed() -> None:
    """Sealing a batch for a place that its header does not name is a mistake of the caller."""
    with pytest.raises(AssertionError):
        seal_batch(build(entry("a")), KEY, dataclasses.replace(PLACE, seq=2))


# ------------------------------------------------------------------ filling a batch
def test_a_batch_is_filled_to_the_largest_class() -> None:
    """The longest found prefix fits one payload and comes close to the limit."""
    records = [
        entry(f"R{n}", remittance=hashlib.sha256(b"%d" % n).hexdigest()) for n in range(9_000)
    ]
    plain = fit_batch(records, lambda some: build(*some))
    used = len(compress(plain.plaintext))
    assert plain.records == tuple(records[: plain.header.count])
    assert MAX_COMPRESSED_BYTES * 9 // 10 < used <= MAX_COMPRESSED_BYTES
    assert len(seal_batch(plain, KEY, PLACE).payload) == PAYLOAD_SIZES[-1]


@pytest.mark.parametrize("compression", ["zstd", "none"])
def test_large_records_are_split_by_bytes(compression: str) -> None:
    """Where the plaintext's limit is met before the payload's, fewer records are taken."""
    records = [entry(f"R{n}", remittance="长" * 1_000) for n in range(3_000)]
    plain = fit_batch(records, lambda some: build(*some), compression=compression)
    assert 0 < plain.header.count < 3_000
    seal_batch(plain, KEY, PLACE, compression=compression)


def test_records_of_many_files_are_split_by_files() -> None:
    """A batch names at most 64 source files; more of them are split, not refused for ever."""
    files = {f"R{n}": hashlib.sha256(b"%d" % n).digest() for n in range(200)}
    plain = fit_batch(
        [entry(ref) for ref in files],
        lambda some: build(*some, sources=[files[record.entry_ref] for record in some]),  # type: ignore[union-attr]
    )
    assert 0 < plain.header.count == len(plain.header.sources) <= 64


def test_no_records_are_a_batch_too() -> None:
    """An empty batch, which carries a watermark alone, fits."""
    assert fit_batch([], lambda some: build(*some)).header.count == 0


def test_a_record_that_fits_no_batch_is_refused() -> None:
    """What the record's own check refuses, filling does not hide."""
    with pytest.raises(InputError) as refused:
        fit_batch([entry("")], lambda some: build(*some))
    assert refused.value.code == "RECORD_FIELD"


def test_a_stored_payload_still_opens() -> None:
    """A compressed payload of an earlier release opens: what stands on the chain stays readable.

    golden/payload-1.hex is the batch of `test_the_golden_payload`, compressed by zstd 1.5.7.
    """
    payload = bytes.fromhex(GOLDEN.read_text(encoding="ascii"))
    opened = open_batch(
        payload,
        KEY,
        PLACE,
        bytes.fromhex("31100db01e6f6afedd35d8373c7eaad28ca0d9e596ece0aa76592aadf7d625a6"),
    )
    assert opened.plain == build(entry("a"))
