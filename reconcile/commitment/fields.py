"""Reading fields of a proof's JSON: hex and decimal strings in exactly one form each."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from reconcile.model import InputError, Where

_DECIMAL: Final = re.compile(r"0|[1-9][0-9]{0,77}")
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")


def read_object(data: bytes, field: str) -> Mapping[str, object]:
    """Return the object that JSON bytes hold; `field` names them in the refusal.

    A stranger's file may be nested deeper than any decoder follows: that is malformed, too.
    """
    try:
        decoded = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise malformed(field, "is no JSON") from None
    return as_map(decoded, field)


def read_number(body: Mapping[str, object], field: str, most: int) -> int:
    """Return a decimal string as an integer between 0 and `most`."""
    text = body.get(field)
    if not isinstance(text, str) or not _DECIMAL.fullmatch(text) or int(text) > most:
        raise malformed(field, f"is not a decimal string between 0 and {most}")
    return int(text)


def read_hex(
    body: Mapping[str, object], field: str, length: int | None = None, *, most: int = 1 << 20
) -> bytes:
    """Return a lower-case hex string as bytes, of `length` bytes or at most `most`."""
    return as_hex(body.get(field), field, length, most=most)


def as_hex(text: object, field: str, length: int | None = None, *, most: int = 1 << 20) -> bytes:
    """Return a lower-case hex string as bytes, of `length` bytes or at most `most`."""
    if not isinstance(text, str) or len(text) > 2 * most or not _HEX.fullmatch(text):
        raise malformed(field, "is not lower-case hex")
    if length is not None and len(text) != 2 * length:
        raise malformed(field, f"is not {length} bytes")
    return bytes.fromhex(text)


def read_address(body: Mapping[str, object], field: str, length: int) -> bytes:
    """Return an address `0x…`, lower case, as bytes."""
    text = body.get(field)
    if not isinstance(text, str) or not text.startswith("0x"):
        raise malformed(field, "is not an address that begins with 0x")
    return as_hex(text[2:], field, length)


def address_text(address: bytes) -> str:
    """Return an address as `0x…`, lower case."""
    return f"0x{address.hex()}"


def map_of(body: Mapping[str, object], field: str) -> Mapping[str, object]:
    """Return an object inside an object."""
    return as_map(body.get(field), field)


def as_map(item: object, field: str) -> Mapping[str, object]:
    """Return `item` if it is an object."""
    if not isinstance(item, dict):
        raise malformed(field, "is no object")
    return item


def list_of(body: Mapping[str, object], field: str, most: int) -> Sequence[object]:
    """Return a list inside an object, of at most `most` items."""
    items = body.get(field)
    if not isinstance(items, list) or len(items) > most:
        raise malformed(field, f"is no list of at most {most} items")
    return items


def malformed(field: str, says: str) -> InputError:
    """Return the refusal of a proof that cannot be read."""
    return InputError(
        "PROOF_MALFORMED",
        f"{field} {says}",
        where=Where(field=field),
        help="Export the proof again; nothing of this file was taken as proven.",
    )
