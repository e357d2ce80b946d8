"""Random payments made to be mistaken for each other, with the truth of who belongs to whom.

Few amounts, days, accounts and names, references that either side may leave out, entries that one
side never booked: what an engine confirms here is right only if it is the same payment.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, Final

from devnet.scenario.names import FIRMS
from reconcile.matching.normalise import compile_chain
from reconcile.matching.table import carrier_text
from reconcile.model import Carrier, Direction, Entry, MatchGroup, Side
from reconcile.terms import KeyPair, Terms

AMOUNTS: Final = (100, 100, 250, 600, 1_000, 1_600)
PARTIES: Final = FIRMS[:4]
DAYS: Final = 3
MISSING: Final = 0.15
SILENT: Final = 0.4
CARRIERS: Final = (
    Carrier.END_TO_END_ID,
    Carrier.TRANSACTION_ID,
    Carrier.SERVICER_REF,
    Carrier.ORDER_NO,
)


@dataclass(frozen=True)
class Truth:
    """Both books and, by side and ref, the number of the payment that an entry is."""

    books: tuple[tuple[Entry, ...], tuple[Entry, ...]]
    payment: tuple[dict[str, int], dict[str, int]]

    def entry(self, side: Side, ref: str) -> Entry:
        """Return an entry."""
        return next(item for item in self.books[side] if item.entry_ref == ref)

    def false(self, group: MatchGroup) -> bool:
        """Say whether a group joins entries of different payments."""
        numbers = {self.payment[Side.SERVICER][ref] for ref in group.servicer}
        return len(numbers | {self.payment[Side.OWNER][ref] for ref in group.owner}) > 1

    def told_apart(self, group: MatchGroup, terms: Terms) -> bool:
        """Say whether a reference or account of two of its entries names two payments.

        A reference counts where both sides hold it, under the keys by which the terms tell payments
        apart.
        """
        pairs = [pair for rule in terms.passes if rule.tells_apart for pair in rule.keys]
        pairs += [p for r in terms.passes for p in r.keys if p.servicer == "counterparty_account"]
        return any(self._differ(group, pair) for pair in pairs)

    def differ(self, group: MatchGroup, carrier: Carrier) -> bool:
        """Say whether two of a group's entries hold different values of one carrier."""
        return self._differ(group, KeyPair(carrier.word, carrier.word, (), 1))

    def _differ(self, group: MatchGroup, pair: KeyPair) -> bool:
        key = compile_chain(pair.normalise, pair.min_length)
        mine, theirs = (
            {key(carrier_text(self.entry(side, ref), pair.carrier(side))) for ref in refs} - {None}
            for side, refs in ((Side.SERVICER, group.servicer), (Side.OWNER, group.owner))
        )
        return any(a != b for a in mine for b in theirs)


def make_truth(seed: int, payments: int, day: int) -> Truth:
    """Return the books of so many payments; the same seed gives the same books."""
    draw = random.Random(seed)  # noqa: S311 - repeatable, not secret
    books: tuple[list[Entry], list[Entry]] = ([], [])
    payment: tuple[dict[str, int], dict[str, int]] = ({}, {})
    for number in range(payments):
        shared = _payment(draw, number, day)
        for side in Side:
            if draw.random() < MISSING:
                continue
            entry = _booked(draw, side, number, shared)
            books[side].append(entry)
            payment[side][entry.entry_ref] = number
    for book in books:
        draw.shuffle(book)
    return Truth((tuple(books[0]), tuple(books[1])), payment)


def _payment(draw: random.Random, number: int, day: int) -> dict[str, Any]:
    name, account = draw.choice(PARTIES)
    return {
        "direction": draw.choice(list(Direction)),
        "amount_minor": draw.choice(AMOUNTS),
        "booking_date": day - draw.randrange(DAYS),
        "counterparty_name": name,
        "counterparty_account": account,
        "references": [(int(item), f"{item.name}{number:08d}") for item in CARRIERS],
    }


def _booked(draw: random.Random, side: Side, number: int, shared: dict[str, Any]) -> Entry:
    """Return one side's booking; it may leave out references, account and name."""
    fields = dict(shared)
    fields["references"] = tuple(item for item in shared["references"] if draw.random() >= SILENT)
    for name in ("counterparty_account", "counterparty_name"):
        if draw.random() < SILENT:
            fields[name] = None
    fields["booking_date"] += draw.choice([0, 0, 0, 1])
    return Entry(f"{'SO'[side]}{number:06d}", 0, currency="CNY", **fields)
