"""An entry in words, for a person who judges whether a file is read rightly."""

from __future__ import annotations

from reconcile.model import Direction, Entry, day_iso
from reconcile.statements.money import decimal_text


def entry_in_words(entry: Entry, line: int, digits: int) -> str:
    """Return e.g. "line 7: 2026-11-20 money INTO your account 1,234.00 CNY from Alpha"."""
    into = entry.direction is Direction.IN
    whole, dot, fraction = decimal_text(entry.amount_minor, digits).partition(".")
    text = (
        f"line {line}: {day_iso(entry.booking_date)} money {'INTO' if into else 'OUT OF'} your "
        f"account {int(whole):,}{dot}{fraction} {entry.currency}"
    )
    if entry.counterparty_name:
        text += f" {'from' if into else 'to'} {entry.counterparty_name[:60]}"
    return text if entry.moving else f"{text} ({entry.status.name}: moves nothing)"
