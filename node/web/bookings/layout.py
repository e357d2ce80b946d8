"""The CSV of suggested vouchers (docs/bookings.md).

Its columns `direction` to `reversal_of` are those of the generic profile, so what the ERP books can
come back as they stand; the columns before them are for the person and the ERP.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from node.web.bookings.vouchers import Voucher
from node.web.sheets import Cell, safe_cell
from reconcile.model import Carrier

BOM: Final = "\ufeff"
CARRIERS: Final = tuple(carrier.word for carrier in Carrier)
HEAD: Final = (
    "suggestion",
    "side",
    "break_kind",
    "break_key",
    "summary",
    "needs",
    "settled_by",
    "debit_account",
    "credit_account",
    "direction",
    "amount",
    "currency",
    "booking_date",
    "value_date",
    "counterparty_name",
    "counterparty_account",
    "remittance",
    *CARRIERS,
    "group_ref",
    "reversal_of",
)


def bookings_csv(vouchers: Iterable[Voucher]) -> bytes:
    """Return the vouchers as UTF-8 CSV with a byte order mark; no cell is run as a formula."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEAD)
    writer.writerows([safe_cell(cell) for cell in _cells(item)] for item in vouchers)
    return (BOM + out.getvalue()).encode()


def _cells(voucher: Voucher) -> tuple[Cell, ...]:
    item = voucher.booking
    return (
        voucher.number,
        item.side.word,
        item.kind,
        item.key,
        voucher.summary,
        item.needs,
        item.settled_by,
        voucher.debit,
        voucher.credit,
        item.direction,
        Decimal(item.amount_minor).scaleb(-item.digits),
        item.currency,
        item.booking_date,
        item.value_date,
        item.counterparty_name,
        item.counterparty_account,
        item.remittance,
        *(item.references.get(word, "") for word in CARRIERS),
        item.group_ref,
        item.reversal_of,
    )
