"""Profiles: what a bank's, wallet's or clearing house's table looks like, as data in TOML.

A profile names the header (or, for lines of fixed width, the positions) it is recognised by, which
column carries which field, and, where a table is more than one account's list, by which rules a
row moves the account (`wallets.py`). Shipped ones stand in `profile_data/`; a user's own are given
as arguments (`profile_check.load_profile`) and written in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib import resources
from typing import Final, Literal

import msgspec

from reconcile.model import UsageError
from reconcile.statements.tables import Row

GENERIC: Final = "generic"
HEADER_SEARCH_ROWS: Final = 200

Moves = Literal["always", "never", "own_funds", "own_funds_or_blank"]
Way = Literal["IN", "OUT"]


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule for a row's direction and whether it moves the account; the first that fits wins.

    `when`: field -> regular expression found in that cell. `amount`: the field that holds this
    kind of row's amount. `status`: what the row is when it moved the account.
    """

    when: dict[str, str]
    direction: Way
    moves: Moves = "always"
    amount: str = "amount"
    status: str | None = None
    is_reversal: bool = False


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a status text means; the first whose expression fits the whole text wins."""

    match: str
    status: str


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How rows move the account.

    `own_funds`: expression found in the funding column when this account paid or was paid.
    `unsigned`: the amount's sign says nothing, the flow has the direction.
    `paid_then_closed`: status text of an order that is closed; it counts as paid when a refund
    row's order number begins with the order's and `refund_separator`.
    """

    flows: tuple[Flow, ...]
    own_funds: str = ""
    states: tuple[State, ...] = ()
    unsigned: bool = False
    fee_pattern: str | None = None
    paid_then_closed: str | None = None
    refund_separator: str | None = None


class Total(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A control total in words above or below the rows: groups `count` and `sum`.

    It counts the rows whose `sign` cell is this, whose direction is this, whose cells fit `when`.
    One below the rows must be there when it has rows to count, unless it is `optional`.
    """

    pattern: str
    place: Literal["head", "foot"] = "head"
    sign: str | None = None
    direction: Way | None = None
    when: dict[str, str] = {}
    optional: bool = False


class FootTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of sums under the entries, recognised by its first cell."""

    first_cell: str


class ColumnTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One column of a table of totals: `of` is "count" or the field that is summed."""

    column: str
    of: str
    direction: Way | None = None


class FootTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A second header with one row of totals under the entries."""

    header: tuple[str, ...]
    totals: tuple[ColumnTotal, ...]


class Fees(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Several fee columns of one row: what is paid, less what is received.

    `signed` columns say it in front of the figure: C received, D paid.
    """

    payable: tuple[str, ...] = ()
    receivable: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()


class FixedTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that states the number or the sum of the entries; positions as [first, width]."""

    line: str
    count: tuple[int, int] | None = None
    sum: tuple[int, int] | None = None
    direction: Way | None = None


class FixedFact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line that says something about the whole file; positions as [first, width]."""

    line: str
    account: tuple[int, int] | None = None
    statement_ref: tuple[int, int] | None = None
    currency: tuple[int, int] | None = None
    settlement_date: tuple[int, int] | None = None
    opening_balance: tuple[int, int] | None = None
    closing_balance: tuple[int, int] | None = None


class Fixed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Lines of fixed width: `columns` name -> [first position from 1, width].

    `recognise`: expression that the first line fits. `detail`: which lines are entries; without
    it, all that are neither fact nor total. `unit`: whether positions count bytes or characters.
    `length`: the least length of an entry's line.
    """

    columns: dict[str, tuple[int, int]]
    recognise: str
    detail: str | None = None
    unit: Literal["bytes", "characters"] = "bytes"
    length: int = 1
    facts: tuple[FixedFact, ...] = ()
    totals: tuple[FixedTotal, ...] = ()


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table's layout. `columns`: field -> header names, the first that exists counts.

    Amounts: `amount` (signed, or with `direction`), `amount_in` and `amount_out`, or `debit`
    and `credit` with `debit_in` saying whether a debit is money in. `out_negative`: the column
    of money out is written with a minus. `implied_decimals`: amounts are minor units without a
    dot. `source_ref`: the fields that together name an entry. `source`: where the layout is
    known from.
    """

    name: str
    title: str
    columns: dict[str, tuple[str, ...]]
    header: tuple[str, ...] = ()
    source: str = ""
    currency: str | None = None
    utc_offset_min: int | None = None
    account_pattern: str | None = None
    account_label: str | None = None
    period_pattern: str | None = None
    party_pattern: str | None = None
    file_date_pattern: str | None = None
    date_format: str | None = None
    source_ref: str | tuple[str, ...] | None = None
    totals: tuple[Total, ...] = ()
    foot_total: FootTotal | None = None
    foot_table: FootTable | None = None
    rules: Rules | None = None
    fees: Fees | None = None
    fixed: Fixed | None = None
    debit_in: bool | None = None
    decimal_comma: bool = False
    month_first: bool = False
    out_negative: bool = False
    implied_decimals: bool = False
    autodetect: bool = True

    @property
    def ref_fields(self) -> tuple[str, ...]:
        """Return the fields of `source_ref` as a tuple."""
        if self.source_ref is None:
            return ()
        return (self.source_ref,) if isinstance(self.source_ref, str) else self.source_ref


@cache
def profiles() -> dict[str, Profile]:
    """Return every shipped profile by name, in name order."""
    folder = resources.files("reconcile.statements") / "profile_data"
    files = sorted(
        (item for item in folder.iterdir() if item.name.endswith(".toml")),
        key=lambda item: item.name,
    )
    found = [msgspec.toml.decode(item.read_bytes(), type=Profile) for item in files]
    return {one.name: one for one in found}


def profile_named(name: str, own: Sequence[Profile] = ()) -> Profile:
    """Return a profile, the user's own before a shipped one, or say which there are."""
    found = next((one for one in own if one.name == name), None) or profiles().get(name)
    if found is None:
        names = ", ".join([GENERIC, *(one.name for one in own), *profiles()])
        raise UsageError(
            "PROFILE_UNKNOWN",
            f"there is no profile {name!r}",
            help=f"--profile is one of {names}, or a TOML file; without it one is recognised",
        )
    return found


def squeeze(text: str) -> str:
    """Return a header cell for comparison: no spaces, full-width brackets made narrow."""
    text = re.sub(r"\s+", "", text).strip("\ufeff`\"'")
    return text.translate(str.maketrans("（）：／＋－", "():/+-")).lower()


def header_row(rows: Sequence[Row], names: Sequence[str], start: int = 0) -> int | None:
    """Return the index of the first row that holds all these header names, None if none does."""
    wanted = {squeeze(name) for name in names}
    for index in range(start, min(len(rows), start + HEADER_SEARCH_ROWS)):
        if wanted <= {squeeze(cell) for cell in rows[index][1]}:
            return index
    return None


def recognise(rows: Sequence[Row], own: Sequence[Profile] = ()) -> Profile | None:
    """Return the profile whose header the table has: the user's own, then the longest header."""
    fitting = [
        (position < len(own), len(one.header), one)
        for position, one in enumerate([*own, *profiles().values()])
        if one.autodetect and one.header and header_row(rows, one.header) is not None
    ]
    best = max(fitting, key=lambda item: item[:2], default=None)
    return None if best is None else best[2]
