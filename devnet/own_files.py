"""A counterparty's book derived from a user's statement, with a few labelled differences.

For someone who has one file and wants to see a day reconciled: the owner's book is what a careful
bookkeeper would hold, save for up to four differences, each of a kind that the default terms find.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import msgspec

from reconcile.model import Balance, BalanceBasis, BreakKind, Carrier, Entry, Statement
from reconcile.statements import write_generic

# Fewer entries than this get fewer differences: a derived book should still look like the other.
ENTRIES_PER_DIFFERENCE: Final = 3
ONE_UNIT_MINOR: Final = 100
# Which of the last entries differs how, counted from the first of those that may.
DIFFERENCES: Final = {
    0: BreakKind.MISSING_AT_OWNER,
    1: BreakKind.AMOUNT,
    2: BreakKind.MISSING_AT_SERVICER,
}
STRONG_CARRIERS: Final = frozenset(
    {Carrier.END_TO_END_ID, Carrier.INSTRUCTION_ID, Carrier.TRANSACTION_ID, Carrier.UETR}
)
STRONG_LENGTH: Final = 8


@dataclass(frozen=True, slots=True)
class Label:
    """A difference that was put in on purpose."""

    kind: BreakKind
    servicer: tuple[str, ...]
    owner: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DerivedBook:
    """The owner's statement and what differs in it."""

    statement: Statement
    labels: tuple[Label, ...]


def derive_owner(statement: Statement) -> DerivedBook:
    """Return the owner's mirror of a servicer's statement.

    Its opening balance is the servicer's; its closing follows from its own entries, so that the
    difference of both closings is exactly what the labelled differences explain.
    """
    moving = [entry for entry in statement.entries if entry.moving]
    room = len(moving) // ENTRIES_PER_DIFFERENCE
    chosen = {
        entry.entry_ref: number for number, entry in enumerate(moving[-room:] if room else ())
    }
    kept: list[Entry] = []
    labels: list[Label] = []
    for entry in statement.entries:
        mirrored = msgspec.structs.replace(entry, entry_ref=f"own-{entry.entry_ref}"[:128])
        place = chosen.get(entry.entry_ref)
        difference = None if place is None else DIFFERENCES.get(place)
        if difference is BreakKind.MISSING_AT_OWNER:
            labels.append(Label(BreakKind.MISSING_AT_OWNER, (entry.entry_ref,), ()))
        elif difference is BreakKind.AMOUNT and _strong_reference(entry):
            changed = msgspec.structs.replace(
                mirrored, amount_minor=entry.amount_minor + ONE_UNIT_MINOR
            )
            kept.append(changed)
            labels.append(Label(BreakKind.AMOUNT, (entry.entry_ref,), (changed.entry_ref,)))
        elif difference is BreakKind.MISSING_AT_SERVICER:
            extra = msgspec.structs.replace(
                mirrored,
                entry_ref=f"own-extra-{entry.entry_ref}"[:128],
                references=(),
                counterparty_name=None,
                counterparty_account=None,
                amount_minor=entry.amount_minor + 7 * ONE_UNIT_MINOR,
            )
            kept += [mirrored, extra]
            labels.append(Label(BreakKind.MISSING_AT_SERVICER, (), (extra.entry_ref,)))
        else:
            kept.append(mirrored)
    return DerivedBook(_with_balances(statement, kept), tuple(labels))


def _strong_reference(entry: Entry) -> bool:
    """Say whether a reference would still pair two entries whose amounts differ."""
    return any(
        len(text) >= STRONG_LENGTH for number, text in entry.references if number in STRONG_CARRIERS
    )


def _with_balances(statement: Statement, entries: Sequence[Entry]) -> Statement:
    opening, closing = statement.opening_balance, statement.closing_balance
    if opening is not None and closing is not None:
        total = opening.signed_minor + sum(item.signed_minor for item in entries if item.moving)
        closing = Balance.of_signed(total, closing.date, BalanceBasis.STATED)
        opening = replace(opening, basis=BalanceBasis.STATED)
    return replace(
        statement,
        entries=tuple(entries),
        lines=tuple(range(1, len(entries) + 1)),
        opening_balance=opening,
        closing_balance=closing,
        contradictions=(),
    )


def write_book(statements: Sequence[Statement], path: Path) -> None:
    """Write one account's statements, one a currency, as one file of the generic profile."""
    path.parent.mkdir(parents=True, exist_ok=True)
    balances: list[str] = []
    rows: list[str] = []
    header = ""
    for statement in statements:
        lines = write_generic(statement).splitlines(keepends=True)
        marks = [line for line in lines if line.startswith("#")]
        balances += [line for line in marks if line not in balances]
        header = lines[len(marks)]
        rows += lines[len(marks) + 1 :]
    path.write_text("".join((*balances, header, *rows)), encoding="utf-8")
