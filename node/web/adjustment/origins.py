"""One item of a 余额调节表 in words: what it is, since when, under which voucher."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

from node.web.i18n import Speaker
from node.web.words import KINDS, MARKS, N_
from reconcile.model import BreakKind, Side, day_number
from reconcile.report import AdjustmentItem
from reconcile.report.adjustment import RESIDUAL, WRITTEN_OFF

SETTLED: Final[Mapping[str, str]] = {
    RESIDUAL: N_("Residual of a matched group"),
    WRITTEN_OFF: N_("Written off, not yet booked"),
}
MAX_REFS: Final = 3
UNDER_INQUIRY: Final = N_("under inquiry")


def item_words(item: AdjustmentItem, speaker: Speaker) -> tuple[str, str, str, str, str]:
    """Return kind, date, age in business days, voucher and remark of an item."""
    _ = speaker.gettext
    what = _(SETTLED[item.kind]) if item.kind in SETTLED else _(KINDS[BreakKind(item.kind)])
    day = "–" if item.day is None else speaker.day(day_number(dt.date.fromisoformat(item.day)))
    age = "–" if item.age_days is None else str(item.age_days)
    voucher = item.voucher or item.key[:12]
    said = [_(UNDER_INQUIRY)] if item.under_inquiry else []
    said += [_(MARKS[mark]) for mark in item.marks]
    if item.counterparty:
        said.append(item.counterparty)
    others = [ref for side in Side for ref in item.refs[side] if ref != voucher]
    if item.refs[0] and item.refs[1]:
        # Both books' own references: whoever looks into a difference needs the two.
        more = f" +{len(others) - MAX_REFS}" if len(others) > MAX_REFS else ""
        said.append(", ".join(others[:MAX_REFS]) + more)
    return what, day, age, voucher, " · ".join(said)
