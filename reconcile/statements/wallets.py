"""Wallet bills: which rows move the wallet's account, and which only pass it by.

A wallet's bill lists every payment made with the rules, however it was funded. Only what its
own funds paid or received moves the wallet's account: those rows are BOOKED (refunds RETURNED).
A payment that a bank card, a credit line or another of the wallet's accounts funded is kept,
because the owner may look for it, but as VOID with the source of funds in `kind`: it belongs to
the book of that source. An order that was closed unpaid is VOID; one that was paid, closed and
refunded moved twice, so both of its rows count.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from reconcile.model import Direction, EntryStatus
from reconcile.statements.expressions import expression
from reconcile.statements.profiles import Rules

_DIRECTIONS = {"IN": Direction.IN, "OUT": Direction.OUT}
_BLANKS = frozenset({"", "/", "-"})


@dataclass(frozen=True, slots=True)
class Movement:
    """What a row does to the account. `known`: whether the status text is known.

    `amount`: the field that holds its amount.
    """

    direction: Direction
    status: EntryStatus
    moves: bool
    known: bool
    amount: str = "amount"
    is_reversal: bool = False


def movement(rules: Rules, cells: dict[str, str], refunded: frozenset[str]) -> Movement | None:
    """Judge one row; None if no rule gives it a direction."""
    flow = next((one for one in rules.flows if _fits(one.when, cells)), None)
    if flow is None:
        return None
    state = cells.get("state", "")
    status = next(
        (EntryStatus[one.status] for one in rules.states if expression(one.match).fullmatch(state)),
        None,
    )
    if status is EntryStatus.BOOKED or not rules.states:
        status = EntryStatus[flow.status] if flow.status else EntryStatus.BOOKED
    known = status is not None
    if rules.paid_then_closed and state == rules.paid_then_closed:
        status = EntryStatus.BOOKED if cells.get("transaction_id") in refunded else status
    if status is None:
        status = EntryStatus.PENDING
    moves = _moves(flow.moves, rules, cells.get("method", ""))
    if not moves:
        status = EntryStatus.VOID
    way = _DIRECTIONS[flow.direction]
    return Movement(way, status, moves, known, flow.amount, flow.is_reversal)


def _fits(when: dict[str, str], cells: dict[str, str]) -> bool:
    return all(
        expression(pattern).search(cells.get(field, "")) is not None
        for field, pattern in when.items()
    )


def _moves(rule: str, rules: Rules, method: str) -> bool:
    if rule in {"always", "never"}:
        return rule == "always"
    if method in _BLANKS:
        return rule == "own_funds_or_blank"
    return expression(rules.own_funds).search(method) is not None


def refunded_orders(rules: Rules, orders: Iterable[str]) -> frozenset[str]:
    """Return the order numbers that some refund row's order number begins with."""
    separator = rules.refund_separator
    if not separator:
        return frozenset()
    return frozenset(order.partition(separator)[0] for order in orders if separator in order)
