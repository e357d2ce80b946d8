"""What stands in a row of the decisions workbook, computed alike when written and when read.

A checker sees what the maker saw because a row comes back only with the very cells it left with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from sqlalchemy.orm import Session

from node.services.breaks.runs import run_of
from node.tables import MatchRun
from node.web.i18n import Speaker, digits_of
from node.web.read.breaks import BreakView, ProposalView, list_breaks, proposals_of
from node.web.read.entries import entries_by_ref
from node.web.read.parties import AgreementView
from node.web.sheets import EXACT_DIGITS
from node.web.words import KINDS, MARKS, N_, reference_words
from reconcile.model import Entry, Side, UsageError, day_iso

FORMAT: Final = "kanhe-decisions/1"
STAMP_SHEET: Final = "kanhe"
MAX_ROWS: Final = 20_000
STEP: Final = 500
MAX_ENTRIES: Final = 4
MIN_REASON: Final = 3
MAX_REASON: Final = 500
CONFIRM, REJECT, WRITE_OFF = "confirm", "reject", "write_off"
HEAD: Final = (
    "key",
    "proposal",
    "#",
    N_("What"),
    N_("Marks"),
    N_("Age in business days"),
    N_("Currency"),
    N_("Difference"),
    N_("Servicer's entry"),
    N_("Owner's entry"),
    N_("Proposed counterpart"),
    N_("Decision"),
    N_("Reason"),
)
HIDDEN: Final = 2
DECISION: Final = len(HEAD) - 2
REASON: Final = len(HEAD) - 1
Cell = str | int | Decimal


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a workbook was written from; it comes back in a hidden sheet."""

    agreement: str
    window: int
    digest: str
    locale: str

    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Return names and texts as they stand in the hidden sheet."""
        return (
            ("format", FORMAT),
            ("agreement", self.agreement),
            ("window", str(self.window)),
            ("digest", self.digest),
            ("locale", self.locale),
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One break: its locked cells, in the order of the head, and the verdicts it allows."""

    key: bytes
    proposal: bytes | None
    cells: tuple[Cell, ...]
    verdicts: tuple[str, ...]


def load_lines(
    session: Session, view: AgreementView, window: int | None, speaker: Speaker
) -> tuple[Stamp, tuple[Line, ...]]:
    """Return a run's breaks as rows; `window` None: the newest window's.

    Raises UsageError RUN_MISSING before any run, WORKBOOK_TOO_LARGE beyond MAX_ROWS breaks.
    """
    run = run_of(session, view.agreement, window)
    if run is None:
        raise UsageError(
            "RUN_MISSING", "nothing has been compared yet", help="see `kanhe reconcile`"
        )
    if run.break_count > MAX_ROWS:
        raise UsageError(
            "WORKBOOK_TOO_LARGE",
            f"{run.break_count:,} breaks are more than a workbook's {MAX_ROWS:,} rows",
            help="mend the cause first: so many breaks have one",
        )
    stamp = Stamp(view.agreement.hex(), run.window, run.mark.hex(), speaker.locale)
    return stamp, tuple(_lines(session, run, view, speaker))


def _lines(session: Session, run: MatchRun, view: AgreementView, speaker: Speaker) -> list[Line]:
    lines: list[Line] = []
    after: str | None = None
    while True:
        page = list_breaks(session, [run.id], after=after, limit=STEP)
        for row in page.rows:
            if row.servicer or row.owner:
                proposals = proposals_of(session, row)
                lines.append(
                    _line(session, len(lines) + 1, row, page.entries, proposals, view, speaker)
                )
        after = page.more
        if after is None:
            return lines


def _line(
    session: Session,
    number: int,
    row: BreakView,
    entries: tuple[dict[str, Entry], dict[str, Entry]],
    proposals: Sequence[ProposalView],
    view: AgreementView,
    speaker: Speaker,
) -> Line:
    _ = speaker.gettext
    whole = [item for item in proposals if item.whole]
    sides = [side for side in Side if (row.servicer, row.owner)[side]]
    chosen = whole[0] if len(whole) == 1 and len(sides) == 1 else None
    both = len(sides) == len(Side) or chosen is not None
    currency, difference = _signed(row)
    return Line(
        key=row.key,
        proposal=None if chosen is None else chosen.key,
        cells=(
            row.key.hex(),
            "" if chosen is None else chosen.key.hex(),
            number,
            _(KINDS[row.kind]),
            " ".join(_(MARKS[mark]) for mark in row.marks),
            row.age_days,
            currency,
            difference,
            entry_words(row.servicer, entries[0]),
            entry_words(row.owner, entries[1]),
            "" if chosen is None else _counterpart(session, view, sides[0].other, chosen),
        ),
        verdicts=(CONFIRM, REJECT, WRITE_OFF) if both else (WRITE_OFF,),
    )


def _counterpart(session: Session, view: AgreementView, side: Side, chosen: ProposalView) -> str:
    refs = (chosen.servicer, chosen.owner)[side]
    return entry_words(refs, entries_by_ref(session, view.agreement, side, refs))


def _signed(row: BreakView) -> tuple[str, Cell]:
    """Return the currency and the difference in major units: a number where one holds it."""
    if len(row.signed) != 1:
        said = "; ".join(f"{code} {_major(minor, code):f}" for code, minor in row.signed)
        return " ".join(code for code, _ in row.signed), said
    code, minor = row.signed[0]
    exact = len(str(abs(minor))) <= EXACT_DIGITS
    return code, _major(minor, code) if exact else f"{_major(minor, code):f}"


def _major(minor: int, currency: str) -> Decimal:
    return Decimal(minor).scaleb(-digits_of(currency))


def entry_words(refs: Sequence[str], found: Mapping[str, Entry]) -> str:
    """Return entries as lines: date, direction, amount, reference, counterparty."""
    lines = []
    for ref in refs[:MAX_ENTRIES]:
        entry = found.get(ref)
        if entry is None:
            lines.append(ref)
            continue
        amount = f"{_major(entry.amount_minor, entry.currency):,f}"
        parts = [day_iso(entry.booking_date), entry.direction.name, entry.currency, amount]
        parts.append(reference_words(entry, str))
        if entry.counterparty_name:
            parts.append(entry.counterparty_name)
        lines.append(" ".join(parts))
    if len(refs) > MAX_ENTRIES:
        lines.append(f"+{len(refs) - MAX_ENTRIES}")
    return "\n".join(lines)
