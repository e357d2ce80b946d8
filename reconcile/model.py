"""The nouns of reconciliation; its errors stand in `reconcile.errors` and are re-exported here.

Directions are the account owner's (ledger.md, "Bytes"). Money is integer minor units.
Dates are days since 1970-01-01; `occurred_at` is milliseconds since then, UTC.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from reconcile.days import EPOCH as EPOCH
from reconcile.days import FIRST_DAY as FIRST_DAY
from reconcile.days import LAST_DAY as LAST_DAY
from reconcile.days import day_iso as day_iso
from reconcile.days import day_number as day_number
from reconcile.days import window_day as window_day
from reconcile.days import window_of as window_of
from reconcile.errors import Contradiction as Contradiction
from reconcile.errors import InputError as InputError
from reconcile.errors import KanheError as KanheError
from reconcile.errors import OutsideError as OutsideError
from reconcile.errors import ProtocolError as ProtocolError
from reconcile.errors import Remark as Remark
from reconcile.errors import UsageError as UsageError
from reconcile.errors import Where as Where
from reconcile.numbering import StatementNumber as StatementNumber

MAX_AMOUNT_MINOR: Final = 2**63 - 1
MAX_REF_LENGTH: Final = 128
MAX_TEXT_LENGTH: Final = 1_024
ZERO32: Final = bytes(32)


class Side(enum.IntEnum):
    """Whose book: 0 the account servicer, 1 the account owner (ledger.md, "Ledger")."""

    SERVICER = 0
    OWNER = 1

    @property
    def other(self) -> Side:
        """Return the opposite side."""
        return Side(1 - self)

    @property
    def word(self) -> str:
        """Return the word used in JSON: `servicer` or `owner`."""
        return self.name.lower()


class AgreementKind(enum.IntEnum):
    """The three relations that one mechanism serves."""

    BANK_ENTERPRISE = 0
    HEAD_BRANCH = 1
    CLEARING = 2


class Direction(enum.IntEnum):
    """Money into or out of the account, seen from its owner."""

    IN = 0
    OUT = 1

    @property
    def sign(self) -> int:
        """Return +1 for IN, -1 for OUT."""
        return 1 - 2 * self.value

    @property
    def opposite(self) -> Direction:
        """Return the other direction."""
        return Direction(1 - self)


class EntryStatus(enum.IntEnum):
    """Only BOOKED, RETURNED and REVERSED move balances (matching.md, "Direction")."""

    BOOKED = 0
    PENDING = 1
    TIMED_OUT = 2
    VOID = 3
    RETURNED = 4
    REVERSED = 5


MOVING_STATUSES: Final = frozenset(
    {EntryStatus.BOOKED, EntryStatus.RETURNED, EntryStatus.REVERSED},
)


class Carrier(enum.IntEnum):
    """What carries a reference; numbers are protocol (ledger.md), new ones are appended."""

    END_TO_END_ID = 1
    INSTRUCTION_ID = 2
    TRANSACTION_ID = 3
    UETR = 4
    SERVICER_REF = 5
    VOUCHER_NO = 6
    ORDER_NO = 7
    TRACE_NO = 8
    RRN = 9

    @property
    def word(self) -> str:
        """Return the carrier's name in JSON and file headers, e.g. `end_to_end_id`."""
        return self.name.lower()


CARRIER_BY_WORD: Final[Mapping[str, Carrier]] = {item.word: item for item in Carrier}


class BalanceBasis(enum.StrEnum):
    """How a balance is known: stated by the source, running beside a line, or only derived."""

    STATED = "STATED"
    RUNNING = "RUNNING"
    DERIVED = "DERIVED"


class BreakKind(enum.StrEnum):
    """The kinds of matching.md, "Breaks". The report knows no "ours": screens translate."""

    SPLIT = "SPLIT"
    CURRENCY = "CURRENCY"
    DIRECTION = "DIRECTION"
    TIMEOUT = "TIMEOUT"
    STATUS = "STATUS"
    FEE = "FEE"
    ROUNDING = "ROUNDING"
    AMOUNT = "AMOUNT"
    VALUE_DATE = "VALUE_DATE"
    REFERENCE = "REFERENCE"
    PARTY = "PARTY"
    REVERSAL_ORPHAN = "REVERSAL_ORPHAN"
    RETURN = "RETURN"
    DUPLICATE = "DUPLICATE"
    TIMING = "TIMING"
    MISSING_AT_OWNER = "MISSING_AT_OWNER"
    MISSING_AT_SERVICER = "MISSING_AT_SERVICER"
    BALANCE = "BALANCE"
    STATEMENT_GAP = "STATEMENT_GAP"
    # Only in `kanhe audit`, never in a digested report.
    COMMITMENT = "COMMITMENT"
    LEDGER_ONLY = "LEDGER_ONLY"
    BOOK_ONLY = "BOOK_ONLY"


class Mark(enum.StrEnum):
    """Marks stand beside a break's kind; they are never kinds."""

    LATE = "LATE"
    STALE = "STALE"
    NOT_THERE = "NOT_THERE"


class Entry(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """One line of an account statement, as canonical bytes: a MessagePack array.

    First the record type (1), then the fields in this order (ledger.md, "Bytes"); appended only.
    It holds plain values alone and can be in no cycle: the collector passes millions by.
    """

    entry_ref: str
    version: int
    direction: Direction
    amount_minor: int
    currency: str
    booking_date: int
    value_date: int | None = None
    settlement_date: int | None = None
    session: int | None = None
    business_type: str | None = None
    status: EntryStatus = EntryStatus.BOOKED
    is_reversal: bool = False
    references: tuple[tuple[int, str], ...] = ()
    kind: str | None = None
    counterparty_name: str | None = None
    counterparty_account: str | None = None
    remittance: str | None = None
    fee_minor: int | None = None
    group_ref: str | None = None
    reversal_of: str | None = None
    occurred_at: int | None = None
    documents: tuple[tuple[str, bytes], ...] = ()

    @property
    def signed_minor(self) -> int:
        """Return the amount with its sign: IN +, OUT -, whatever the status."""
        return self.amount_minor if self.direction is Direction.IN else -self.amount_minor

    @property
    def moving(self) -> bool:
        """Say whether the entry moves the balance."""
        return self.status in MOVING_STATUSES

    def reference(self, carrier: Carrier) -> str | None:
        """Return the text this carrier holds, if any."""
        return next((text for number, text in self.references if number == carrier), None)


class Decision(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """A person's verdict, effective when both sides posted the same (matching.md, rule 4).

    `verdict`: confirm, reject, unmatch or write_off. Two are equal when all but `decider` are.
    """

    subject: bytes
    previous: bytes
    verdict: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    decider: str


class SectionDigest(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Digests of a report's sections, posted when two reports differ, so that both see where."""

    window: int
    report_digest: bytes
    sections: tuple[tuple[str, bytes], ...]


Record = Entry | Decision | SectionDigest


@dataclass(frozen=True, slots=True)
class Balance:
    """A balance at the end (opening: beginning) of a day; `amount_minor` is never negative."""

    amount_minor: int
    direction: Direction
    date: int
    basis: BalanceBasis

    @property
    def signed_minor(self) -> int:
        """Return the balance with its sign, IN +."""
        return self.amount_minor * self.direction.sign

    @staticmethod
    def of_signed(signed_minor: int, date: int, basis: BalanceBasis) -> Balance:
        """Build a balance from a signed amount."""
        return Balance(abs(signed_minor), Direction(signed_minor < 0), date, basis)


@dataclass(frozen=True, slots=True)
class Statement:
    """One account statement in one currency; `lines[i]` is the source line of `entries[i]`."""

    account: str
    statement_ref: str
    currency: str
    digits: int
    opening_balance: Balance | None
    closing_balance: Balance | None
    entries: tuple[Entry, ...]
    lines: tuple[int, ...]
    contradictions: tuple[Contradiction, ...] = ()
    remarks: tuple[Remark, ...] = ()
    number: StatementNumber | None = None

    @property
    def provable(self) -> bool:
        """Say whether nothing in the file contradicts it."""
        return not self.contradictions


@dataclass(frozen=True, slots=True)
class StatementFile:
    """What one file held: its format (e.g. `camt.053`), profile and statements.

    `turnable`: a perspective says what its debit and credit mean.
    """

    format: str
    profile: str | None
    file_sha256: str
    statements: tuple[Statement, ...]
    turnable: bool = False


@dataclass(frozen=True, slots=True)
class CarriedItem:
    """An open item of the last agreed report, with full content: it outlives its epoch.

    `since_window`: of the report that carried it first; merged breaks keep the oldest's key.
    """

    entry: Entry
    break_key: bytes
    marks: tuple[str, ...] = ()
    since_window: int = 0


@dataclass(frozen=True, slots=True)
class InvalidBatch:
    """A batch both sides exclude, with the reason that stands in the report."""

    side: Side
    seq: int
    reason: str


@dataclass(frozen=True, slots=True)
class SideBook:
    """One side's input to a run: what its closed (or provisional) stream says.

    `entries`: the records since the last agreed report, every version; best an `EntryTable`.
    `opening`, `closing`, `previous_closing` (of the window before): per currency, where known.
    `closed_through`: highest day of closed windows; `late_refs`: posted after watermark or window.
    """

    entries: Sequence[Entry]
    opening: Mapping[str, Balance] = field(default_factory=dict)
    closing: Mapping[str, Balance] = field(default_factory=dict)
    carried: tuple[CarriedItem, ...] = ()
    decisions: tuple[Decision, ...] = ()
    late_refs: frozenset[str] = frozenset()
    watermark_ms: int | None = None
    closed_through: int | None = None
    head: bytes = ZERO32
    gaps: tuple[str, ...] = ()
    previous_closing: Mapping[str, Balance] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OpenResidual:
    """A group's signed servicer sum minus owner sum, open until an entry books it."""

    subject: bytes
    currency: str
    minor: int


@dataclass(frozen=True, slots=True)
class WrittenOff:
    """A write-off that took effect and is not yet booked; each its own line."""

    subject: bytes
    break_key: bytes
    currency: str
    minor: int


class MatchGroup(msgspec.Struct, frozen=True, gc=False):
    """A confirmed group; refs are sorted as UTF-8 bytes. A million are made in one run."""

    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    currency: str
    residual_minor: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """Candidates that nobody confirmed; up to 16 refs a side by rule 2, plus both counts."""

    key: bytes
    pass_name: str
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    servicer_count: int
    owner_count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Break:
    """An unreconciled difference. `signed`: per currency, servicer's sum - owner's, IN +.

    `side`, `unexplained_minor` (found - expected): of BALANCE and STATEMENT_GAP, without entries.
    """

    key: bytes
    kind: BreakKind
    servicer: tuple[str, ...]
    owner: tuple[str, ...]
    signed: tuple[tuple[str, int], ...]
    age_days: int
    marks: tuple[Mark, ...] = ()
    also: tuple[BreakKind, ...] = ()
    proposals: tuple[bytes, ...] = ()
    merged_keys: tuple[bytes, ...] = ()
    side: Side | None = None
    unexplained_minor: int | None = None
