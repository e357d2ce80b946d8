"""Profiles: what a bank's or wallet's table looks like, as data in `profile_data/*.toml`.

A profile names the header it is recognised by, which column carries which field, and, for
wallets, which status and which source of funds move the account (`wallets.py`).
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


class Flow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule for a row's direction and whether it moves the account; the first that fits wins.

    `when`: field -> regular expression found in that cell.
    """

    when: dict[str, str]
    direction: Literal["IN", "OUT"]
    moves: Moves


class State(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a status text means; the first whose expression fits the whole text wins."""

    match: str
    status: str


class Wallet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a wallet's rows move one of its accounts.

    `own_funds`: expression found in the funding column when this account paid or was paid.
    `paid_then_closed`: status text of an order that is closed; it counts as paid when a refund
    row's order number begins with the order's and `refund_separator`.
    """

    own_funds: str
    flows: tuple[Flow, ...]
    states: tuple[State, ...]
    fee_pattern: str | None = None
    paid_then_closed: str | None = None
    refund_separator: str | None = None


class HeadTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A control total above the header: groups `count` and `sum`, of rows with this sign."""

    pattern: str
    sign: str | None = None


class FootTotal(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A row of sums under the entries, recognised by its first cell."""

    first_cell: str


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A table's layout. `columns`: field -> header names, the first that exists counts.

    Amounts: `amount` (signed, or with `direction`), `amount_in` and `amount_out`, or `debit`
    and `credit` with `debit_in` saying whether a debit is money in. `out_negative`: the column
    of money out is written with a minus.
    """

    name: str
    title: str
    header: tuple[str, ...]
    columns: dict[str, tuple[str, ...]]
    currency: str | None = None
    utc_offset_min: int | None = None
    account_pattern: str | None = None
    account_label: str | None = None
    period_pattern: str | None = None
    party_pattern: str | None = None
    source_ref: str | None = None
    head_totals: tuple[HeadTotal, ...] = ()
    foot_total: FootTotal | None = None
    wallet: Wallet | None = None
    debit_in: bool | None = None
    decimal_comma: bool = False
    month_first: bool = False
    out_negative: bool = False
    autodetect: bool = True


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


def profile_named(name: str) -> Profile:
    """Return a profile, or say which there are."""
    found = profiles().get(name)
    if found is None:
        names = ", ".join([GENERIC, *profiles()])
        raise UsageError(
            "PROFILE_UNKNOWN",
            f"there is no profile {name!r}",
            help=f"--profile is one of {names}; without it a column map is proposed",
        )
    return found


def squeeze(text: str) -> str:
    """Return a header cell for comparison: no spaces, full-width brackets made narrow."""
    text = re.sub(r"\s+", "", text).strip("\ufeff`\"'")
    return text.translate(str.maketrans("（）：／＋－", "():/+-")).lower()


def header_row(rows: Sequence[Row], profile: Profile) -> int | None:
    """Return the index of the row that holds the profile's header, None if there is none."""
    wanted = {squeeze(name) for name in profile.header}
    for index, (_, row) in enumerate(rows[:HEADER_SEARCH_ROWS]):
        if wanted <= {squeeze(cell) for cell in row}:
            return index
    return None


def recognise(rows: Sequence[Row]) -> Profile | None:
    """Return the profile whose header the table has; the one with the longest header wins."""
    fitting = [
        one for one in profiles().values() if one.autodetect and header_row(rows, one) is not None
    ]
    return max(fitting, key=lambda one: len(one.header), default=None)
