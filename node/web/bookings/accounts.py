"""Which accounts a suggested voucher debits and credits: a JSON file of the institution.

    {"account": "1002.01",
     "counter": {"*": "2241", "FEE": "6603.02", "WRITTEN_OFF": "6711"},
     "agreements": {"<id or its beginning>": {"account": "1002.02", "counter": {"FEE": "6603.03"}}}}

`account` is the mirrored account in the institution's own ledger; `counter` the other one, by kind
of break, RESIDUAL or WRITTEN_OFF; `*` is any other kind. Without a file, placeholders stand there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import msgspec

from reconcile.model import BreakKind, InputError, Side, UsageError, Where
from reconcile.report.adjustment import RESIDUAL, WRITTEN_OFF

ANY: Final = "*"
MAX_BYTES: Final = 1 << 20
MIN_ID: Final = 8
KINDS: Final = frozenset({*map(str, BreakKind), RESIDUAL, WRITTEN_OFF, ANY})


class _Accounts(msgspec.Struct, forbid_unknown_fields=True):
    account: str = ""
    counter: dict[str, str] = {}


class _File(msgspec.Struct, forbid_unknown_fields=True):
    account: str = ""
    counter: dict[str, str] = {}
    agreements: dict[str, _Accounts] = {}


@dataclass(frozen=True, slots=True)
class AccountBook:
    """The accounts of one agreement; what the file does not name is a placeholder in braces."""

    account: str = ""
    counter: Mapping[str, str] = field(default_factory=dict)

    def pair(self, side: Side, direction: str, kind: str) -> tuple[str, str]:
        """Return (debit, credit) of a voucher.

        The owner keeps an asset: money in is its debit. The servicer keeps a liability: money in
        is its credit.
        """
        own = self.account or "{account}"
        other = self.counter.get(kind) or self.counter.get(ANY) or f"{{{kind}}}"
        debit_own = (direction == "IN") is (side is Side.OWNER)
        return (own, other) if debit_own else (other, own)


def load_accounts(path: Path | None, agreement: bytes) -> AccountBook:
    """Return an agreement's accounts; None: placeholders.

    Raises UsageError ACCOUNTS_NOT_FOUND, InputError ACCOUNTS_INVALID with the field.
    """
    if path is None:
        return AccountBook()
    if not path.is_file():
        raise UsageError(
            "ACCOUNTS_NOT_FOUND",
            "the file of booking accounts is not there",
            where=Where(file=str(path)),
            help="mend KANHE_BOOKING_ACCOUNTS or --accounts",
        )
    data = path.read_bytes()
    if len(data) > MAX_BYTES:
        raise _invalid(path, f"it has more than {MAX_BYTES:,} bytes")
    try:
        found = msgspec.json.decode(data, type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(path, str(error)) from error
    for place, counter in (
        ("counter", found.counter),
        *((f"agreements.{key}.counter", own.counter) for key, own in found.agreements.items()),
    ):
        unknown = sorted(counter.keys() - KINDS)
        if unknown:
            raise _invalid(path, f"{unknown[0]!r} is no kind", field=place)
    own = _own(path, found, agreement)
    return AccountBook(own.account or found.account, {**found.counter, **own.counter})


def _own(path: Path, found: _File, agreement: bytes) -> _Accounts:
    named = [key for key in found.agreements if agreement.hex().startswith(key.lower())]
    short = [key for key in found.agreements if len(key) < MIN_ID]
    if short:
        raise _invalid(path, f"{short[0]!r} is too short for an agreement", field="agreements")
    if len(named) > 1:
        raise _invalid(path, f"{named[0]!r} and {named[1]!r} mean one agreement")
    return found.agreements[named[0]] if named else _Accounts()


def _invalid(path: Path, why: str, *, field: str | None = None) -> InputError:
    return InputError(
        "ACCOUNTS_INVALID",
        f"the file of booking accounts does not hold: {why}",
        where=Where(file=str(path), field=field),
        help="docs/bookings.md shows one",
    )
