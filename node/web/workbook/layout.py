"""The sheets of the decisions workbook: what each lists, its columns, the verdicts it takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from node.services.breaks import Listed
from node.web.i18n import digits_of
from node.web.sheets import EXACT_DIGITS
from node.web.words import N_, Translate, reference_words, way_words
from reconcile.model import Entry, day_iso

FORMAT: Final = "kanhe-decisions/2"
STAMP_SHEET: Final = "kanhe"
MAX_ROWS: Final = 20_000
MAX_GROUPS: Final = MAX_ROWS
MAX_ENTRIES: Final = 4
MIN_REASON: Final = 3
MAX_REASON: Final = 500
CONFIRM, REJECT, WRITE_OFF, UNMATCH = "confirm", "reject", "write_off", "unmatch"
Cell = str | int | Decimal


@dataclass(frozen=True, slots=True)
class Layout:
    """One sheet: the first `hidden` columns identify a row, the last two are filled in."""

    listed: Listed
    title: str
    head: tuple[str, ...]
    widths: tuple[int, ...]
    hidden: int

    @property
    def decision(self) -> int:
        """Return the column of the verdict."""
        return len(self.head) - 2

    @property
    def reason(self) -> int:
        """Return the column of the reason."""
        return len(self.head) - 1


_FILLED: Final = (N_("Decision"), N_("Reason"))
_ENTRIES: Final = (N_("Servicer's entry"), N_("Owner's entry"))
BREAKS: Final = Layout(
    Listed.BREAK,
    N_("Breaks"),
    (
        "key",
        "proposal",
        "#",
        N_("What"),
        N_("Marks"),
        N_("Age in business days"),
        N_("Currency"),
        N_("Difference"),
        *_ENTRIES,
        N_("Proposed counterpart"),
        *_FILLED,
    ),
    (10, 10, 5, 22, 16, 8, 9, 16, 44, 44, 44, 24, 40),
    2,
)
PROPOSALS: Final = Layout(
    Listed.PROPOSAL,
    N_("Proposals"),
    ("key", "#", N_("Pass"), N_("Why it waits"), *_ENTRIES, *_FILLED),
    (10, 5, 16, 30, 44, 44, 24, 40),
    1,
)
GROUPS: Final = Layout(
    Listed.GROUP,
    N_("Groups"),
    ("key", "#", N_("Pass"), N_("Currency"), N_("Residual"), *_ENTRIES, *_FILLED),
    (10, 7, 16, 9, 16, 44, 44, 24, 40),
    1,
)
SHEETS: Final = (BREAKS, PROPOSALS, GROUPS)
# Columns whose head is no word of a language.
NAMES: Final = frozenset({"key", "proposal", "#"})


def head_words(layout: Layout, translate: Translate) -> tuple[str, ...]:
    """Return a sheet's first row in a language."""
    return tuple(word if word in NAMES else translate(word) for word in layout.head)


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
    """One row: its locked cells, in the order of the head, and the verdicts it allows.

    `number`: a group's. Without verdicts the row is shown and nothing is decided in it.
    """

    key: bytes
    cells: tuple[Cell, ...]
    verdicts: tuple[str, ...]
    proposal: bytes | None = None
    number: int | None = None


@dataclass(frozen=True, slots=True)
class Book:
    """A workbook's rows by sheet; `groups_left_out` are more than a sheet holds."""

    stamp: Stamp
    lines: Mapping[Listed, tuple[Line, ...]]
    groups_left_out: int = 0


def major(minor: int, currency: str) -> Decimal:
    """Return an amount in major units, exactly."""
    return Decimal(minor).scaleb(-digits_of(currency))


def figure(minor: int, currency: str) -> Cell:
    """Return an amount in major units: a number where a spreadsheet's holds it, else a text."""
    exact = len(str(abs(minor))) <= EXACT_DIGITS
    return major(minor, currency) if exact else f"{major(minor, currency):f}"


def entry_words(
    refs: Sequence[str],
    found: Mapping[str, Entry],
    translate: Translate,
    count: int | None = None,
) -> str:
    """Return entries as lines: date, direction, amount, reference, counterparty.

    `count`: how many there are, where `refs` are only the first of them.
    """
    lines = []
    for ref in refs[:MAX_ENTRIES]:
        entry = found.get(ref)
        if entry is None:
            lines.append(ref)
            continue
        amount = f"{major(entry.amount_minor, entry.currency):,f}"
        parts = [day_iso(entry.booking_date), way_words(entry.direction, translate)]
        parts += [entry.currency, amount]
        parts.append(reference_words(entry, translate))
        if entry.counterparty_name:
            parts.append(entry.counterparty_name)
        lines.append(" ".join(parts))
    more = max(len(refs), count or 0) - min(len(refs), MAX_ENTRIES)
    if more:
        lines.append(f"+{more}")
    return "\n".join(lines)
