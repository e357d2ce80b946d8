"""The dice and the moulds: reproducible draws, fresh references, pairs of mirrored entries."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from devnet.scenario.names import BRANCHES, BUSINESS_TYPES, FIRMS, REMITTANCES
from reconcile.model import AgreementKind, Carrier, Direction, Entry, Side
from reconcile.terms import Calendar

T = TypeVar("T")
References = tuple[tuple[int, str], ...]

# Amounts of special cases lie this far apart, so that no two of them meet by chance: differences
# inside a case stay below it.
AMOUNT_STEP_MINOR: Final = 1_009
FIRST_SPECIAL_MINOR: Final = 1_000_003
_DRAW_BITS: Final = 53
_PREFIX: Final = {
    AgreementKind.BANK_ENTERPRISE: ("BK", "EN"),
    AgreementKind.HEAD_BRANCH: ("HO", "BR"),
    AgreementKind.CLEARING: ("CH", "PT"),
}


@dataclass(frozen=True)
class Mould:
    """What both sides' entries of one payment have in common."""

    direction: Direction
    amount_minor: int
    day: int
    references: References
    party: tuple[str, str]
    remittance: str
    extra: dict[str, Any]


class Forge:
    """Draws everything from one seed; the same seed gives the same draws on every machine."""

    def __init__(
        self,
        seed: int,
        kind: AgreementKind,
        sessions: int,
        calendar: Calendar | None = None,
        *,
        opted: bool = False,
    ) -> None:
        """Start from a seed of any size."""
        # Integers seed the Mersenne Twister alike in every version of Python; so do its bits.
        self.bits = random.Random(seed * len(AgreementKind) + kind).getrandbits  # noqa: S311
        self.kind = kind
        self.sessions = sessions
        self.calendar = calendar or Calendar()
        self.opted = opted
        self.serials = [0, 0]
        self.keys = 0
        self.amounts = 0

    def below(self, limit: int) -> int:
        """Return an integer from 0 to limit - 1."""
        return (self.bits(_DRAW_BITS) * limit) >> _DRAW_BITS

    def pick(self, items: Sequence[T]) -> T:
        """Return one of the items."""
        return items[self.below(len(items))]

    def ref(self, side: Side) -> str:
        """Return the next entry_ref of a side; refs ascend."""
        self.serials[side] += 1
        return f"{_PREFIX[self.kind][side]}{self.serials[side]:09d}"

    def key(self) -> References:
        """Return a fresh key that both sides carry, by the relation's habits."""
        self.keys += 1
        number = self.keys
        if self.kind is AgreementKind.BANK_ENTERPRISE:
            return ((int(Carrier.END_TO_END_ID), f"E2E{number:010d}"),)
        if self.kind is AgreementKind.HEAD_BRANCH:
            return ((int(Carrier.VOUCHER_NO), f"VCH{number:09d}"),)
        if number % 3:
            return ((int(Carrier.ORDER_NO), f"7{number:015d}"),)
        return ((int(Carrier.TRACE_NO), f"{number:06d}"), (int(Carrier.RRN), f"4{number:011d}"))

    def special_minor(self) -> int:
        """Return an amount that no other special case comes near."""
        self.amounts += 1
        return FIRST_SPECIAL_MINOR + self.amounts * AMOUNT_STEP_MINOR

    def party(self) -> tuple[str, str]:
        """Return a counterparty's name and account."""
        return self.pick(BRANCHES if self.kind is AgreementKind.HEAD_BRANCH else FIRMS)

    def mould(self, day: int, *, keyed: bool = True) -> Mould:
        """Return a payment of a special amount; without a key only amount and party tell it."""
        extra: dict[str, Any] = {}
        if self.kind is AgreementKind.CLEARING:
            extra = {
                "settlement_date": day,
                "session": self.below(self.sessions),
                "business_type": self.pick(BUSINESS_TYPES),
            }
        return Mould(
            direction=Direction(self.below(2)),
            amount_minor=self.special_minor(),
            day=day,
            references=self.key() if keyed else (),
            party=self.party(),
            remittance=self.pick(REMITTANCES),
            extra=extra,
        )

    def cast(self, side: Side, mould: Mould, **changes: Any) -> Entry:  # noqa: ANN401 - entry fields
        """Return one side's entry of a payment, with what differs on this side."""
        fields: dict[str, Any] = {
            "direction": mould.direction,
            "amount_minor": mould.amount_minor,
            "booking_date": mould.day,
            "value_date": mould.day,
            "references": mould.references,
            "counterparty_name": mould.party[0],
            "counterparty_account": mould.party[1],
            "remittance": mould.remittance,
            **mould.extra,
            **changes,
        }
        return Entry(
            entry_ref=self.ref(side), version=0, currency=fields.pop("currency", "CNY"), **fields
        )

    def both(self, mould: Mould, **owner_changes: Any) -> tuple[Entry, Entry]:  # noqa: ANN401
        """Return servicer's and owner's entry; the changes are the owner's."""
        servicer = self.cast(Side.SERVICER, mould)
        return servicer, self.cast(Side.OWNER, mould, **owner_changes)

    def before(self, day: int, count: int) -> int:
        """Return the day that many business days earlier."""
        return self.calendar.add(day, -count)


def amended(entry: Entry, **changes: Any) -> Entry:  # noqa: ANN401 - entry fields
    """Return the entry's next version, with full content."""
    return msgspec.structs.replace(entry, version=entry.version + 1, **changes)
