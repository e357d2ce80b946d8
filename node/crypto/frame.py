"""The frame inside a payload: uint32 length ‖ one zstd frame ‖ zeros up to a size class.

Four sizes are all that an observer of the chain can tell apart. Nothing here trusts its input: a
frame says how large it is before a byte of it is expanded, and what it expands to is bounded.
"""

from __future__ import annotations

from typing import Final

import zstandard

from reconcile.commitment.header import MAX_PLAINTEXT_BYTES
from reconcile.model import InputError, ProtocolError

PAYLOAD_SIZES: Final = (2_048, 8_192, 32_768, 120_000)
SUITE_BYTES: Final = 1
SALT_BYTES: Final = 32
TAG_BYTES: Final = 16
LENGTH_BYTES: Final = 4
PAYLOAD_OVERHEAD: Final = SUITE_BYTES + SALT_BYTES + TAG_BYTES
MAX_COMPRESSED_BYTES: Final = PAYLOAD_SIZES[-1] - PAYLOAD_OVERHEAD - LENGTH_BYTES
ZSTD_LEVEL: Final = 1
COMPRESSIONS: Final = ("zstd", "none")

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
# Frame header descriptor: 8-byte content size, single segment, no checksum, no dictionary.
_ZSTD_STORED: Final = b"\xe0"
_ZSTD_MAX_BLOCK: Final = 131_072


def compress(plaintext: bytes, compression: str = "zstd") -> bytes:
    """Return one zstd frame that states its content size.

    `none` (terms, `compression`) stores the bytes in raw blocks: the same format, but its length
    follows from the length of the records alone, so that text chosen by an outsider cannot be
    guessed at through how well it compresses beside theirs (length oracle).
    """
    assert compression in COMPRESSIONS, "the terms were validated"
    if compression == "none":
        return _stored(plaintext)
    maker = zstandard.ZstdCompressor(
        level=ZSTD_LEVEL, write_checksum=False, write_content_size=True, write_dict_id=False
    )
    return maker.compress(plaintext)


def _stored(plaintext: bytes) -> bytes:
    """Write raw blocks by hand (RFC 8878, 3.1.1): the library has no level that stores."""
    parts = [_ZSTD_MAGIC, _ZSTD_STORED, len(plaintext).to_bytes(8, "little")]
    starts = range(0, max(len(plaintext), 1), _ZSTD_MAX_BLOCK)
    for start in starts:
        block = plaintext[start : start + _ZSTD_MAX_BLOCK]
        last = int(start == starts[-1])
        parts += [(last | len(block) << 3).to_bytes(3, "little"), block]
    return b"".join(parts)


def pack_frame(plaintext: bytes, compression: str = "zstd") -> bytes:
    """Return the smallest frame of a size class that holds `plaintext`.

    Raises `InputError` PAYLOAD_TOO_LARGE; `node.crypto.sealing.fit_batch` splits before it comes
    to this.
    """
    body = compress(plaintext, compression)
    size = next((size for size in PAYLOAD_SIZES if frame_room(size) >= len(body)), None)
    if size is None:
        raise InputError(
            "PAYLOAD_TOO_LARGE",
            f"the batch compresses to {len(body)} bytes, at most {MAX_COMPRESSED_BYTES} go into "
            "one payload",
            help="Split its records over several batches.",
        )
    frame = len(body).to_bytes(LENGTH_BYTES, "big") + body
    return frame + bytes(size - PAYLOAD_OVERHEAD - len(frame))


def frame_room(payload_size: int) -> int:
    """Return how many compressed bytes go into a payload of this size."""
    return payload_size - PAYLOAD_OVERHEAD - LENGTH_BYTES


def unpack_frame(frame: bytes) -> bytes:
    """Return the plaintext of a frame.

    Raises `ProtocolError` FRAME_LENGTH, FRAME_PADDING, FRAME_MALFORMED or PLAINTEXT_TOO_LARGE.
    """
    length = int.from_bytes(frame[:LENGTH_BYTES], "big")
    end = LENGTH_BYTES + length
    if len(frame) < LENGTH_BYTES or end > len(frame):
        raise _refused("FRAME_LENGTH", f"says {length} bytes, it has {len(frame) - LENGTH_BYTES}")
    if frame.count(0, end) != len(frame) - end:
        raise _refused("FRAME_PADDING", "is padded with something other than zeros")
    return expand(frame[LENGTH_BYTES:end], MAX_PLAINTEXT_BYTES)


def expand(body: bytes, most: int) -> bytes:
    """Return what one zstd frame holds, never more than `most` bytes.

    The library's `max_output_size` is no bound: it is ignored where the frame states its size. So
    the frame must state it, and what it states is checked before anything is expanded. Raises
    `ProtocolError` FRAME_MALFORMED or PLAINTEXT_TOO_LARGE.
    """
    try:
        facts = zstandard.get_frame_parameters(body)
        size = facts.content_size
        if size == zstandard.CONTENTSIZE_UNKNOWN or facts.dict_id or body[:4] != _ZSTD_MAGIC:
            raise _refused("FRAME_MALFORMED", "does not state its size")
        if size > most:
            raise _refused("PLAINTEXT_TOO_LARGE", f"expands to {size} bytes, over {most}")
        if size == 0:
            raise _refused("FRAME_MALFORMED", "is empty")
        plaintext = zstandard.ZstdDecompressor().decompress(
            body, max_output_size=size, allow_extra_data=False
        )
    except zstandard.ZstdError as error:
        raise _refused("FRAME_MALFORMED", f"does not expand: {error}") from None
    if len(plaintext) != size:
        raise _refused("FRAME_MALFORMED", "expands to another size than it states")
    return plaintext


def _refused(code: str, says: str) -> ProtocolError:
    return ProtocolError(
        code, f"the frame {says}", help="The batch counts as not posted; its side posts it again."
    )
