"""Whether a batch counts: a pure function of what both institutions know (ledger.md, "Bytes").

The poster's node judges by the same code as its counterparty's. The checks have a fixed order, so a
bad batch has one reason on every machine; it is excluded by both, the reason stands in the report,
its entries count as not posted and may be posted again, and the stream goes on.

That a window's opening balance is the closing of the one before it is not judged here: windows
interleave, so what the closing *is* becomes known later. It is an identity of the report.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol

from reconcile.commitment.header import BatchHeader, PlainBatch, totals_of
from reconcile.commitment.heads import BatchPlace
from reconcile.commitment.records import RECORD_FORMATS
from reconcile.model import Direction, Entry, EntryStatus, Record, Side


class Reason(enum.StrEnum):
    """Why a batch does not count, in the order of the checks. Words are protocol: never renamed."""

    # the payload (node.crypto.sealing)
    PAYLOAD_SIZE = "PAYLOAD_SIZE"
    SUITE_UNKNOWN = "SUITE_UNKNOWN"
    NOT_OPENED = "NOT_OPENED"
    FRAME_LENGTH = "FRAME_LENGTH"
    FRAME_PADDING = "FRAME_PADDING"
    FRAME_MALFORMED = "FRAME_MALFORMED"
    PLAINTEXT_TOO_LARGE = "PLAINTEXT_TOO_LARGE"
    TOO_MANY_RECORDS = "TOO_MANY_RECORDS"
    PLAINTEXT_MALFORMED = "PLAINTEXT_MALFORMED"
    COMMITMENT_MISMATCH = "COMMITMENT_MISMATCH"
    # its parts (reconcile.commitment.plain, records)
    HEADER_MALFORMED = "HEADER_MALFORMED"
    RECORD_TOO_LONG = "RECORD_TOO_LONG"
    RECORD_MALFORMED = "RECORD_MALFORMED"
    RECORD_NOT_CANONICAL = "RECORD_NOT_CANONICAL"
    RECORD_FIELD = "RECORD_FIELD"
    # what the header says
    HEADER_PLACE = "HEADER_PLACE"
    FORMAT_NOT_AGREED = "FORMAT_NOT_AGREED"
    REPRESENTED_WRONG = "REPRESENTED_WRONG"
    GENERATION_LOWERED = "GENERATION_LOWERED"
    HEADER_COUNT = "HEADER_COUNT"
    HEADER_TOTALS = "HEADER_TOTALS"
    CURRENCY_NOT_AGREED = "CURRENCY_NOT_AGREED"
    # what the records say against the earlier ones
    VERSION_CONFLICT = "VERSION_CONFLICT"
    VERSION_GAP = "VERSION_GAP"
    AMENDMENT_WINDOW = "AMENDMENT_WINDOW"
    AMENDMENT_STATUS = "AMENDMENT_STATUS"
    AMENDMENT_AMOUNT = "AMENDMENT_AMOUNT"


# "PENDING or TIMED_OUT → BOOKED or VOID": every other status stays what it is.
TRANSITIONS: Final[Mapping[EntryStatus, frozenset[EntryStatus]]] = {
    status: frozenset({status, EntryStatus.BOOKED, EntryStatus.VOID})
    if status in {EntryStatus.PENDING, EntryStatus.TIMED_OUT}
    else frozenset({status})
    for status in EntryStatus
}


class Known(NamedTuple):
    """One version of an entry that stands: what an amendment or a repeat is held against."""

    version: int
    window: int
    record_hash: bytes
    direction: Direction
    amount_minor: int
    currency: str
    status: EntryStatus

    @staticmethod
    def of(entry: Entry, record: bytes, window: int) -> Known:
        """Return what is remembered of an entry in a valid batch of `window`."""
        return Known(
            entry.version,
            window,
            hashlib.sha256(record).digest(),
            entry.direction,
            entry.amount_minor,
            entry.currency,
            entry.status,
        )


class Earlier(Protocol):
    """The side's earlier valid batches, as far as judging needs them."""

    @property
    def generation(self) -> int:
        """Return the highest generation of an earlier valid batch, 0 without one."""
        ...

    def versions(self, entry_refs: Collection[str]) -> Mapping[str, tuple[Known, ...]]:
        """Return the standing versions of each ref, ascending; a ref without any may be absent."""
        ...


@dataclass(frozen=True, slots=True)
class BatchRules:
    """What the terms in force at the batch's window and the agreement say about it.

    `currencies` of the terms, None for any; `represented` is the represented side, None for none.
    """

    entry_format: str = "1"
    currencies: frozenset[str] | None = None
    represented: Side | None = None


@dataclass(frozen=True, slots=True)
class Validity:
    """The verdict. `at` is the leaf that it points to; the header is leaf 0.

    Of a valid batch: `repeats` are the leaves that repeat a standing entry byte by byte (they count
    once and are listed), `amendments` those that replace a standing version.
    """

    reason: Reason | None
    says: str = ""
    at: int | None = None
    repeats: tuple[int, ...] = ()
    amendments: tuple[int, ...] = ()

    @property
    def valid(self) -> bool:
        """Say whether the batch counts."""
        return self.reason is None


def judge_batch(
    batch: PlainBatch, place: BatchPlace, rules: BatchRules, earlier: Earlier
) -> Validity:
    """Judge a batch that opened; `place` is what the ledger's event says about it."""
    return _header_verdict(batch, place, rules, earlier) or _records_verdict(batch, earlier)


# ------------------------------------------------------------------ the header
def _header_verdict(
    batch: PlainBatch, place: BatchPlace, rules: BatchRules, earlier: Earlier
) -> Validity | None:
    header = batch.header
    stream = place.stream
    if (header.agreement, header.side, header.seq, header.window) != (
        stream.agreement,
        stream.side,
        place.seq,
        place.window,
    ):
        return _invalid(Reason.HEADER_PLACE, "the header names another place than the event", 0)
    if header.formats != RECORD_FORMATS or dict(RECORD_FORMATS)[1] != rules.entry_format:
        return _invalid(Reason.FORMAT_NOT_AGREED, "the formats are not those of the terms", 0)
    if header.represented != (rules.represented == stream.side):
        return _invalid(Reason.REPRESENTED_WRONG, "the header is wrong about representation", 0)
    if header.generation < earlier.generation:
        says = f"generation {header.generation} follows {earlier.generation}"
        return _invalid(Reason.GENERATION_LOWERED, f"{says}: an older copy of the node posted", 0)
    return _sums_verdict(batch, header, rules)


def _sums_verdict(batch: PlainBatch, header: BatchHeader, rules: BatchRules) -> Validity | None:
    if header.count != len(batch.records):
        says = f"the header counts {header.count} records, there are {len(batch.records)}"
        return _invalid(Reason.HEADER_COUNT, says, 0)
    if header.totals != totals_of(batch.entries):
        return _invalid(Reason.HEADER_TOTALS, "the header's totals are not the records'", 0)
    if rules.currencies is not None:
        named = {total.currency for total in header.totals}
        named |= {balance.currency for balance in (*header.opening, *header.closing)}
        unknown = sorted(named - rules.currencies)
        if unknown:
            says = f"{unknown[0]} is no currency of the terms"
            return _invalid(Reason.CURRENCY_NOT_AGREED, says, 0)
    return None


# ------------------------------------------------------------------ the records
def _records_verdict(batch: PlainBatch, earlier: Earlier) -> Validity:
    """Walk the entries in order; a version that this batch brings stands for the next one."""
    refs = {entry.entry_ref for entry in batch.entries}
    standing = dict(earlier.versions(refs))
    if not standing and len(refs) == len(batch.records) and _all_first(batch.records):
        # What is new, and is its entry's first version, has nothing to be held against.
        return Validity(None)
    repeats: list[int] = []
    amendments: list[int] = []
    for index, record in enumerate(batch.records, start=1):
        if not isinstance(record, Entry):
            continue
        known = Known.of(record, batch.items[index], batch.header.window)
        versions = standing.get(record.entry_ref, ())
        same = next((item for item in versions if item.version == known.version), None)
        if same is not None and same.record_hash == known.record_hash:
            repeats.append(index)
            continue
        refusal = _identity_verdict(record, known, versions, same, index)
        if refusal is not None:
            return refusal
        if versions:
            amendments.append(index)
        standing[record.entry_ref] = (*versions, known)
    return Validity(None, repeats=tuple(repeats), amendments=tuple(amendments))


def _all_first(records: Sequence[Record]) -> bool:
    return all(isinstance(record, Entry) and not record.version for record in records)


def _identity_verdict(
    entry: Entry, known: Known, versions: tuple[Known, ...], same: Known | None, index: int
) -> Validity | None:
    name = f"{entry.entry_ref} version {entry.version}"
    if same is not None:
        return _invalid(Reason.VERSION_CONFLICT, f"{name} stands with other bytes", index)
    expected = versions[-1].version + 1 if versions else 0
    if entry.version != expected:
        return _invalid(Reason.VERSION_GAP, f"{name} comes where {expected} is next", index)
    if not versions:
        return None
    last = versions[-1]
    if known.window < last.window:
        return _invalid(
            Reason.AMENDMENT_WINDOW,
            f"{name} amends window {last.window} from an earlier one",
            index,
        )
    if known.status not in TRANSITIONS[last.status]:
        says = f"{name} turns {last.status.name} into {known.status.name}"
        return _invalid(Reason.AMENDMENT_STATUS, says, index)
    if _fixed(last) and (last.direction, last.amount_minor, last.currency) != (
        known.direction,
        known.amount_minor,
        known.currency,
    ):
        says = f"{name} changes amount, direction or currency of a booked entry"
        return _invalid(Reason.AMENDMENT_AMOUNT, says, index)
    return None


def _fixed(known: Known) -> bool:
    """Say whether the entry moved the balance: then only a reversal entry corrects it."""
    return known.status in {EntryStatus.BOOKED, EntryStatus.RETURNED, EntryStatus.REVERSED}


def _invalid(reason: Reason, says: str, at: int) -> Validity:
    return Validity(reason, says, at)


# ------------------------------------------------------------------ a state in memory
@dataclass(slots=True)
class StreamState:
    """`Earlier` in memory: feed it every valid batch in the order of the stream."""

    generation: int = 0
    _versions: dict[str, tuple[Known, ...]] = field(default_factory=dict)

    def versions(self, entry_refs: Collection[str]) -> Mapping[str, tuple[Known, ...]]:
        """Return the standing versions of each ref."""
        return {ref: self._versions[ref] for ref in entry_refs if ref in self._versions}

    def take(self, batch: PlainBatch, validity: Validity) -> None:
        """Remember a valid batch."""
        assert validity.valid, "an invalid batch changes nothing"
        self.generation = max(self.generation, batch.header.generation)
        repeated = set(validity.repeats)
        for index, record in enumerate(batch.records, start=1):
            if isinstance(record, Entry) and index not in repeated:
                known = Known.of(record, batch.items[index], batch.header.window)
                ref = record.entry_ref
                self._versions[ref] = (*self._versions.get(ref, ()), known)
