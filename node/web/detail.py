"""Builds what pages show line by line: both entries, identities, terms in words, timelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from node.web import words
from node.web.i18n import Speaker
from node.web.read.windows import Figures
from node.web.words import N_
from reconcile.model import Carrier, Entry, Side

MAX_PAIRS: Final = 16


@dataclass(frozen=True, slots=True)
class Line:
    """One field of both entries; a cell is null where that side says nothing."""

    name: str
    cells: tuple[str | None, str | None]
    differs: bool
    link: bool = False


@dataclass(frozen=True, slots=True)
class PairBlock:
    """Two entries beside each other; `missing` is the side without one, -1 for none."""

    lines: tuple[Line, ...]
    missing: int


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line of the identities: (currency, minor or null) for servicer and owner in turn."""

    name: str
    cells: tuple[tuple[str, int | None], ...]
    strong: bool = False


@dataclass(frozen=True, slots=True)
class LedgerLines:
    """opening + in - out = closing, line by line, per currency and side."""

    currencies: tuple[str, ...]
    lines: tuple[LedgerLine, ...]
    proof: tuple[LedgerLine, ...] = ()


def entry_lines(entry: Entry, speaker: Speaker) -> tuple[tuple[str, str], ...]:
    """Return every field of an entry that says something, in words."""
    _ = speaker.gettext
    pairs: list[tuple[str, str | None]] = [
        (_("Entry reference"), entry.entry_ref),
        (_("Version"), str(entry.version)),
        (_("Amount"), speaker.money(entry.amount_minor, entry.currency)),
        (_("Direction"), _direction(entry, speaker)),
        (_("Status"), _(words.STATUSES[entry.status])),
        (_("Booking date"), speaker.day(entry.booking_date)),
        (_("Value date"), _day(entry.value_date, speaker)),
        (_("Settlement date"), _day(entry.settlement_date, speaker)),
        (_("Session"), None if entry.session is None else str(entry.session)),
        (_("Business type"), entry.business_type),
        *((_(words.CARRIERS[Carrier(number).word]), text) for number, text in entry.references),
        (_("Kind"), entry.kind),
        (_("Counterparty"), entry.counterparty_name),
        (_("Counterparty's account"), entry.counterparty_account),
        (_("Remittance"), entry.remittance),
        (_("Fee"), _fee(entry, speaker)),
        (_("Group"), entry.group_ref),
        (_("Reversal of"), entry.reversal_of),
        (_("Occurred"), None if entry.occurred_at is None else speaker.time(entry.occurred_at)),
        *((kind, digest.hex()) for kind, digest in entry.documents),
    ]
    return tuple((name, text) for name, text in pairs if text)


def _direction(entry: Entry, speaker: Speaker) -> str:
    _ = speaker.gettext
    word = words.way_words(entry.direction, _)
    reversal = _("reversal")
    return f"{word} · {reversal}" if entry.is_reversal else word


def _day(day: int | None, speaker: Speaker) -> str | None:
    return None if day is None else speaker.day(day)


def _fee(entry: Entry, speaker: Speaker) -> str | None:
    return None if entry.fee_minor is None else speaker.money(entry.fee_minor, entry.currency)


# Two books name their lines differently by nature: unequal here says nothing.
OWN_FIELDS: Final = frozenset({"Entry reference", "Version", "Occurred"})


def pair_blocks(
    servicer: Sequence[tuple[str, Entry | None]],
    owner: Sequence[tuple[str, Entry | None]],
    speaker: Speaker,
) -> tuple[PairBlock, ...]:
    """Return the break's entries beside each other, k-th with k-th; refs alone where unreadable."""
    blocks = []
    for number in range(min(max(len(servicer), len(owner)), MAX_PAIRS)):
        sides = [
            books[number] if number < len(books) else (None, None) for books in (servicer, owner)
        ]
        blocks.append(_pair_block(sides, speaker))
    return tuple(blocks)


def _pair_block(
    sides: Sequence[tuple[str | None, Entry | None]],
    speaker: Speaker,
) -> PairBlock:
    ref_name = speaker.gettext("Entry reference")
    own = {speaker.gettext(name) for name in OWN_FIELDS}
    said = [dict(entry_lines(entry, speaker)) if entry else {} for _, entry in sides]
    for index, (ref, _) in enumerate(sides):
        if ref is not None:
            said[index][ref_name] = ref
    names = list(dict.fromkeys([*said[0], *said[1]]))
    order = {name: i for i, name in enumerate(_field_order(speaker))}
    names.sort(key=lambda name: order.get(name, len(order)))
    both = all(ref is not None for ref, _ in sides)
    value_date = speaker.gettext("Value date")
    for index, (_, entry) in enumerate(sides):
        # A missing value date is the booking date (matching.md, rule 2).
        if entry is not None and value_date in names and value_date not in said[index]:
            said[index][value_date] = speaker.day(entry.booking_date)
    lines = []
    for name in names:
        cells = (said[0].get(name), said[1].get(name))
        # A missing optional field agrees with anything (matching.md, rule 8).
        differs = both and None not in cells and cells[0] != cells[1] and name not in own
        lines.append(Line(name, cells, differs, link=name == ref_name))
    missing = next((i for i, (ref, _) in enumerate(sides) if ref is None), -1)
    return PairBlock(tuple(lines), missing)


def _field_order(speaker: Speaker) -> list[str]:
    _ = speaker.gettext
    return [
        _("Entry reference"),
        _("Amount"),
        _("Direction"),
        _("Status"),
        _("Booking date"),
        _("Value date"),
        _("Settlement date"),
        *(_(text) for text in words.CARRIERS.values()),
        _("Counterparty"),
        _("Counterparty's account"),
        _("Remittance"),
        _("Fee"),
        _("Group"),
        _("Reversal of"),
        _("Kind"),
        _("Business type"),
        _("Session"),
        _("Occurred"),
        _("Version"),
    ]


def ledger_lines(figures: Figures) -> LedgerLines:
    """Return the identities of a run line by line; a balance nobody stated is null."""
    sides = [side.word for side in Side]
    currencies = tuple(str(total["currency"]) for total in figures.totals)

    def row(name: str, key: str, sign: int = 1, *, strong: bool = False) -> LedgerLine:
        cells = []
        for total in figures.totals:
            for side in sides:
                value = total[side].get(key)
                minor = None if value is None else sign * int(value)
                cells.append((str(total["currency"]), minor))
        return LedgerLine(name, tuple(cells), strong)

    lines = (
        row(N_("Opening balance"), "opening_minor"),
        row(N_("+ money in"), "in_minor"),
        row(N_("− money out"), "out_minor", -1),
        row(N_("= closing balance"), "closing_minor", strong=True),
    )
    return LedgerLines(currencies, lines, _proof_lines(figures))


def _proof_lines(figures: Figures) -> tuple[LedgerLine, ...]:
    """Return what explains the difference of the two closings, one figure a currency."""

    def row(name: str, key: str, sign: int = 1, *, strong: bool = False) -> LedgerLine:
        cells = []
        for total in figures.totals:
            value = total.get(key)
            cells.append((str(total["currency"]), None if value is None else sign * int(value)))
        return LedgerLine(name, tuple(cells), strong)

    return (
        row(N_("Difference of the closing balances"), "closing_difference_minor"),
        row(N_("− open breaks"), "breaks_minor", -1),
        row(N_("− open residuals of groups"), "residual_minor", -1),
        row(N_("− written off, not yet booked"), "written_off_minor", -1),
        row(N_("= proof amount"), "proof_minor", strong=True),
    )


@dataclass(frozen=True, slots=True)
class PassWords:
    """One pass of the terms in words."""

    name: str
    keys: str
    days: str
    shape: str
    confirm: str


CONFIRMS: Final[Mapping[str, str]] = {
    "always": N_("always"),
    "unique": N_("when it is the only candidate on both sides"),
    "never": N_("never: it only proposes"),
}


def terms_words(terms: Mapping[str, Any], speaker: Speaker) -> tuple[tuple[str, str], ...]:
    """Return the agreed terms (as `terms.json`) as names and sentences."""
    _, ngettext = speaker.gettext, speaker.ngettext
    currencies = ", ".join(sorted(terms.get("currencies", {})))

    def days(name: str) -> str:
        number = int(terms.get(name) or 0)
        said = ngettext("%(number)s business day", "%(number)s business days", number)
        return said % {"number": number}

    def units(name: str) -> str:
        number = int(terms.get(name) or 0)
        said = ngettext("%(number)s minor unit", "%(number)s minor units", number)
        return said % {"number": speaker.count(number)}

    pairs = [
        (_("Currencies"), currencies),
        (_("Cut-off"), terms.get("cut_off")),
        (_("Closes at"), _("%(time)s of the next business day") % {"time": terms.get("close_at")}),
        (_("Grace before it counts as missing"), days("grace_days")),
        (_("Overdue after"), days("stale_after_days")),
        (_("Rounding"), units("rounding_minor")),
        (_("Tolerance budget"), units("tolerance_budget_minor")),
        (_("Engine"), terms.get("engine")),
    ]
    return tuple((name, str(text)) for name, text in pairs if text)


def passes_words(terms: Mapping[str, Any], speaker: Speaker) -> tuple[PassWords, ...]:
    """Return the ordered passes of the agreed terms in words."""
    _ = speaker.gettext
    rows = []
    for item in terms.get("passes", []):
        keys = "; ".join(_key_words(key, speaker) for key in item.get("keys", []))
        apart = int(item.get("value_date_days") or 0)
        rows.append(
            PassWords(
                name=str(item["name"]),
                keys=keys or _("amount and date"),
                days=speaker.ngettext(
                    "at most %(number)s business day apart",
                    "at most %(number)s business days apart",
                    apart,
                )
                % {"number": apart},
                shape=", ".join(item.get("shape", [])),
                confirm=_(CONFIRMS.get(item.get("confirm", ""), ""))
                + (_("; differing values tell payments apart") if item.get("guards") else ""),
            ),
        )
    return tuple(rows)


def _key_words(key: Mapping[str, Any], speaker: Speaker) -> str:
    carriers = {**words.CARRIERS, **words.FIELDS}
    names = [str(speaker.gettext(carriers.get(key[side.word], key[side.word]))) for side in Side]
    return names[0] if names[0] == names[1] else f"{names[0]} = {names[1]}"


def identity_words(item: Mapping[str, Any], names: Mapping[str, str], speaker: Speaker) -> str:
    """Return one line of the proof in words: whose, expected, found."""
    _ = speaker.gettext
    if "says" in item and "expected_minor" not in item:
        return str(item["says"])
    currency = str(item.get("currency") or "")
    who = names.get(str(item.get("side") or ""), "")

    def figure(name: str) -> str:
        return speaker.money(item[name], currency) if currency else str(item[name])

    what = _(IDENTITIES.get(str(item["name"]), str(item["name"])))
    said = _("expected %(expected)s, found %(found)s") % {
        "expected": figure("expected_minor"),
        "found": figure("found_minor"),
    }
    return " · ".join(part for part in (what, who, said) if part)


IDENTITIES: Final[Mapping[str, str]] = {
    "opening": N_("opening = previous closing"),
    "flow": N_("opening + in − out = closing"),
    "proof": N_("proof amount: what no break explains"),
    "gapless": N_("no statement is missing"),
    "settlement": N_("net = settlement entry"),
}


def holds(item: Mapping[str, Any]) -> bool:
    """Say whether a line of the proof agrees."""
    return bool(item.get("holds", item.get("ok")))
