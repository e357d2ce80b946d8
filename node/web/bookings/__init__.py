"""补记凭证 for the ERP: suggested vouchers with accounts, as CSV and on the desk.

accounts.py   which accounts a voucher debits and credits: a file of the institution
vouchers.py   a suggestion in words, with its accounts
layout.py     the CSV that an ERP takes (docs/bookings.md)
"""

from __future__ import annotations

from node.web.bookings.accounts import AccountBook, load_accounts
from node.web.bookings.layout import bookings_csv
from node.web.bookings.vouchers import Voucher, load_vouchers

__all__ = ["AccountBook", "Voucher", "bookings_csv", "load_accounts", "load_vouchers"]
