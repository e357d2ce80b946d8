from __future__ import annotations

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from node.crypto.frame import (
    MAX_COMPRESSED_BYTES,
    PAYLOAD_OVERHEAD,
    PAYLOAD_SIZES,
    compress,
    pack_frame,
    unpack_frame,
)
from reconcile.commitment.header import MAX_PLAINTEXT_BYTES
from reconcile.model import InputError, ProtocolError


def framed(body: bytes, length: int | None = None, size: int = 2_048) -> bytes:
    """Write a frame by hand, its length told wrongly if wanted."""
    told = len(body) if length is None else length
    frame = told.to_bytes(4, "big") + body
    return frame + bytes(max(0, size - PAYLOAD_OVERHEAD - len(frame)))


def refusal(frame: bytes) -> str:
    """Return the code with which a frame is refused."""
    with pytest.raises(ProtocolError) as refused:
        unpack_frame(frame)
    assert refused.value.help
    return refused.value.code


@given(st.binary(min_size=1, max_size=5_000), st.sampled_from(["zstd", "none"]))
def test_a_frame_gives_back_what_it_took(plaintext: bytes, compression: str) -> None:
    """Both compressions are one format, padded to a size class."""
    frame = pack_frame(plaintext, compression)
    assert unpack_frame(frame) == plaintext
    assert len(frame) + PAYLOAD_OVERHEAD in PAYLOAD_SIZES


@pytest.mark.parametrize("size", [1, 131_071, 131_072, 131_073, 400_000])
def test_stored_blocks_are_zstd(size: int) -> None:
    """The uncompressed form is read by the library as any frame is, over block limits too."""
    plaintext = bytes(index % 251 for index in range(size))
    body = compress(plaintext, "none")
    assert zstandard.ZstdDecompressor().decompress(body) == plaintext
    assert len(body) == 13 + 3 * -(-size // 131_072) + size


def test_without_compression_the_length_tells_nothing_of_the_content() -> None:
    """Frames of equally long plaintexts are equally long: no length oracle."""
    repeated, varied = b"a" * 1_500, bytes(index * 7 % 256 for index in range(1_500))
    assert len(compress(repeated, "none")) == len(compress(varied, "none"))
    assert len(compress(repeated)) < len(compress(varied))


def test_the_smallest_class_that_fits_is_taken() -> None:
    """A payload grows by class, and one byte more than the last holds is refused."""
    rooms = [size - PAYLOAD_OVERHEAD - 4 - 16 for size in PAYLOAD_SIZES]
    for size, room in zip(PAYLOAD_SIZES, rooms, strict=True):
        assert len(pack_frame(bytes(room), "none")) == size - PAYLOAD_OVERHEAD
    with pytest.raises(InputError) as refused:
        pack_frame(bytes(MAX_COMPRESSED_BYTES), "none")
    assert refused.value.code == "PAYLOAD_TOO_LARGE"


def test_a_false_length_is_refused() -> None:
    """A length beyond the frame, or a frame without one, is refused."""
    assert refusal(framed(compress(b"x"), 2**32 - 1)) == "FRAME_LENGTH"
    assert refusal(framed(compress(b"x"), 2_048)) == "FRAME_LENGTH"
    assert refusal(b"\x00\x00") == "FRAME_LENGTH"


def test_padding_is_zeros() -> None:
    """A byte hidden in the padding, its last one too, is refused."""
    frame = bytearray(pack_frame(b"x"))
    for at in (len(frame) - 1, 4 + len(compress(b"x"))):
        changed = bytearray(frame)
        changed[at] = 1
        assert refusal(bytes(changed)) == "FRAME_PADDING"


def test_trailing_bytes_are_refused() -> None:
    """Bytes or a second frame behind the first are refused, not ignored."""
    assert refusal(framed(compress(b"x") + b"y")) == "FRAME_MALFORMED"
    assert refusal(framed(compress(b"x") * 2)) == "FRAME_MALFORMED"
    assert refusal(framed(compress(b"x")[:-1])) == "FRAME_MALFORMED"
    assert refusal(framed(b"")) == "FRAME_MALFORMED"
    assert refusal(framed(compress(b""))) == "FRAME_MALFORMED"


def test_a_bomb_is_refused_by_what_it_says() -> None:
    """A small frame that states a large size is refused before it is expanded."""
    body = zstandard.ZstdCompressor(level=19).compress(bytes(MAX_PLAINTEXT_BYTES + 1))
    assert len(body) < 1_000
    assert refusal(framed(body)) == "PLAINTEXT_TOO_LARGE"
    huge = b"\x28\xb5\x2f\xfd\xe0" + (2**62).to_bytes(8, "little") + body[9:]
    assert refusal(framed(huge)) == "PLAINTEXT_TOO_LARGE"


def test_a_bomb_that_lies_about_its_size_is_refused() -> None:
    """A frame that expands to more than it states, or states nothing, is refused."""
    maker = zstandard.ZstdCompressor(level=19, write_content_size=False)
    assert refusal(framed(maker.compress(bytes(100_000)))) == "FRAME_MALFORMED"
    honest = zstandard.ZstdCompressor(level=19).compress(bytes(100_000))
    facts = zstandard.get_frame_parameters(honest)
    assert facts.content_size == 100_000
    lying = honest.replace((100_000).to_bytes(4, "little"), (1_000).to_bytes(4, "little"))
    assert lying != honest
    assert refusal(framed(lying)) == "FRAME_MALFORMED"


def test_a_skippable_frame_is_refused() -> None:
    """Bytes that a decompressor would skip have no place in a payload."""
    skip = b"\x50\x2a\x4d\x18\x04\x00\x00\x00hide"
    assert refusal(framed(skip + compress(b"x"))) == "FRAME_MALFORMED"
    assert refusal(framed(compress(b"x") + skip)) == "FRAME_MALFORMED"


@given(st.binary(max_size=2_000))
def test_any_bytes_are_a_frame_or_refused(data: bytes) -> None:
    """Arbitrary bytes in a frame have a stable reason, never a traceback."""
    try:
        plaintext = unpack_frame(framed(data))
    except ProtocolError as error:
        code = error.code
        assert code in {"FRAME_MALFORMED", "PLAINTEXT_TOO_LARGE", "FRAME_LENGTH", "FRAME_PADDING"}
    else:
        assert 0 < len(plaintext) <= MAX_PLAINTEXT_BYTES


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_changed_frame_never_raises_anything_else(plaintext: bytes, data: st.DataObject) -> None:
    """Mutated frames are refused or expand within the limit."""
    frame = bytearray(pack_frame(plaintext))
    for _ in range(data.draw(st.integers(1, 4))):
        frame[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    try:
        assert len(unpack_frame(bytes(frame))) <= MAX_PLAINTEXT_BYTES
    except ProtocolError as error:
        code = error.code
        assert code.startswith(("FRAME_", "PLAINTEXT_"))
