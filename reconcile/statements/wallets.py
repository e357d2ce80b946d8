"""Wallet bills: which rows move the wallet's account, and which only pass it by.

A wallet's bill lists every payment made with the wallet, however it was funded. Only what its
own funds paid or received moves the wallet's account: those rows are BOOKED (refunds RETURNED).
A payment that a bank card, a credit line or another of the wallet's accounts funded is kept,
because the owner may look for it, but as VOID with the source of funds in `kind`: it belongs to
the book of that source. An order that was closed unpaid is VOID; one that was paid, closed and
refunded moved twice, so both of its rows count.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from reconcile.model import Direction, EntryStatus
from reconcile.statements.profiles import Wallet

_DIRECTIONS = {"IN": Direction.IN, "OUT": Direction.OUT}
_BLANKS = frozenset({"", "/", "-"})


@dataclass(frozen=True, slots=True)
class Movement:
    """What a wallet row does to the account. `known`: whether the status text is known."""

    direction: Direction
    status: EntryStatus
    moves: bool
    known: bool


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def movement(wallet: Wallet, cells: dict[str, str], refunded: frozenset[str]) -> Movement | None:
    """Judge one row; None if no rule gives it a direction."""
    flow = next((one for one in wallet.flows if _fits(one.when, cells)), None)
    if flow is None:
        return None
    state = cells.get("state", "")
    status = next(
        (
            EntryStatus[one.status]
            for one in wallet.states
            if _expression(one.match).fullmatch(state)
        ),
        None,
    )
    known = status is not None
    if wallet.paid_then_closed and state == wallet.paid_then_closed:
        status = EntryStatus.BOOKED if cells.get("transaction_id") in refunded else status
    if status is None:
        status = EntryStatus.PENDING
    moves = _moves(flow.moves, wallet, cells.get("method", ""))
    if not moves:
        status = EntryStatus.VOID
    return Movement(_DIRECTIONS[flow.direction], status, moves, known)


def _fits(when: dict[str, str], cells: dict[str, str]) -> bool:
    return all(
        _expression(pattern).search(cells.get(field, "")) is not None
        for field, pattern in when.items()
    )


def _moves(rule: str, wallet: Wallet, method: str) -> bool:
    if rule in {"always", "never"}:
        return rule == "always"
    if method in _BLANKS:
        return rule == "own_funds_or_blank"
    return _expression(wallet.own_funds).search(method) is not None


def refunded_orders(wallet: Wallet, orders: Iterable[str]) -> frozenset[str]:
    """Return the order numbers that some refund row's order number begins with."""
    separator = wallet.refund_separator
    if not separator:
        return frozenset()
    return frozenset(order.partition(separator)[0] for order in orders if separator in order)
