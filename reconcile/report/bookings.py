"""补记凭证: for each open item the voucher that would settle it, on the side that must book.

A pure function of a report, beside its 余额调节表: what adjusts a side's balance on paper is what
that side books. An item in transit is booked as the other side booked it, under a reference that
a pass confirms; a residual or write-off is booked with its subject as `group_ref`, which closes it
(matching.md, "Identities"). Where people must decide first, the suggestion says which decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from reconcile.matching.keys import group_subject
from reconcile.matching.normalise import compile_chain
from reconcile.model import CARRIER_BY_WORD, BreakKind, InputError, MatchGroup, Side
from reconcile.report.adjustment import (
    ERROR_KINDS,
    MOVING_WORDS,
    RESIDUAL,
    WRITTEN_OFF,
    AdjustmentItem,
    Past,
    adjustment_sheets,
)
from reconcile.terms import MatchPass, Terms

CONFIRM: Final = "confirm"
WRITE_OFF: Final = "write_off"
BOOKING: Final = "booking"
CONFIRMED_ALONE: Final = "unique"

Report = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SuggestedBooking:
    """A voucher that one side may book. `direction`, `amount_minor` as the account's owner sees it.

    `key`: of the break, else the subject. `needs`: the decision that must take effect with it,
    empty for none. `settled_by`: the pass that confirms it (`booking`: its group_ref does), empty
    where a person has to confirm it afterwards. Days are ISO 8601.
    """

    side: Side
    key: str
    kind: str
    direction: str
    amount_minor: int
    currency: str
    digits: int
    booking_date: str
    value_date: str
    origin_date: str | None
    group_ref: str | None = None
    reversal_of: str | None = None
    needs: str = ""
    settled_by: str = ""
    counterparty_name: str = ""
    counterparty_account: str = ""
    remittance: str = ""
    references: Mapping[str, str] = field(default_factory=dict)
    servicer: tuple[str, ...] = ()
    owner: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the suggestion for `--json` and REST; amounts are decimal strings."""
        return {
            "side": self.side.word,
            "key": self.key,
            "kind": self.kind,
            "direction": self.direction,
            "amount_minor": str(self.amount_minor),
            "currency": self.currency,
            "booking_date": self.booking_date,
            "value_date": self.value_date,
            "origin_date": self.origin_date,
            "group_ref": self.group_ref,
            "reversal_of": self.reversal_of,
            "needs": self.needs or None,
            "settled_by": self.settled_by or None,
            "counterparty_name": self.counterparty_name,
            "counterparty_account": self.counterparty_account,
            "remittance": self.remittance,
            "references": dict(self.references),
            "servicer": list(self.servicer),
            "owner": list(self.owner),
        }


def suggested_bookings(
    report: Report,
    groups: Sequence[MatchGroup] = (),
    *,
    terms: Terms,
    booking_date: str,
    earlier: Iterable[Past] = (),
) -> tuple[SuggestedBooking, ...]:
    """Return the vouchers that would settle what a report leaves open, in the sheet's order.

    `booking_date`: ISO 8601, the day they are to be booked on. Raises InputError REPORT_MALFORMED.
    """
    sheets = adjustment_sheets(report, groups, earlier=earlier, calendar=terms.common_calendar)
    try:
        entries = {
            (side, row["entry"]["entry_ref"]): row["entry"]
            for side in Side
            for row in report["carried"][side.word]
        }
        maker = _Maker(bytes.fromhex(report["agreement"]), terms, booking_date, entries)
        return tuple(
            made
            for sheet in sheets
            for section in sheet.sections
            for item in section.items
            if (made := maker.of(item, sheet.currency, sheet.digits)) is not None
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("REPORT_MALFORMED", f"the report does not read: {error}") from error


@dataclass(frozen=True)
class _Maker:
    agreement: bytes
    terms: Terms
    booking_date: str
    entries: Mapping[tuple[Side, str], Report]

    def of(self, item: AdjustmentItem, currency: str, digits: int) -> SuggestedBooking | None:
        """Return the voucher of one item, None where amending an entry settles it."""
        base: dict[str, Any] = {
            "key": item.key,
            "kind": item.kind,
            "currency": currency,
            "digits": digits,
            "booking_date": self.booking_date,
            "value_date": self.booking_date,
            "origin_date": item.day,
            "servicer": item.refs[0],
            "owner": item.refs[1],
            "counterparty_name": item.counterparty,
        }
        if item.kind in {RESIDUAL, WRITTEN_OFF}:
            # Its subject is what closes it; the decision has taken effect already.
            base |= {"group_ref": item.key, "settled_by": BOOKING}
            return _booking(item.side, item.minor, base)
        named = [self.entries[side, ref] for side in Side for ref in item.refs[side]]
        if any(entry["status"] not in MOVING_WORDS for entry in named):
            # An amendment settles it; a second voucher would book the payment twice.
            return None
        if BreakKind(item.kind) in ERROR_KINDS:
            return self._reversal(item, base)
        if item.refs[0] and item.refs[1]:
            return self._difference(item, {entry["currency"] for entry in named}, base)
        return self._in_transit(item, base)

    def _in_transit(self, item: AdjustmentItem, base: dict[str, Any]) -> SuggestedBooking:
        """Book what the other side booked, under references by which a pass confirms it."""
        booked = item.side.other
        entry = self.entries[booked, item.refs[booked][0]]
        references = dict(entry["references"])
        settled_by = ""
        for rule in self._rules():
            needed = _needed(rule, entry, booked)
            if needed is not None:
                references |= needed
                settled_by = rule.name
                break
        base |= {
            "references": references,
            "settled_by": settled_by,
            "counterparty_account": entry["counterparty_account"] or "",
            "remittance": entry["remittance"] or "",
            # Its own day counts for interest, and keeps the pair within the pass's distance.
            "value_date": entry["value_date"] or entry["booking_date"],
        }
        return _booking(item.side, item.minor, base)

    def _rules(self) -> list[MatchPass]:
        """Return the passes that confirm a pair by references, the certain ones first."""
        rules = [rule for rule in self.terms.passes if rule.keys and "1:1" in rule.shape]
        return [rule for rule in rules if rule.confirm == "always"] + [
            rule for rule in rules if rule.confirm == CONFIRMED_ALONE
        ]

    def _difference(
        self, item: AdjustmentItem, currencies: set[str], base: dict[str, Any]
    ) -> SuggestedBooking:
        """Book the difference into the group that both confirm, or against the write-off.

        One group cannot hold several currencies.
        """
        if len(currencies) > 1:
            base |= {"group_ref": item.key, "needs": WRITE_OFF, "settled_by": BOOKING}
        else:
            subject = group_subject(self.agreement, *item.refs).hex()
            base |= {"group_ref": subject, "needs": CONFIRM, "settled_by": BOOKING}
        return _booking(item.side, item.minor, base)

    def _reversal(self, item: AdjustmentItem, base: dict[str, Any]) -> SuggestedBooking:
        """Take back what one side booked too much: its write-off names that side."""
        side = Side.SERVICER if item.refs[0] else Side.OWNER
        base |= {
            "group_ref": item.key,
            "needs": WRITE_OFF,
            "settled_by": BOOKING,
            "reversal_of": item.refs[side][0] if len(item.refs[side]) == 1 else None,
        }
        # The item adjusts the owner while it is under inquiry; signed is servicer minus owner.
        return _booking(side, -item.minor if side is Side.SERVICER else item.minor, base)


def _booking(side: Side, minor: int, base: Mapping[str, Any]) -> SuggestedBooking:
    direction = "IN" if minor >= 0 else "OUT"
    return SuggestedBooking(side=side, direction=direction, amount_minor=abs(minor), **base)


def _needed(rule: MatchPass, entry: Report, side: Side) -> dict[str, str] | None:
    """Return the references that the booking must carry for a pass, None where it cannot apply."""
    needed: dict[str, str] = {}
    for pair in rule.keys:
        mine, theirs = pair.carrier(side), pair.carrier(side.other)
        if theirs not in CARRIER_BY_WORD:
            return None
        text = entry["references"].get(mine) if mine in CARRIER_BY_WORD else entry.get(mine)
        if compile_chain(pair.normalise, pair.min_length)(text) is None:
            return None
        needed[theirs] = str(text)
    return needed
