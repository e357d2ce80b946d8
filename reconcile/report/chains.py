"""HEAD_BRANCH: one voucher from branch to branch is one voucher_no in two agreements.

Head office keeps the account of every branch, so it is the servicer of each agreement and reads
both legs. A chain is all that stands under one voucher_no and currency in any of them: the branch
that booked it first (*originated*), head office's books (*at head*), the branch it went to
(*received*). Every figure is seen from the branches, IN +: what left one and reached none is in
transit.

    in transit = - sum of the branches' books = (head's books - branches' books) + (- head's books)
                                                 open breaks, either way          at head

Pure: entries in, chains and identities out. An entry whose `kind` is HEAD_OFFICE ends or begins at
head office itself and is in no chain; one without a voucher_no is a chain of its own.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconcile.matching.normalise import compile_chain
from reconcile.model import Carrier, Entry, Side, day_iso
from reconcile.report.totals import Identity

HEAD_OFFICE: Final = "HEAD_OFFICE"
# A voucher goes from one branch to one other.
BRANCHES: Final = 2
_VOUCHER: Final = compile_chain(("nfkc_ascii", "trim", "upper"), 1)


class ChainState(enum.StrEnum):
    """How far a voucher has come; only RECEIVED is closed.

    ORIGINATED: one branch booked it, head office did not. AT_HEAD: head office booked it, no second
    branch did. RECEIVED: two branches and head office booked it, and nothing is left over.
    IRREGULAR: anything else, e.g. received without head office, or amounts that differ.
    """

    ORIGINATED = "ORIGINATED"
    AT_HEAD = "AT_HEAD"
    RECEIVED = "RECEIVED"
    IRREGULAR = "IRREGULAR"


@dataclass(frozen=True, slots=True)
class BranchBook:
    """Both sides' entries of one agreement, each ref in the version that counts."""

    agreement: bytes
    servicer: Sequence[Entry]
    owner: Sequence[Entry]

    def moving(self, side: Side) -> list[Entry]:
        """Return the balance-moving entries of a side that are not head office's own."""
        entries = self.owner if side is Side.OWNER else self.servicer
        return [entry for entry in entries if entry.moving and entry.kind != HEAD_OFFICE]


@dataclass(slots=True)
class Leg:
    """One agreement's part of a chain: refs and signed sums by side, the branch's first booking."""

    agreement: bytes
    refs: tuple[list[str], list[str]] = field(default_factory=lambda: ([], []))
    signed: list[int] = field(default_factory=lambda: [0, 0])
    first: tuple[int, int, str] | None = None

    def add(self, side: Side, entry: Entry) -> None:
        """Count one entry."""
        self.refs[side].append(entry.entry_ref)
        self.signed[side] += entry.signed_minor
        order = (entry.booking_date, entry.occurred_at or 0, entry.entry_ref)
        if side is Side.OWNER and (self.first is None or order < self.first):
            self.first = order


@dataclass(frozen=True)
class Chain:
    """One voucher over all agreements; amounts in minor units, legs in the order of agreements.

    `voucher_no`: as keys are compared, "" for an entry that holds none.
    """

    voucher_no: str
    currency: str
    legs: tuple[Leg, ...]
    first_day: int

    @property
    def in_transit_minor(self) -> int:
        """Return what left a branch and reached none: minus the branches' signed sum."""
        return -sum(leg.signed[Side.OWNER] for leg in self.legs)

    @property
    def unmatched_minor(self) -> int:
        """Return head office's signed sum less the branches': what its open breaks add up to."""
        return sum(leg.signed[Side.SERVICER] - leg.signed[Side.OWNER] for leg in self.legs)

    @property
    def at_head_minor(self) -> int:
        """Return what head office took over and did not pass on."""
        return -sum(leg.signed[Side.SERVICER] for leg in self.legs)

    @property
    def amount_minor(self) -> int:
        """Return the greatest amount that any leg moves, without sign."""
        return max(abs(minor) for leg in self.legs for minor in leg.signed)

    @property
    def origin(self) -> bytes | None:
        """Return the agreement of the branch that booked it first, None where no branch did."""
        booked = [(leg.first, leg.agreement) for leg in self.legs if leg.first is not None]
        return min(booked)[1] if booked else None

    @property
    def destination(self) -> bytes | None:
        """Return the other agreement, None while there is none or where there are several."""
        others = [leg.agreement for leg in self.legs if leg.agreement != self.origin]
        return others[0] if len(others) == 1 and self.origin is not None else None

    @property
    def state(self) -> ChainState:
        """Return how far the voucher has come."""
        branches = [leg for leg in self.legs if leg.refs[Side.OWNER]]
        heads = [leg for leg in self.legs if leg.refs[Side.SERVICER]]
        even = all(leg.signed[0] == leg.signed[1] for leg in self.legs)
        if self._two_branches and even and not self.in_transit_minor:
            return ChainState.RECEIVED
        if len(branches) == 1 and not heads:
            return ChainState.ORIGINATED
        if heads and len(branches) == 1 and self._taken_over(branches[0]):
            return ChainState.AT_HEAD
        return ChainState.IRREGULAR

    @property
    def _two_branches(self) -> bool:
        """Say whether exactly two agreements hold it, each on both sides."""
        return len(self.legs) == BRANCHES and all(leg.refs[0] and leg.refs[1] for leg in self.legs)

    def _taken_over(self, origin: Leg) -> bool:
        """Say whether head office has the origin's amount, and passes nothing else on."""
        others = [leg.signed[Side.SERVICER] for leg in self.legs if leg is not origin]
        passed = sum(others)
        sent = origin.signed[Side.OWNER]
        return origin.signed[Side.SERVICER] == sent and (not others or passed == -sent)

    @property
    def open(self) -> bool:
        """Say whether anything is still to come."""
        return self.state is not ChainState.RECEIVED

    def to_json(self) -> dict[str, Any]:
        """Return the chain with its legs; amounts are decimal strings."""
        return {
            "voucher_no": self.voucher_no,
            "currency": self.currency,
            "state": str(self.state),
            "first_day": day_iso(self.first_day),
            "amount_minor": str(self.amount_minor),
            "in_transit_minor": str(self.in_transit_minor),
            "unmatched_minor": str(self.unmatched_minor),
            "at_head_minor": str(self.at_head_minor),
            "origin": None if self.origin is None else self.origin.hex(),
            "destination": None if self.destination is None else self.destination.hex(),
            "legs": [
                {
                    "agreement": leg.agreement.hex(),
                    **{
                        side.word: {
                            "entries": sorted(leg.refs[side]),
                            "signed_minor": str(leg.signed[side]),
                        }
                        for side in Side
                    },
                }
                for leg in self.legs
            ],
        }


@dataclass(frozen=True, slots=True)
class TransitLine:
    """The roll-up of one currency: chains by state, and what is in transit, three ways."""

    currency: str
    counts: tuple[tuple[ChainState, int], ...]
    in_transit_minor: int
    open_minor: int
    unmatched_minor: int
    at_head_minor: int

    @property
    def identities(self) -> tuple[Identity, ...]:
        """Return the lines that must hold: books against chains, and the two parts of transit."""
        return (
            Identity("in_transit", None, self.currency, self.in_transit_minor, self.open_minor),
            Identity(
                "transit_parts",
                None,
                self.currency,
                self.in_transit_minor,
                self.unmatched_minor + self.at_head_minor,
            ),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the line with its identities; amounts are decimal strings."""
        return {
            "currency": self.currency,
            "counts": {str(state): str(count) for state, count in self.counts},
            "in_transit_minor": str(self.in_transit_minor),
            "open_minor": str(self.open_minor),
            "unmatched_minor": str(self.unmatched_minor),
            "at_head_minor": str(self.at_head_minor),
            "identities": [line.to_json() for line in self.identities],
        }


def voucher_of(entry: Entry) -> str | None:
    """Return an entry's voucher_no as chains compare it, None where it holds none."""
    return _VOUCHER(entry.reference(Carrier.VOUCHER_NO))


def chains_of(books: Iterable[BranchBook]) -> tuple[Chain, ...]:
    """Return every chain, by voucher_no and currency; each counted entry is in exactly one."""
    legs: dict[tuple[str, str, str], dict[bytes, Leg]] = defaultdict(dict)
    first: dict[tuple[str, str, str], int] = {}
    for book in books:
        for side in Side:
            for entry in book.moving(side):
                voucher_no = voucher_of(entry) or ""
                alone = f"{book.agreement.hex()}/{side.word}/{entry.entry_ref}"
                key = (voucher_no, entry.currency, "" if voucher_no else alone)
                leg = legs[key].setdefault(book.agreement, Leg(book.agreement))
                leg.add(side, entry)
                first[key] = min(first.get(key, entry.booking_date), entry.booking_date)
    return tuple(
        Chain(key[0], key[1], tuple(by[item] for item in sorted(by)), first[key])
        for key, by in sorted(legs.items())
    )


def roll_up(books: Sequence[BranchBook], chains: Iterable[Chain]) -> tuple[TransitLine, ...]:
    """Return one line a currency: the books' own totals beside what the open chains add up to."""
    nets: tuple[dict[str, int], dict[str, int]] = (defaultdict(int), defaultdict(int))
    for book in books:
        for side in Side:
            for entry in book.moving(side):
                nets[side][entry.currency] += entry.signed_minor
    counts: dict[str, dict[ChainState, int]] = defaultdict(lambda: dict.fromkeys(ChainState, 0))
    open_minor: dict[str, int] = defaultdict(int)
    for chain in chains:
        counts[chain.currency][chain.state] += 1
        if chain.open:
            open_minor[chain.currency] += chain.in_transit_minor
    return tuple(
        TransitLine(
            currency=currency,
            counts=tuple(counts[currency].items()),
            in_transit_minor=-nets[Side.OWNER][currency],
            open_minor=open_minor[currency],
            unmatched_minor=nets[Side.SERVICER][currency] - nets[Side.OWNER][currency],
            at_head_minor=-nets[Side.SERVICER][currency],
        )
        for currency in sorted({*nets[0], *nets[1]})
    )
