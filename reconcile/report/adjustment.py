"""余额调节表, the bank reconciliation statement: what leads both closings to one figure.

Five sections a currency: the four classical items in transit, then errors and differences. It is
a pure function of a report; since a residual or a write-off outlives the entries that made it,
the earlier reports that formed it are asked for its date and references (matching.md,
"Identities").

The difference of the two adjusted balances is the proof amount, so they agree exactly when the
run explains the difference of the closings.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from reconcile.matching.decisions import DECISION_PASS, WRITE_OFF_PASS
from reconcile.matching.keys import group_subject
from reconcile.model import (
    MOVING_STATUSES,
    BreakKind,
    InputError,
    MatchGroup,
    Side,
    day_number,
)
from reconcile.report.groups import group_from_json
from reconcile.terms.calendar import Calendar

# One-sided, yet not in transit: somebody booked what should not stand.
ERROR_KINDS: Final = frozenset({BreakKind.DUPLICATE, BreakKind.REVERSAL_ORPHAN})
MOVING_WORDS: Final = frozenset(status.name for status in MOVING_STATUSES)
RESIDUAL: Final = "RESIDUAL"
WRITTEN_OFF: Final = "WRITTEN_OFF"
VOUCHER_FIRST: Final = ("voucher_no", "end_to_end_id", "servicer_ref", "order_no")

Refs = tuple[tuple[str, ...], tuple[str, ...]]
Report = Mapping[str, Any]
Past = tuple[Report, Sequence[MatchGroup]]


class SectionName(enum.StrEnum):
    """The five sections, in the order of the form: the owner's balance first."""

    SERVICER_IN = "SERVICER_IN"
    SERVICER_OUT = "SERVICER_OUT"
    OWNER_IN = "OWNER_IN"
    OWNER_OUT = "OWNER_OUT"
    DIFFERENCES = "DIFFERENCES"


@dataclass(frozen=True, slots=True)
class AdjustmentItem:
    """One line. `side`: whose balance it adjusts; `minor`: by how much, signed.

    `kind`: a kind of break, RESIDUAL or WRITTEN_OFF. `key`: the break's key, else the subject.
    `day`: ISO 8601, None where no report at hand names it; `age_days` in business days.
    `under_inquiry` (待查): no accepted decision says whose book is wrong.
    """

    key: str
    kind: str
    side: Side
    minor: int
    day: str | None
    age_days: int | None
    voucher: str
    counterparty: str
    refs: Refs
    marks: tuple[str, ...] = ()
    under_inquiry: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the line for `--json` and REST."""
        return {
            "key": self.key,
            "kind": self.kind,
            "side": self.side.word,
            "minor": str(self.minor),
            "date": self.day,
            "age_days": None if self.age_days is None else str(self.age_days),
            "voucher": self.voucher,
            "counterparty": self.counterparty,
            "servicer": list(self.refs[0]),
            "owner": list(self.refs[1]),
            "marks": list(self.marks),
            "under_inquiry": self.under_inquiry,
        }


@dataclass(frozen=True, slots=True)
class AdjustmentSection:
    """One section; the fifth may adjust either balance, item by item."""

    name: SectionName
    items: tuple[AdjustmentItem, ...]

    def total_minor(self, side: Side) -> int:
        """Return by how much the section adjusts one side's balance."""
        return sum(item.minor for item in self.items if item.side is side)

    def of_side(self, side: Side) -> tuple[AdjustmentItem, ...]:
        """Return the items that adjust one side's balance."""
        return tuple(item for item in self.items if item.side is side)


@dataclass(frozen=True, slots=True)
class AdjustmentSheet:
    """One currency: both closings with their bases, five sections, both adjusted balances."""

    currency: str
    digits: int
    closings: tuple[int, int]
    bases: tuple[str, str]
    sections: tuple[AdjustmentSection, ...]

    @property
    def adjusted(self) -> tuple[int, int]:
        """Return the servicer's and the owner's adjusted balance."""
        servicer, owner = (
            self.closings[side] + sum(section.total_minor(side) for section in self.sections)
            for side in Side
        )
        return servicer, owner

    @property
    def agrees(self) -> bool:
        """Say whether both adjusted balances are one figure."""
        return self.adjusted[0] == self.adjusted[1]

    def to_json(self) -> dict[str, Any]:
        """Return the sheet for `--json` and REST; amounts are decimal strings."""
        return {
            "currency": self.currency,
            "digits": str(self.digits),
            "closing_minor": {side.word: str(self.closings[side]) for side in Side},
            "closing_basis": {side.word: self.bases[side] for side in Side},
            "sections": [
                {"name": str(part.name), "items": [item.to_json() for item in part.items]}
                for part in self.sections
            ],
            "adjusted_minor": {side.word: str(self.adjusted[side]) for side in Side},
            "agrees": self.agrees,
        }


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a residual or write-off began. `decided`: by people, not by a pass."""

    day: str
    refs: Refs
    decided: bool

    @property
    def named_side(self) -> Side | None:
        """Return the side an accepted decision names: the only one whose entries it lists."""
        sides = [side for side in Side if self.refs[side]]
        return sides[0] if self.decided and len(sides) == 1 else None


def adjustment_sheets(
    report: Report,
    groups: Sequence[MatchGroup] = (),
    *,
    earlier: Iterable[Past] = (),
    calendar: Calendar | None = None,
) -> tuple[AdjustmentSheet, ...]:
    """Return one sheet for every currency of a report.

    `groups`: those that travel beside the report. `earlier`: earlier reports with their groups,
    where residuals and write-offs began. `calendar`: business days common to both, for their ages.
    Raises InputError REPORT_MALFORMED.
    """
    try:
        origins = origins_of([*earlier, (report, groups)])
        return tuple(_sheet(report, row, origins, calendar) for row in report["totals"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("REPORT_MALFORMED", f"the report does not read: {error}") from error


def adjustment_of_bundle(bundle: Mapping[str, Any]) -> tuple[AdjustmentSheet, ...]:
    """Return the sheets of a report bundle as `kanhe verify` reads it, without any node."""
    groups = [group_from_json(item) for item in bundle["groups"]]
    return adjustment_sheets(bundle["report"], groups)


def open_subjects(report: Report) -> frozenset[str]:
    """Return the subjects whose origin a sheet names: residuals and write-offs still open."""
    return frozenset(
        str(row["subject"]) for name in ("residuals", "written_off") for row in report[name]
    )


def origins_of(past: Iterable[Past]) -> dict[str, Origin]:
    """Return where each residual and write-off began, by its subject in hex."""
    found: dict[str, Origin] = {}
    for report, groups in sorted(past, key=lambda item: int(item[0]["window"])):
        agreement, day = bytes.fromhex(report["agreement"]), str(report["window_day"])
        for group in groups:
            if group.residual_minor and group.pass_name != WRITE_OFF_PASS:
                subject = group_subject(agreement, group.servicer, group.owner).hex()
                refs = (group.servicer, group.owner)
                found[subject] = Origin(day, refs, group.pass_name == DECISION_PASS)
        for item in report["decisions"]:
            if item["verdict"] in {"write_off", "confirm"} and item["void"] is None:
                refs = (tuple(item["servicer"]), tuple(item["owner"]))
                found[str(item["subject"])] = Origin(day, refs, decided=True)
    return found


def _sheet(
    report: Report, total: Report, origins: Mapping[str, Origin], calendar: Calendar | None
) -> AdjustmentSheet:
    currency = str(total["currency"])
    items = [
        *_break_items(report, currency),
        *_settled_items(report, currency, origins, calendar),
    ]
    items.sort(key=lambda pair: (pair[1].day or "", pair[1].refs, pair[1].key, pair[1].minor))
    return AdjustmentSheet(
        currency=currency,
        digits=int(total["digits"]),
        closings=(int(total["servicer"]["closing_minor"]), int(total["owner"]["closing_minor"])),
        bases=(str(total["servicer"]["closing_basis"]), str(total["owner"]["closing_basis"])),
        sections=tuple(
            AdjustmentSection(name, tuple(item for place, item in items if place is name))
            for name in SectionName
        ),
    )


def _break_items(report: Report, currency: str) -> Iterable[tuple[SectionName, AdjustmentItem]]:
    entries = {
        (side, row["entry"]["entry_ref"]): row["entry"]
        for side in Side
        for row in report["carried"][side.word]
    }
    for body in report["breaks"]:
        if "unexplained_minor" in body:
            # BALANCE and STATEMENT_GAP never enter the proof (matching.md, "Identities").
            continue
        minor = sum(int(row["minor"]) for row in body["signed"] if row["currency"] == currency)
        sides = [side for side in Side if body[side.word]]
        if len(sides) == 1 and BreakKind(body["kind"]) not in ERROR_KINDS:
            yield from _in_transit(body, sides[0], currency, entries)
        elif minor:
            yield SectionName.DIFFERENCES, _difference(body, minor, entries)


def _in_transit(
    body: Report, side: Side, currency: str, entries: Mapping[tuple[Side, str], Report]
) -> Iterable[tuple[SectionName, AdjustmentItem]]:
    """Return a line for every moving entry of a one-sided break: each has its own date."""
    places = {
        Side.SERVICER: (SectionName.SERVICER_IN, SectionName.SERVICER_OUT),
        Side.OWNER: (SectionName.OWNER_IN, SectionName.OWNER_OUT),
    }
    for ref in body[side.word]:
        entry = entries[side, ref]
        if entry["currency"] != currency or entry["status"] not in MOVING_WORDS:
            continue
        incoming = entry["direction"] == "IN"
        minor = int(entry["amount_minor"])
        refs = ((ref,), ()) if side is Side.SERVICER else ((), (ref,))
        yield (
            places[side][not incoming],
            AdjustmentItem(
                key=body["key"],
                kind=body["kind"],
                side=side.other,
                minor=minor if incoming else -minor,
                day=entry["booking_date"],
                age_days=int(body["age_days"]),
                voucher=_voucher(entry),
                counterparty=entry["counterparty_name"] or "",
                refs=refs,
                marks=tuple(body["marks"]),
            ),
        )


def _difference(
    body: Report, minor: int, entries: Mapping[tuple[Side, str], Report]
) -> AdjustmentItem:
    """Return an open break that is not in transit: nobody has decided yet whose book is wrong."""
    named = [entries[side, ref] for side in Side for ref in body[side.word]]
    oldest = min(named, key=lambda entry: str(entry["booking_date"]))
    return AdjustmentItem(
        key=body["key"],
        kind=body["kind"],
        side=Side.OWNER,
        minor=minor,
        day=oldest["booking_date"],
        age_days=int(body["age_days"]),
        voucher=_voucher(oldest),
        counterparty=next((e["counterparty_name"] for e in named if e["counterparty_name"]), ""),
        refs=(tuple(body["servicer"]), tuple(body["owner"])),
        marks=tuple(body["marks"]),
        under_inquiry=True,
    )


def _settled_items(
    report: Report, currency: str, origins: Mapping[str, Origin], calendar: Calendar | None
) -> Iterable[tuple[SectionName, AdjustmentItem]]:
    """Return residuals of groups and write-offs that no entry has booked yet."""
    for name, kind in (("residuals", RESIDUAL), ("written_off", WRITTEN_OFF)):
        for row in report[name]:
            if row["currency"] != currency:
                continue
            origin = origins.get(row["subject"])
            side = None if origin is None else origin.named_side
            minor = int(row["minor"])
            item = AdjustmentItem(
                key=row["subject"],
                kind=kind,
                side=Side.OWNER if side is None else side,
                # Signed is servicer minus owner: the servicer's balance moves the other way.
                minor=-minor if side is Side.SERVICER else minor,
                day=None if origin is None else origin.day,
                age_days=_age_days(report, origin, calendar),
                voucher="" if origin is None else _first_ref(origin.refs),
                counterparty="",
                refs=((), ()) if origin is None else origin.refs,
                under_inquiry=side is None,
            )
            yield SectionName.DIFFERENCES, item


def _age_days(report: Report, origin: Origin | None, calendar: Calendar | None) -> int | None:
    if origin is None:
        return None
    if origin.day == report["window_day"]:
        return 0
    if calendar is None:
        return None
    began, today = (
        day_number(dt.date.fromisoformat(text)) for text in (origin.day, report["window_day"])
    )
    return max(calendar.ordinal(today) - calendar.ordinal(began), 0)


def _voucher(entry: Report) -> str:
    """Return the reference a person looks an entry up by: its voucher number if it has one."""
    references: Mapping[str, str] = entry["references"]
    named = [references[word] for word in VOUCHER_FIRST if word in references]
    return str(next(iter([*named, *references.values()]), entry["entry_ref"]))


def _first_ref(refs: Refs) -> str:
    return next((ref for side in Side for ref in refs[side]), "")
