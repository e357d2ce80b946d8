"""Full classification of two books beside DuckDB's bare full outer join of the same tables.

The join is the least that any comparison must do: it pairs equal references and amounts once,
knows no duplicates, near misses, breaks or report. Ours does all of that.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import replace

import duckdb
import msgspec
import pyarrow as pa

from reconcile.matching import RunInput
from reconcile.model import (
    ZERO32,
    AgreementKind,
    Balance,
    BalanceBasis,
    Carrier,
    Entry,
    SideBook,
)
from reconcile.report import reconcile
from reconcile.terms import default_terms
from scripts.bench import Measurement, compare
from scripts.benchmarks.entries import make_entries

BREAK_EVERY = 500
JOIN = """
CREATE OR REPLACE TABLE joined AS
SELECT s.entry_ref AS servicer_ref, o.entry_ref AS owner_ref, s.amount AS a, o.amount AS b
FROM servicer s FULL OUTER JOIN owner o ON s.e2e = o.e2e AND s.amount = o.amount
"""


def two_books(rows: int) -> tuple[list[Entry], list[Entry]]:
    """Return mirrored books: one entry in 500 is missing, one has another amount."""
    servicer = make_entries(rows)
    draw = random.Random(2)  # noqa: S311 - repeatable, not secret
    owner = []
    for number, entry in enumerate(servicer):
        if number % BREAK_EVERY == 0:
            continue
        amount = entry.amount_minor + (number % BREAK_EVERY == 1)
        owner.append(
            msgspec.structs.replace(
                entry,
                entry_ref=f"BOOK{number:012d}",
                amount_minor=amount,
                references=((Carrier.END_TO_END_ID, entry.references[0][1]),),
            )
        )
    draw.shuffle(owner)
    return servicer, owner


def side_book(entries: list[Entry]) -> SideBook:
    """Return a book whose stated closing follows from its entries."""
    day = entries[0].booking_date
    total = sum(item.signed_minor for item in entries)
    return SideBook(
        tuple(entries),
        opening={"CNY": Balance.of_signed(0, day, BalanceBasis.STATED)},
        closing={"CNY": Balance.of_signed(total, day, BalanceBasis.STATED)},
        closed_through=day,
    )


def _plain_table(entries: list[Entry]) -> pa.Table:
    return pa.table(
        {
            "entry_ref": [item.entry_ref for item in entries],
            "e2e": [item.reference(Carrier.END_TO_END_ID) for item in entries],
            "amount": [item.signed_minor for item in entries],
        }
    )


def bench_matching(options: argparse.Namespace) -> list[Measurement]:
    """Measure a whole run over two books: passes, near misses, breaks, identities, digest."""
    servicer, owner = two_books(options.match_rows)
    run = RunInput(
        agreement=ZERO32,
        kind=AgreementKind.BANK_ENTERPRISE,
        window=servicer[0].booking_date * 8,
        previous_window=None,
        terms=default_terms(["CNY"]),
        servicer=side_book(servicer),
        owner=side_book(owner),
    )
    connection = duckdb.connect()
    connection.register("servicer_arrow", _plain_table(servicer))
    connection.register("owner_arrow", _plain_table(owner))
    connection.execute("CREATE TABLE servicer AS SELECT * FROM servicer_arrow")
    connection.execute("CREATE TABLE owner AS SELECT * FROM owner_arrow")
    found = {}

    def ours() -> None:
        found["result"] = reconcile(replace(run))

    name = f"match_{options.match_rows // 1000}k"
    done = compare(
        name,
        options.match_rows,
        ours,
        "DuckDB, bare full outer join",
        lambda: connection.execute(JOIN),
        runs=options.runs,
    )
    result = found["result"]
    done.extra = {
        "groups": len(result.groups),
        "breaks": len(result.breaks),
        "complete": result.complete,
        "timing_ms": result.timing_ms,
    }
    return [done]
