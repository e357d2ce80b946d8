"""Which balances go into which window's batch header.

A statement over several days states only its first opening and its last closing. The days between
are summed up from the first: basis DERIVED, which proves nothing by itself, but a run over all of
them is proven by the two that are stated.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.books import Book
from node.services.posting.views import Stated
from node.tables import StatedBalance
from reconcile.model import (
    MAX_AMOUNT_MINOR,
    Balance,
    BalanceBasis,
    Direction,
    Entry,
    InputError,
    Side,
    Where,
    window_day,
    window_of,
)

OPENING = "OPENING"
CLOSING = "CLOSING"


def stated_by_window(book: Book, windows: Sequence[int]) -> dict[int, Stated]:
    """Spread a book's balances over the windows its entries fall under.

    A closing dated after the last entry (a day without movement) states that day's window.
    """
    stated: dict[int, Stated] = defaultdict(Stated)
    days = set(windows)
    if book.closing and not days:
        days = {window_of(max(item.date for item in book.closing.values()))}
    flows: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for entry, window in zip(book.entries, windows, strict=True):
        if entry.moving:
            flows[entry.currency][window] += entry.signed_minor
    for currency in sorted({*book.opening, *book.closing}):
        _spread(stated, currency, book, sorted(days), flows[currency])
    return dict(stated)


def _spread(
    stated: dict[int, Stated],
    currency: str,
    book: Book,
    windows: Sequence[int],
    flow: dict[int, int],
) -> None:
    opening, closing = book.opening.get(currency), book.closing.get(currency)
    if not windows:
        return
    if opening is not None:
        stated[windows[0]].opening[currency] = opening
        running = opening.signed_minor
        for index, window in enumerate(windows[:-1]):
            running += flow.get(window, 0)
            middle = Balance.of_signed(running, window_day(window), BalanceBasis.DERIVED)
            stated[window].closing[currency] = middle
            stated[windows[index + 1]].opening[currency] = middle
    if closing is not None:
        stated[windows[-1]].closing[currency] = closing


def keep_balances(
    session: Session,
    agreement: bytes,
    side: Side,
    by_window: dict[int, Stated],
    *,
    file_id: int | None,
) -> int:
    """Keep balances until a batch of their window carries them; return how many are new.

    Raises `InputError` BALANCE_TOO_LARGE: no record could hold it, nor could a column.
    """
    kept = 0
    for window, stated in sorted(by_window.items()):
        for which, balances in ((OPENING, stated.opening), (CLOSING, stated.closing)):
            for currency, item in sorted(balances.items()):
                _require_fits(currency, item)
                last = session.execute(
                    select(StatedBalance)
                    .where(
                        StatedBalance.agreement == agreement,
                        StatedBalance.side == side,
                        StatedBalance.window == window,
                        StatedBalance.currency == currency,
                        StatedBalance.which == which,
                    )
                    .order_by(StatedBalance.id.desc())
                    .limit(1)
                ).scalar_one_or_none()
                # A window's opening is the first stated (ledger.md, "Header").
                if last is not None and (
                    which == OPENING or last.signed_minor == item.signed_minor
                ):
                    continue
                session.add(
                    StatedBalance(
                        agreement=agreement,
                        side=int(side),
                        window=window,
                        currency=currency,
                        which=which,
                        signed_minor=item.signed_minor,
                        date=item.date,
                        basis=item.basis.value,
                        file_id=file_id,
                    )
                )
                kept += 1
    return kept


def _require_fits(currency: str, item: Balance) -> None:
    if item.amount_minor > MAX_AMOUNT_MINOR:
        raise InputError(
            "BALANCE_TOO_LARGE",
            f"a {currency} balance is {item.signed_minor} minor units, at most "
            f"{MAX_AMOUNT_MINOR} are kept",
            where=Where(field="balance"),
            help="check the digits of the currency and the amounts of the file",
        )


def waiting_balances(
    session: Session, agreement: bytes, side: Side, window: int | None = None
) -> list[StatedBalance]:
    """Return balances no batch carries yet, in the order they were stated."""
    query = select(StatedBalance).where(
        StatedBalance.agreement == agreement,
        StatedBalance.side == side,
        StatedBalance.seq.is_(None),
    )
    if window is not None:
        query = query.where(StatedBalance.window == window)
    return list(session.execute(query.order_by(StatedBalance.id)).scalars())


def balance_of(row: StatedBalance) -> Balance:
    """Return a kept balance."""
    return Balance.of_signed(row.signed_minor, row.date, BalanceBasis(row.basis))


def derived_opening(items: Sequence[Entry], closing: dict[str, Balance]) -> dict[str, Balance]:
    """Return window 0's opening: closing − Σ items in transit, per currency."""
    opening = {}
    for currency, item in closing.items():
        moved = sum(
            entry.amount_minor * (1 if entry.direction is Direction.IN else -1)
            for entry in items
            if entry.moving and entry.currency == currency
        )
        opening[currency] = Balance.of_signed(item.signed_minor - moved, item.date, item.basis)
    return opening
