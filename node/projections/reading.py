"""What a batch turns out to be once this node tries to read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from sqlalchemy.orm import Session

from node.chain.codec import BatchPosted
from reconcile.commitment.header import BatchHeader
from reconcile.model import Record

SEALED = "SEALED"
VALID = "VALID"
INVALID = "INVALID"


@dataclass(frozen=True, slots=True)
class Reading:
    """`state` SEALED (no key here), VALID or INVALID with its `reason`.

    `records[i]` stands at leaf i + 1 with the bytes `items[i]`; `repeats` are leaf numbers of
    byte-equal repeats, which count once. Of an INVALID batch nothing but the header is kept.
    """

    state: str
    reason: str | None = None
    header: BatchHeader | None = None
    records: tuple[Record, ...] = ()
    items: tuple[bytes, ...] = ()
    repeats: frozenset[int] = frozenset()


class BatchReader(Protocol):
    """Opens and judges a batch; given by the composition root, which knows where keys are."""

    def __call__(self, session: Session, batch: BatchPosted) -> Reading:
        """Read a batch by the rows of the side's earlier batches; never raises for poison."""
        ...


def header_json(header: BatchHeader) -> dict[str, Any]:
    """Return a header as `batches.header` keeps it: names, hex for bytes."""
    body = {name: _plain(getattr(header, name)) for name in header.__struct_fields__}
    for name in ("totals", "opening", "closing"):
        body[name] = [
            {key: _plain(getattr(item, key)) for key in item.__struct_fields__}
            for item in getattr(header, name)
        ]
    return body


def _plain(value: object) -> Any:  # noqa: ANN401 - JSON has any shape
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, msgspec.Struct):
        return msgspec.to_builtins(value)
    return value
