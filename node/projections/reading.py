"""What a batch turns out to be once this node tries to read it."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.chain.codec import BatchPosted, Contracts
from node.crypto.judging import judge_payload
from node.db import among
from node.tables import Batch, PostedEntry
from reconcile.commitment.header import BatchHeader
from reconcile.commitment.heads import BatchPlace, Stream
from reconcile.commitment.validity import BatchRules, Known
from reconcile.model import Direction, EntryStatus, Record, Side

SEALED: Final = "SEALED"
VALID: Final = "VALID"
INVALID: Final = "INVALID"


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
    """Opens and judges a batch; `BatchOpener` does, with what the composition root gives it."""

    def __call__(self, session: Session, batch: BatchPosted) -> Reading:
        """Read a batch by the rows of the side's earlier batches; never raises for poison."""
        ...


# (session, agreement, side, epoch) → the committed epoch key, None where this node has none.
KeyOf = Callable[[Session, bytes, int, int], bytes | None]
# (session, agreement, window) → what the terms in force say, None where they are not open here.
RulesOf = Callable[[Session, bytes, int], BatchRules | None]


class BatchOpener:
    """Opens a payload with the key that the ledger commits to and judges it by the terms."""

    def __init__(self, contracts: Contracts, *, key_of: KeyOf, rules_of: RulesOf) -> None:
        """Take where keys and terms come from: services keep both."""
        self._contracts = contracts
        self._key_of = key_of
        self._rules_of = rules_of

    def __call__(self, session: Session, batch: BatchPosted) -> Reading:
        """Return what the batch turned out to be."""
        key = self._key_of(session, batch.agreement, batch.side, batch.epoch)
        rules = self._rules_of(session, batch.agreement, batch.window)
        if key is None or rules is None:
            return Reading(SEALED)
        side = Side(batch.side)
        stream = Stream(self._contracts.chain_id, self._contracts.ledger, batch.agreement, side)
        judged = judge_payload(
            batch.payload,
            batch.commitment,
            BatchPlace(stream, batch.seq, batch.window, batch.epoch),
            key,
            rules,
            EarlierRows(session, batch.agreement, batch.side),
        )
        validity, opened = judged.validity, judged.opened
        header = None if opened is None else opened.plain.header
        if not validity.valid or opened is None:
            return Reading(INVALID, str(validity.reason), header)
        return Reading(
            VALID,
            header=header,
            records=opened.plain.records,
            items=opened.plain.items[1:],
            repeats=frozenset(validity.repeats),
        )


@dataclass(frozen=True, slots=True)
class EarlierRows:
    """A side's earlier valid batches, by their rows: what `judge_batch` asks for."""

    session: Session
    agreement: bytes
    side: int

    @property
    def generation(self) -> int:
        """Return the highest generation of an earlier valid batch."""
        highest = select(func.max(Batch.generation)).where(
            Batch.agreement == self.agreement, Batch.side == self.side, Batch.state == VALID
        )
        return self.session.scalar(highest) or 0

    def versions(self, entry_refs: Collection[str]) -> Mapping[str, tuple[Known, ...]]:
        """Return the standing versions of each ref, ascending."""
        found: defaultdict[str, list[Known]] = defaultdict(list)
        if entry_refs:
            rows = self.session.execute(
                select(
                    PostedEntry.entry_ref,
                    PostedEntry.version,
                    PostedEntry.window,
                    PostedEntry.record,
                    PostedEntry.direction,
                    PostedEntry.amount_minor,
                    PostedEntry.currency,
                    PostedEntry.status,
                )
                .where(
                    PostedEntry.agreement == self.agreement,
                    PostedEntry.side == self.side,
                    among(self.session, PostedEntry.entry_ref, sorted(entry_refs)),
                    PostedEntry.repeat.is_(False),
                )
                .order_by(PostedEntry.version)
            )
            for ref, version, window, record, direction, minor, currency, status in rows:
                found[ref].append(
                    Known(
                        version,
                        window,
                        hashlib.sha256(record).digest(),
                        Direction(direction),
                        minor,
                        currency,
                        EntryStatus(status),
                    )
                )
        return {ref: tuple(known) for ref, known in found.items()}


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
