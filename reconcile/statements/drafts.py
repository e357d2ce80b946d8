"""What parsers fill: drafts of entries and statements, and the list of contradictions.

A parser never decides whether a file is refused: it reports what contradicts the file or its
standard and goes on where it can. `assemble` refuses (strict) or marks not provable (lenient).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from reconcile.model import (
    Balance,
    BalanceBasis,
    Contradiction,
    Direction,
    EntryStatus,
    InputError,
    Remark,
    StatementNumber,
    Where,
)

MAX_CONTRADICTIONS: Final = 100
"""A refusal lists at most this many contradictions (matching.md, "Statements")."""

MAX_FILE_BYTES: Final = 512 * 1024 * 1024
MAX_ENTRIES: Final = 5_000_000
MAX_STREAM_BYTES: Final = 16 * 1024 * 1024 * 1024
MAX_STREAM_ENTRIES: Final = 50_000_000
MAX_STATEMENTS: Final = 100_000


class Draft(msgspec.Struct, gc=False, array_like=True):
    """An entry before it has its `entry_ref`; `line` from 1, `running_minor` signed.

    `source_ref`: what the source itself calls the entry. `named`: the source promises that
    this reference is the entry's identity, so a repeat is an error and not a reason to hash.
    """

    line: int
    direction: Direction
    amount_minor: int
    currency: str
    booking_date: int
    value_date: int | None = None
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
    settlement_date: int | None = None
    session: int | None = None
    business_type: str | None = None
    version: int = 0
    source_ref: str | None = None
    named: bool = False
    running_minor: int | None = None


class Drafts(Protocol):
    """Where a statement's drafts are kept: a list, or a store that does not grow in memory."""

    def append(self, draft: Draft, /) -> None:
        """Add one."""

    def extend(self, drafts: Iterable[Draft], /) -> None:
        """Add several."""

    def __iter__(self) -> Iterator[Draft]:
        """Return them in order, as often as asked."""

    def __len__(self) -> int:
        """Return how many there are."""


@dataclass(slots=True)
class Findings:
    """Contradictions in the order they were met; only the first hundred are kept."""

    items: list[Contradiction] = field(default_factory=list)
    count: int = 0

    def add(
        self,
        code: str,
        message: str,
        *,
        line: int | None = None,
        field: str | None = None,
        expected: str | None = None,
        found: str | None = None,
    ) -> None:
        """Note one contradiction."""
        self.count += 1
        if len(self.items) < MAX_CONTRADICTIONS:
            found = found if found is None else found[:200]
            self.items.append(Contradiction(code, message, line, field, expected, found))


@dataclass(slots=True)
class StatementDraft:
    """A statement before assembly. `line` is where it begins, `end_line` where it ends.

    `check_totals`: whether opening + entries = closing must hold; `running_newest_first`: the
    order of running balances, None where the source has none.
    """

    account: str = ""
    statement_ref: str = ""
    currency: str | None = None
    opening: Balance | None = None
    closing: Balance | None = None
    entries: Drafts = field(default_factory=list[Draft])
    findings: Findings = field(default_factory=Findings)
    line: int = 1
    end_line: int | None = None
    check_totals: bool = True
    number: StatementNumber | None = None
    remarks: list[Remark] = field(default_factory=list)

    def remark(self, code: str, says: str, line: int) -> None:
        """Note what is odd and refuses nothing; only the first hundred are kept."""
        if len(self.remarks) < MAX_CONTRADICTIONS:
            self.remarks.append(Remark(code, says, line))


@dataclass(slots=True)
class FileDraft:
    """One file before assembly; `findings` concern the file as a whole.

    `drafts`: makes the place where a statement's entries are kept; a list without it. `turnable`:
    debit and credit in it mean what the perspective says.
    """

    name: str
    format: str
    profile: str | None = None
    sha256: str = ""
    statements: list[StatementDraft] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    drafts: Callable[[Findings], Drafts] | None = None
    turnable: bool = False

    def new_statement(self, *, line: int) -> StatementDraft:
        """Return an empty statement whose entries are kept where this file's are."""
        statement = StatementDraft(line=line)
        if self.drafts is not None:
            statement.entries = self.drafts(statement.findings)
        return statement


def stated(signed_minor: int, day: int) -> Balance:
    """Return a balance that the source states."""
    return Balance.of_signed(signed_minor, day, BalanceBasis.STATED)


def refuse(
    code: str,
    message: str,
    *,
    file: str | None,
    line: int | None = None,
    field: str | None = None,
    help: str = "",  # noqa: A002 - the word of interfaces.md
) -> InputError:
    """Build the error for a file that cannot be read at all, not even leniently."""
    return InputError(code, message, where=Where(file, line, field), help=help)
