"""Head office's view over all its branches: one voucher's chain through two agreements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import Facts
from node.tables import PostedEntry
from reconcile.model import AgreementKind, Entry, Side, UsageError
from reconcile.report import BranchBook, Chain, ChainState, TransitLine, chains_of, roll_up

ROWS_AT_ONCE: Final = 10_000
_entry: Final = msgspec.msgpack.Decoder(Entry).decode


@dataclass(frozen=True, slots=True)
class Chains:
    """All chains of a node's branches: the roll-up, and the chains that were asked for.

    `total`: how many were found before the limit. `agreements`: those that were read.
    """

    lines: tuple[TransitLine, ...]
    chains: tuple[Chain, ...]
    total: int
    agreements: tuple[bytes, ...]

    @property
    def holds(self) -> bool:
        """Say whether every in-transit identity holds."""
        return all(item.holds for line in self.lines for item in line.identities)

    def to_json(self) -> dict[str, Any]:
        """Return roll-up and chains; integers are decimal strings."""
        return {
            "agreements": [item.hex() for item in self.agreements],
            "in_transit": [line.to_json() for line in self.lines],
            "chains": [chain.to_json() for chain in self.chains],
            "total": str(self.total),
            "holds": self.holds,
        }


def head_office_of(facts: Iterable[Facts]) -> list[Facts]:
    """Return the HEAD_BRANCH agreements in which this node keeps the branches' accounts."""
    return [
        item
        for item in facts
        if item.kind is AgreementKind.HEAD_BRANCH and Side.SERVICER in item.sides
    ]


def load_chains(
    session: Session,
    agreements: Sequence[bytes],
    *,
    voucher_no: str | None,
    state: ChainState | None,
    open_only: bool,
    limit: int,
) -> Chains:
    """Roll all chains up, and return the chosen ones in the order of their first booking."""
    books = [_book(session, agreement) for agreement in agreements]
    chains = chains_of(books)
    wanted = None if voucher_no is None else voucher_no.strip().upper()
    chosen = [
        chain
        for chain in chains
        if (wanted is None or wanted in chain.voucher_no)
        and (state is None or chain.state is state)
        and (not open_only or chain.open)
    ]
    chosen.sort(key=lambda chain: (chain.first_day, chain.voucher_no, chain.currency))
    return Chains(roll_up(books, chains), tuple(chosen[:limit]), len(chosen), tuple(agreements))


def state_of_word(word: str | None) -> ChainState | None:
    """Return a chain's state by its word; `UsageError` CHAIN_STATE."""
    if word is None:
        return None
    try:
        return ChainState(word.upper())
    except ValueError:
        known = ", ".join(item.lower() for item in ChainState)
        raise UsageError("CHAIN_STATE", f"{word!r} is not among {known}") from None


def _book(session: Session, agreement: bytes) -> BranchBook:
    """Return both sides' entries of one agreement in the version that counts."""
    sides: tuple[list[Entry], list[Entry]] = ([], [])
    rows = session.execute(
        select(PostedEntry.side, PostedEntry.record)
        .where(
            PostedEntry.agreement == agreement,
            PostedEntry.latest.is_(True),
            PostedEntry.repeat.is_(False),
        )
        .execution_options(yield_per=ROWS_AT_ONCE)
    )
    for side, record in rows:
        sides[side].append(_entry(record))
    return BranchBook(agreement, *sides)
