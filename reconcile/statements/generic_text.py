"""Writes a statement as a generic table (interfaces.md)."""

from __future__ import annotations

import csv
import io

from reconcile.model import Balance, BalanceBasis, Carrier, Statement, day_iso
from reconcile.statements.generic import FIELDS
from reconcile.statements.guards import guarded
from reconcile.statements.money import decimal_text


def write_generic(statement: Statement) -> str:
    """Write a statement as a generic table that reads back to equal entries and balances.

    No cell of it is run as a formula: such texts are guarded by an apostrophe.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    if statement.account:
        writer.writerow(("#account", statement.account))
    if statement.statement_ref:
        writer.writerow(("#statement_ref", statement.statement_ref))
    for word, balance in (
        ("#opening_balance", statement.opening_balance),
        ("#closing_balance", statement.closing_balance),
    ):
        if balance is not None and balance.basis is not BalanceBasis.DERIVED:
            writer.writerow((word, statement.currency, *_balance_cells(balance, statement.digits)))
    carriers = [one.word for one in Carrier]
    names = [name for name in FIELDS if name not in {"debit", "credit", "balance"}]
    writer.writerow((*names, *carriers))
    for entry in statement.entries:
        digits = statement.digits
        fee = "" if entry.fee_minor is None else decimal_text(entry.fee_minor, digits)
        writer.writerow(
            (
                guarded(entry.entry_ref),
                entry.version,
                entry.direction.name,
                decimal_text(entry.amount_minor, digits),
                entry.currency,
                day_iso(entry.booking_date),
                _day_cell(entry.value_date),
                _day_cell(entry.settlement_date),
                "" if entry.session is None else entry.session,
                guarded(entry.business_type or ""),
                entry.status.name,
                "true" if entry.is_reversal else "false",
                guarded(entry.kind or ""),
                guarded(entry.counterparty_name or ""),
                guarded(entry.counterparty_account or ""),
                guarded(entry.remittance or ""),
                fee,
                guarded(entry.group_ref or ""),
                guarded(entry.reversal_of or ""),
                "" if entry.occurred_at is None else entry.occurred_at,
                *(guarded(entry.reference(one) or "") for one in Carrier),
            ),
        )
    return out.getvalue()


def _day_cell(day: int | None) -> str:
    return "" if day is None else day_iso(day)


def _balance_cells(balance: Balance, digits: int) -> tuple[str, str]:
    return decimal_text(balance.signed_minor, digits), day_iso(balance.date)
