"""The batch header, leaf 0, and the plaintext that is sealed (ledger.md, "Header").

The plaintext is one MessagePack array: the header's array, then each record's array, all canonical.
The header states the batch's totals again, so that a reader who trusts the signed header can see
that no record is missing, and a header that lies makes the batch invalid for everyone.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from reconcile.commitment.records import (
    MAX_DAY,
    MAX_TIME_MS,
    RECORD_FORMATS,
    Problem,
    encode_record,
)
from reconcile.model import (
    Balance,
    BalanceBasis,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    Record,
    Side,
    Where,
)

# 120,000 sealed bytes hold about 3,000 entries of 120 bytes; ten times that is no honest batch.
MAX_PLAINTEXT_BYTES: Final = 4_194_304
MAX_RECORDS: Final = 16_384
MAX_CURRENCIES: Final = 32
MAX_SOURCES: Final = 64
MAX_GENERATION: Final = 2**32 - 1
# Sums of at most MAX_RECORDS amounts, and balances, stay far below this many digits.
MAX_SUM_DIGITS: Final = 30

_CURRENCY: Final = re.compile(r"[A-Z]{3}")
_DECIMAL: Final = re.compile(r"0|[1-9][0-9]*")
_encode: Final = msgspec.msgpack.Encoder().encode


class Totals(msgspec.Struct, frozen=True, array_like=True):
    """Number and sum of a batch's entries of one currency and status; all decimal strings."""

    currency: str
    status: EntryStatus
    in_count: str
    in_minor: str
    out_count: str
    out_minor: str


class HeaderBalance(msgspec.Struct, frozen=True, array_like=True):
    """A balance of the window; `amount_minor` is a decimal string and never negative."""

    currency: str
    amount_minor: str
    direction: Direction
    date: int
    basis: BalanceBasis

    @staticmethod
    def of(currency: str, balance: Balance) -> HeaderBalance:
        """Write a balance down as a header states it; a zero has one form, IN."""
        direction = balance.direction if balance.amount_minor else Direction.IN
        return HeaderBalance(
            currency, str(balance.amount_minor), direction, balance.date, balance.basis
        )

    @property
    def balance(self) -> Balance:
        """Return the balance that this states."""
        return Balance(int(self.amount_minor), self.direction, self.date, self.basis)


class BatchHeader(msgspec.Struct, frozen=True, array_like=True, tag=0):
    """Leaf 0: what the batch is, where it belongs and what its records add up to.

    `formats` is (record type, format) in ascending order; `count` the number of records without
    the header; `opening` and `closing` are of the *window*, one a currency in ascending order, a
    currency without one is left out; `complete_until` (ms) says that every entry of this side that
    occurred up to then is posted; `sources` are SHA-256 of the files, ascending; `represented` says
    that the member posts from its counterparty's file (ledger.md, "represented").
    """

    agreement: bytes
    side: Side
    seq: int
    window: int
    formats: tuple[tuple[int, str], ...]
    generation: int
    count: int
    totals: tuple[Totals, ...] = ()
    opening: tuple[HeaderBalance, ...] = ()
    closing: tuple[HeaderBalance, ...] = ()
    complete_until: int | None = None
    sources: tuple[bytes, ...] = ()
    represented: bool = False


@dataclass(frozen=True, slots=True)
class PlainBatch:
    """A batch before sealing or after opening: `items[0]` is the header's bytes.

    `records[i]` is what `items[i + 1]` decodes to.
    """

    header: BatchHeader
    records: tuple[Record, ...]
    items: tuple[bytes, ...]
    plaintext: bytes = field(repr=False)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return the entries among the records, in order."""
        return tuple(record for record in self.records if isinstance(record, Entry))


def build_batch(
    *,
    agreement: bytes,
    side: Side,
    seq: int,
    window: int,
    records: Sequence[Record] = (),
    record_bytes: Sequence[bytes] | None = None,
    generation: int = 0,
    opening: Mapping[str, Balance] | None = None,
    closing: Mapping[str, Balance] | None = None,
    complete_until: int | None = None,
    sources: Iterable[bytes] = (),
    represented: bool = False,
) -> PlainBatch:
    """Build a batch whose header tells the truth about `records`.

    `record_bytes` saves encoding again what the caller already encoded with `encode_record`, in the
    same order. Raises `InputError` BATCH_TOO_LARGE, HEADER_FIELD, or what `encode_record` raises.
    """
    encoded = (
        [encode_record(record) for record in records] if record_bytes is None else record_bytes
    )
    assert len(encoded) == len(records), "one encoding a record"
    header = BatchHeader(
        agreement=agreement,
        side=side,
        seq=seq,
        window=window,
        formats=RECORD_FORMATS,
        generation=generation,
        count=len(records),
        totals=totals_of(record for record in records if isinstance(record, Entry)),
        opening=_balances(opening),
        closing=_balances(closing),
        complete_until=complete_until,
        sources=tuple(sorted(set(sources))),
        represented=represented,
    )
    if len(header.sources) > MAX_SOURCES or _currencies(header) > MAX_CURRENCIES:
        raise _too_large(f"{len(header.sources)} files and {_currencies(header)} currencies")
    problem = header_problem(header)
    if problem is not None:
        raise InputError(
            "HEADER_FIELD",
            f"{problem.field} {problem.says}",
            where=Where(field=problem.field),
            help="Correct the balances or totals of the import.",
        )
    items = (_encode(header), *encoded)
    plaintext = join_items(items)
    if len(plaintext) > MAX_PLAINTEXT_BYTES or len(records) > MAX_RECORDS:
        raise _too_large(f"{len(records)} records of {len(plaintext)} bytes")
    return PlainBatch(header, tuple(records), items, plaintext)


def _too_large(what: str) -> InputError:
    return InputError(
        "BATCH_TOO_LARGE",
        f"{what} are more than one batch holds: {MAX_RECORDS} records, {MAX_PLAINTEXT_BYTES} "
        f"bytes, {MAX_SOURCES} files, {MAX_CURRENCIES} currencies",
        help="Split them over several batches.",
    )


def _currencies(header: BatchHeader) -> int:
    return len({total.currency for total in header.totals})


def join_items(items: Sequence[bytes]) -> bytes:
    """Return the MessagePack array of items that are MessagePack already."""
    return _encode([msgspec.Raw(item) for item in items])


def totals_of(entries: Iterable[Entry]) -> tuple[Totals, ...]:
    """Return number and sum per currency and status, in ascending order of both."""
    sums: defaultdict[tuple[str, int], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for entry in entries:
        row = sums[entry.currency, int(entry.status)]
        at = 2 * int(entry.direction)
        row[at] += 1
        row[at + 1] += entry.amount_minor
    return tuple(
        Totals(currency, EntryStatus(status), *(str(number) for number in row))
        for (currency, status), row in sorted(sums.items())
    )


def header_problem(header: BatchHeader) -> Problem | None:
    """Return the first field of a header that breaks a limit, in field order, or None."""
    if len(header.agreement) != 32:  # noqa: PLR2004 - a hash
        return Problem("agreement", "is not 32 bytes")
    if not 0 <= header.generation <= MAX_GENERATION:
        return Problem("generation", "is out of range")
    for name in ("opening", "closing"):
        problem = _balances_problem(name, getattr(header, name))
        if problem is not None:
            return problem
    if _currencies(header) > MAX_CURRENCIES:
        return Problem("totals", f"name more than {MAX_CURRENCIES} currencies")
    until = header.complete_until
    if until is not None and not 0 <= until <= MAX_TIME_MS:
        return Problem("complete_until", "is no moment between 1970 and 9999")
    if len(header.sources) > MAX_SOURCES:
        return Problem("sources", f"are more than {MAX_SOURCES}")
    if any(len(digest) != 32 for digest in header.sources):  # noqa: PLR2004 - SHA-256
        return Problem("sources", "hold a digest that is not a SHA-256")
    if list(header.sources) != sorted(set(header.sources)):
        return Problem("sources", "are not ascending, each once")
    return None


def _balances(balances: Mapping[str, Balance] | None) -> tuple[HeaderBalance, ...]:
    return tuple(
        HeaderBalance.of(name, balance) for name, balance in sorted((balances or {}).items())
    )


def _balances_problem(name: str, balances: Sequence[HeaderBalance]) -> Problem | None:
    if len(balances) > MAX_CURRENCIES:
        return Problem(name, f"names more than {MAX_CURRENCIES} currencies")
    currencies = [balance.currency for balance in balances]
    if currencies != sorted(set(currencies)):
        return Problem(name, "is not ascending, each currency once")
    for balance in balances:
        if not _CURRENCY.fullmatch(balance.currency):
            return Problem(name, "names a currency that is not three capital letters")
        digits = balance.amount_minor
        if len(digits) > MAX_SUM_DIGITS or not _DECIMAL.fullmatch(digits):
            return Problem(name, "holds an amount that is no decimal string")
        if digits == "0" and balance.direction is not Direction.IN:
            return Problem(name, "holds a zero with a direction other than IN")
        if not 0 <= balance.date <= MAX_DAY:
            return Problem(name, "has a date that is no day between 1970-01-01 and 9999-12-31")
    return None
