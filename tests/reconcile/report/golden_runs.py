"""Seeded runs whose report digests are pinned: what `kanhe/match/1` says may never drift.

As a program it prints `name digest` of every run, on the number of threads given.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from reconcile.matching import RunInput
from reconcile.model import (
    AgreementKind,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    SideBook,
    window_of,
)
from reconcile.report import reconcile
from reconcile.terms import Terms, default_terms, parse_terms, terms_json

FIRST_DAY = 20_773  # Monday 2026-11-16
AGREEMENT = bytes(range(32))
STATUSES = [EntryStatus.BOOKED] * 12 + list(EntryStatus)
SIZES = {"one": 1, "few": 12, "some": 60, "many": 400}


def drawn_entry(draw: random.Random, ref: str, scarce: int) -> Entry:
    """Return an entry; the fewer keys there are (`scarce`), the more of them coincide."""
    references = {
        Carrier.END_TO_END_ID: f"Key{draw.randrange(scarce):04d} ",
        Carrier.SERVICER_REF: f"SERVICER{draw.randrange(scarce):04d}",
        Carrier.ORDER_NO: f"ORDER{draw.randrange(scarce):04d}",
    }
    held = sorted(item for item in references.items() if draw.random() < 0.5)
    return Entry(
        entry_ref=ref,
        version=0,
        direction=draw.choice([Direction.IN, Direction.IN, Direction.OUT]),
        amount_minor=draw.choice([100, 100, 101, 200, 300, draw.randrange(1, 100_000)]),
        currency=draw.choice(["CNY", "CNY", "CNY", "USD"]),
        booking_date=FIRST_DAY + draw.randrange(5),
        value_date=draw.choice([None, FIRST_DAY + draw.randrange(5)]),
        status=draw.choice(STATUSES),
        is_reversal=draw.random() < 0.05,
        references=tuple((int(number), text) for number, text in held),
        counterparty_name=draw.choice([None, "示范客户", "Alpha \uff21", "alpha A"]),
        counterparty_account=draw.choice([None, "9900-0000-0001", "990000000001", "990000000002"]),
        fee_minor=draw.choice([None, None, 1]),
        group_ref=draw.choice([None, None, None, f"GROUP{draw.randrange(scarce)}"]),
        occurred_at=draw.choice([None, 5, 7]),
    )


def drawn_books(seed: int, rows: int) -> tuple[SideBook, SideBook]:
    """Return two books: half of the owner's entries say what one of the servicer's says."""
    draw = random.Random(seed)
    scarce = max(rows // 2, 2)
    servicer = [drawn_entry(draw, f"S{number:04d}", scarce) for number in range(rows)]
    owner = []
    for number in range(rows):
        entry = drawn_entry(draw, f"O{number:04d}", scarce)
        if draw.random() < 0.6:
            same = draw.choice(servicer)
            parts = {name: getattr(same, name) for name in same.__struct_fields__}
            entry = Entry(**parts | {"entry_ref": entry.entry_ref})
        owner.append(entry)
    late = frozenset(entry.entry_ref for entry in owner[::7])
    return (
        SideBook(tuple(servicer), closed_through=FIRST_DAY + 4),
        SideBook(tuple(owner), closed_through=FIRST_DAY + 4, late_refs=late),
    )


def _tolerant() -> Terms:
    """Return the default terms with a tolerance, a rounding and a budget."""
    body = terms_json(default_terms(["CNY", "USD"]))
    body["rounding_minor"] = "1"
    body["tolerance_budget_minor"] = "50"
    for rule in body["passes"]:
        if rule["name"] in {"e2e", "group", "account"}:
            rule["amount"]["tolerance_minor"] = "1"
    return parse_terms(body)


def runs(threads: int | None = None) -> Iterator[tuple[str, RunInput]]:
    """Yield every pinned run by its name."""
    rules: Mapping[str, Terms] = {"default": default_terms(["CNY", "USD"]), "tolerant": _tolerant()}
    for number, (size, rows) in enumerate(SIZES.items()):
        servicer, owner = drawn_books(number, rows)
        for name, terms in rules.items():
            fields: dict[str, Any] = {"terms": terms, "threads": threads}
            yield (
                f"{size}-{name}",
                RunInput(
                    agreement=AGREEMENT,
                    kind=AgreementKind.BANK_ENTERPRISE,
                    window=window_of(FIRST_DAY + 7),
                    previous_window=None,
                    servicer=servicer,
                    owner=owner,
                    **fields,
                ),
            )


def digests(threads: int | None = None) -> dict[str, str]:
    """Return the report digest of every pinned run, in hex."""
    return {name: reconcile(run).digest.hex() for name, run in runs(threads)}


if __name__ == "__main__":
    for run_name, digest in digests(int(sys.argv[1])).items():
        print(run_name, digest)  # noqa: T201 - its output is what the test reads
