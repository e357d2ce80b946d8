"""Cursors of pages: opaque to the reader, a short list of integers and texts inside."""

from __future__ import annotations

import base64
import binascii
from typing import Final

import msgspec

from reconcile.model import UsageError, Where

MAX_CURSOR_LENGTH: Final = 600


def encode_cursor(*parts: int | str) -> str:
    """Return the parts as a URL-safe cursor."""
    return base64.urlsafe_b64encode(msgspec.json.encode(parts)).decode().rstrip("=")


def decode_cursor(text: str | None, kinds: tuple[type, ...]) -> tuple[int | str, ...] | None:
    """Return the parts, None for no cursor; UsageError CURSOR_WRONG for a foreign one."""
    if not text:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        parts = msgspec.json.decode(base64.urlsafe_b64decode(padded.encode()), type=list[int | str])
        fits = len(text) <= MAX_CURSOR_LENGTH and len(parts) == len(kinds)
        if fits and all(isinstance(part, kind) for part, kind in zip(parts, kinds, strict=True)):
            return tuple(parts)
    except (ValueError, binascii.Error, msgspec.DecodeError):
        pass
    raise UsageError(
        "CURSOR_WRONG",
        "the page's cursor is not one of this list",
        where=Where(field="after"),
        help="begin again without `after`",
    )
