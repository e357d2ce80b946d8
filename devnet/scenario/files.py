"""Scenarios as files: both books in the generic profile, the terms, the labels."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from devnet.scenario.build import Book, Scenario
from reconcile.model import Carrier, Entry, day_iso
from reconcile.report import canonical_json
from reconcile.report.memory import no_collection
from reconcile.terms import terms_json

CARRIERS: Final = tuple(Carrier)
HEADER: Final = (
    "entry_ref", "version", "direction", "amount", "currency", "booking_date", "value_date",
    "settlement_date", "session", "business_type", "status", "is_reversal", "kind",
    "counterparty_name", "counterparty_account", "remittance", "fee", "group_ref", "reversal_of",
    "occurred_at", *(carrier.word for carrier in CARRIERS),
)  # fmt: skip
_MS_PER_S: Final = 1_000
_S_PER_DAY: Final = 86_400
_S_PER_HOUR: Final = 3_600
_S_PER_MINUTE: Final = 60


def write_scenario(scenario: Scenario, out: Path) -> tuple[Path, ...]:
    """Write servicer.csv, owner.csv, terms.json and labels.json; return the files.

    One day goes straight into `out`; of several each goes into a folder of its own, `day-1` on.
    Items in transit before the first day go into `opening-servicer.csv` and `opening-owner.csv`.
    """
    out.mkdir(parents=True, exist_ok=True)
    written = []
    for number, day in enumerate(scenario.days, 1):
        folder = out if len(scenario.days) == 1 else out / f"day-{number}"
        folder.mkdir(exist_ok=True)
        for name, book in (("servicer", day.servicer), ("owner", day.owner)):
            written.append(_write_book(folder / f"{name}.csv", book, scenario, day.day))
        labels = folder / "labels.json"
        labels.write_text(
            json.dumps(day.labels, ensure_ascii=False, separators=(",", ":")) + "\n",
            encoding="utf-8",
        )
        written.append(labels)
    terms = out / "terms.json"
    terms.write_bytes(canonical_json(terms_json(scenario.terms)) + b"\n")
    written.append(terms)
    for name, items, closing in zip(
        ("servicer", "owner"), scenario.opening_items, scenario.opening, strict=True
    ):
        if items:
            before = {
                code: minor - sum(i.signed_minor for i in items if i.currency == code)
                for code, minor in closing.items()
            }
            path = out / f"opening-{name}.csv"
            book = Book(items, before, closing)
            written.append(_write_book(path, book, scenario, scenario.days[0].day - 1))
    return tuple(written)


def _write_book(path: Path, book: Book, scenario: Scenario, day: int) -> Path:
    digits = scenario.terms.currencies
    dates = _Dates()
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        # The balances stand at the beginning and at the end of the same day.
        for word, balances in (("opening", book.opening), ("closing", book.closing)):
            for code, minor in sorted(balances.items()):
                rows.writerow(
                    (f"#{word}_balance", code, decimal(minor, digits[code]), day_iso(day))
                )
        rows.writerow(HEADER)
        with no_collection():
            rows.writerows(_rows(book.entries, digits, dates))
    return path


def _rows(
    entries: Iterable[Entry], digits: Mapping[str, int], dates: Mapping[int | None, str]
) -> Iterable[tuple[str, ...]]:
    for entry in entries:
        carried = dict(entry.references)
        places = digits[entry.currency]
        yield (
            entry.entry_ref,
            str(entry.version),
            entry.direction.name,
            decimal(entry.amount_minor, places),
            entry.currency,
            dates[entry.booking_date],
            dates[entry.value_date],
            dates[entry.settlement_date],
            "" if entry.session is None else str(entry.session),
            entry.business_type or "",
            entry.status.name,
            "true" if entry.is_reversal else "",
            entry.kind or "",
            entry.counterparty_name or "",
            entry.counterparty_account or "",
            entry.remittance or "",
            "" if entry.fee_minor is None else decimal(entry.fee_minor, places),
            entry.group_ref or "",
            entry.reversal_of or "",
            "" if entry.occurred_at is None else moment(entry.occurred_at),
            *(carried.get(carrier, "") for carrier in CARRIERS),
        )


class _Dates(dict[int | None, str]):
    """Remembers each day's text: a book has few days and many entries."""

    def __missing__(self, day: int | None) -> str:
        text = "" if day is None else day_iso(day)
        self[day] = text
        return text


def decimal(minor: int, digits: int) -> str:
    """Return minor units as a decimal with a dot, e.g. (-1230, 2) -> -12.30."""
    if digits == 0:
        return str(minor)
    whole, rest = divmod(abs(minor), 10**digits)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{digits}d}"


def moment(occurred_at: int) -> str:
    """Return milliseconds since 1970 as ISO 8601 in UTC."""
    seconds, ms = divmod(occurred_at, _MS_PER_S)
    day, rest = divmod(seconds, _S_PER_DAY)
    hour, rest = divmod(rest, _S_PER_HOUR)
    minute, second = divmod(rest, _S_PER_MINUTE)
    return f"{day_iso(day)}T{hour:02d}:{minute:02d}:{second:02d}.{ms:03d}Z"
