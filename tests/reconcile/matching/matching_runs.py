"""Single entries and runs for examples."""

from __future__ import annotations

from matching_books import FIRST_DAY, SHORT

from reconcile.matching import RunInput
from reconcile.model import AgreementKind, Direction, Entry, SideBook, window_of
from reconcile.terms import Terms

AGREEMENT = bytes(range(32))
TERMS = Terms(currencies={"CNY": 2}, passes=SHORT)


def entry(ref: str, minor: int = 100, **parts: object) -> Entry:
    """Return a booked entry; a negative amount goes out, `key` is its end_to_end_id."""
    key = parts.pop("key", None)
    direction = Direction.IN if minor >= 0 else Direction.OUT
    fields: dict[str, object] = {"booking_date": FIRST_DAY, "currency": "CNY", "version": 0}
    if key is not None:
        fields["references"] = ((1, str(key)),)
    fields |= parts
    return Entry(entry_ref=ref, direction=direction, amount_minor=abs(minor), **fields)  # type: ignore[arg-type]


def run_of(
    servicer: tuple[Entry, ...] | SideBook, owner: tuple[Entry, ...] | SideBook, **more: object
) -> RunInput:
    """Return a run on the first day."""
    books = [item if isinstance(item, SideBook) else SideBook(item) for item in (servicer, owner)]
    fields: dict[str, object] = {"terms": TERMS, "window": window_of(FIRST_DAY)} | more
    return RunInput(
        agreement=AGREEMENT,
        kind=AgreementKind.BANK_ENTERPRISE,
        previous_window=None,
        servicer=books[0],
        owner=books[1],
        **fields,  # type: ignore[arg-type]
    )
