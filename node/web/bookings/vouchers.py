"""A suggested voucher in words: what it is for, its accounts, what else it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node.web.adjustment.origins import SETTLED
from node.web.bookings.accounts import load_accounts
from node.web.i18n import Speaker
from node.web.node_view import NodeView
from node.web.read.parties import AgreementView
from node.web.words import KINDS, N_
from reconcile.model import BreakKind, Side
from reconcile.report import SuggestedBooking

NEEDS: Final[Mapping[str, str]] = {
    "confirm": N_("both sides confirm the pair"),
    "write_off": N_("both sides write the break off"),
}


@dataclass(frozen=True, slots=True)
class Voucher:
    """A suggestion with debit and credit account, summary and what it needs, in words."""

    booking: SuggestedBooking
    debit: str
    credit: str
    summary: str
    needs: str

    @property
    def number(self) -> str:
        """Return the suggestion's own number, the same as long as the item stands."""
        item = self.booking
        return f"KH-{item.key[:12]}-{item.currency}-{item.side.word[0].upper()}"


def load_vouchers(
    node: NodeView,
    view: AgreementView,
    window: int,
    speaker: Speaker,
    *,
    accounts: Path | None = None,
    booking_date: str | None = None,
    side: Side | None = None,
) -> tuple[Voucher, ...]:
    """Return a window's suggestions in words; `side`: only what that side books.

    Raises UsageError REPORT_NOT_COMPUTED before the proof, and what `load_accounts` raises.
    """
    book = load_accounts(accounts, view.agreement)
    _, found = node.reconciliation.bookings(view.agreement, window, booking_date=booking_date)
    vouchers = []
    for item in found:
        if side is not None and item.side is not side:
            continue
        debit, credit = book.pair(item.side, item.direction, item.kind)
        vouchers.append(
            Voucher(item, debit, credit, _summary(item, speaker), _needs(item, speaker))
        )
    return tuple(vouchers)


def _summary(item: SuggestedBooking, speaker: Speaker) -> str:
    _ = speaker.gettext
    kind = _(SETTLED[item.kind]) if item.kind in SETTLED else _(KINDS[BreakKind(item.kind)])
    reference = next(iter(item.references.values()), "") or next(
        iter((*item.servicer, *item.owner)), item.key[:12]
    )
    parts = [kind, reference, item.origin_date or "", item.counterparty_name]
    return " ".join(part for part in parts if part)


def _needs(item: SuggestedBooking, speaker: Speaker) -> str:
    _ = speaker.gettext
    if item.needs:
        return _(NEEDS[item.needs])
    return "" if item.settled_by else _("a person confirms the pair afterwards")
