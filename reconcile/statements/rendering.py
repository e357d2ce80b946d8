"""A read statement file as the JSON of `kanhe statement` (interfaces.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator

import msgspec

from reconcile.model import Balance, Carrier, Entry, Statement, StatementFile, day_iso
from reconcile.statements.assemble import Settled, rows_of
from reconcile.statements.stream import StatementStream


def statement_json(file: StatementFile) -> dict[str, object]:
    """Return the object of `kanhe statement FILE --json -`: amounts as decimal strings."""
    return {
        "format": file.format,
        "profile": file.profile,
        "file_sha256": file.file_sha256,
        "statements": [_statement(one) for one in file.statements],
    }


def statement_pieces(file: StatementStream) -> Iterator[str]:
    """Yield the same object as JSON text, piece by piece: a file of any size can be written."""
    head = {"format": file.format, "profile": file.profile, "file_sha256": file.file_sha256}
    yield f'{_text(head)[:-1]}, "statements": ['
    for number, statement in enumerate(file.statements):
        whole = _head(statement)
        yield f'{", " if number else ""}{_text(whole)[:-1]}, "entries": ['
        for index, (entry, line) in enumerate(statement.rows()):
            yield f"{', ' if index else ''}{_text(entry_json(entry, line))}"
        yield f"], {_text(_found(statement))[1:]}"
    yield "]}\n"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _statement(statement: Statement) -> dict[str, object]:
    return {
        **_head(statement),
        "entries": [entry_json(entry, line) for entry, line in rows_of(statement)],
        **_found(statement),
    }


def _found(statement: Statement | Settled) -> dict[str, object]:
    return {
        "contradictions": [msgspec.to_builtins(one) for one in statement.contradictions],
        "remarks": [msgspec.to_builtins(one) for one in statement.remarks],
    }


def _head(statement: Statement | Settled) -> dict[str, object]:
    return {
        "account": statement.account,
        "statement_ref": statement.statement_ref,
        "currency": statement.currency,
        "digits": statement.digits,
        "provable": statement.provable,
        "opening_balance": _balance(statement.opening_balance),
        "closing_balance": _balance(statement.closing_balance),
    }


def _balance(balance: Balance | None) -> dict[str, str] | None:
    if balance is None:
        return None
    return {
        "amount_minor": str(balance.amount_minor),
        "direction": balance.direction.name,
        "date": day_iso(balance.date),
        "basis": balance.basis.value,
    }


def entry_json(entry: Entry, line: int | None) -> dict[str, object]:
    """Return one entry; `line` is where its source has it."""
    return {
        "entry_ref": entry.entry_ref,
        "version": entry.version,
        "direction": entry.direction.name,
        "amount_minor": str(entry.amount_minor),
        "currency": entry.currency,
        "booking_date": day_iso(entry.booking_date),
        "value_date": _day(entry.value_date),
        "settlement_date": _day(entry.settlement_date),
        "session": entry.session,
        "business_type": entry.business_type,
        "status": entry.status.name,
        "is_reversal": entry.is_reversal,
        "references": {Carrier(number).word: text for number, text in entry.references},
        "counterparty_name": entry.counterparty_name,
        "counterparty_account": entry.counterparty_account,
        "remittance": entry.remittance,
        "kind": entry.kind,
        "fee_minor": None if entry.fee_minor is None else str(entry.fee_minor),
        "group_ref": entry.group_ref,
        "reversal_of": entry.reversal_of,
        "occurred_at": None if entry.occurred_at is None else str(entry.occurred_at),
        "line": line,
    }


def _day(day: int | None) -> str | None:
    return None if day is None else day_iso(day)
