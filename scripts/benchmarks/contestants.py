"""Who compares two books in the bench, each in a process of its own with its own peak memory.

A contestant reads both Parquet files into what it holds in memory, then runs as often as it is
asked; only the run is timed. As a program: `contestants.py NAME FOLDER`, a line of input a run, a
line of JSON for each: seconds, the figures found, peak memory.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
if not sys.argv[1:2] or not sys.argv[1].startswith("kanhe"):
    # A peer's packages, before Arrow is loaded: it binds to numpy once, where it finds it.
    sys.path.append(str(ROOT / ".tools" / "bench"))

import pyarrow as pa  # noqa: E402 - after the path
import pyarrow.compute as pc  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402

from reconcile.entries import EntryTable  # noqa: E402
from reconcile.matching import RunInput  # noqa: E402
from reconcile.matching.core import CoreInput, confirm_open  # noqa: E402
from reconcile.matching.standing import Standing  # noqa: E402
from reconcile.matching.table import signed_column  # noqa: E402
from reconcile.model import (  # noqa: E402
    ZERO32,
    AgreementKind,
    Balance,
    BalanceBasis,
    BreakKind,
    Side,
    SideBook,
    window_of,
)
from reconcile.report import reconcile  # noqa: E402
from reconcile.terms import default_terms  # noqa: E402

BATCH = 1_000
Found = dict[str, Any]
Run = Callable[[], Found]
JOIN = """
CREATE OR REPLACE TABLE joined AS
SELECT s.entry_ref AS servicer_ref, o.entry_ref AS owner_ref, {columns}
FROM servicer s FULL OUTER JOIN owner o ON s.e2e = o.e2e AND s.amount = o.amount
"""
BARE = "s.amount AS a, o.amount AS b"
WHOLE = "COLUMNS(s.* EXCLUDE entry_ref) AS 's_\\0', COLUMNS(o.* EXCLUDE entry_ref) AS 'o_\\0'"
COUNTS = """
SELECT count(servicer_ref) FILTER (WHERE owner_ref IS NOT NULL),
       count(servicer_ref) FILTER (WHERE owner_ref IS NULL),
       count(owner_ref) FILTER (WHERE servicer_ref IS NULL) FROM joined
"""


def _book(entries: EntryTable) -> SideBook:
    total, day = pc.sum(signed_column(entries)).as_py(), entries[0].booking_date
    return SideBook(
        entries,
        opening={"CNY": Balance.of_signed(0, day, BalanceBasis.STATED)},
        closing={"CNY": Balance.of_signed(total, day, BalanceBasis.STATED)},
        closed_through=day,
    )


def _run_input(books: list[SideBook]) -> RunInput:
    return RunInput(
        agreement=ZERO32,
        kind=AgreementKind.BANK_ENTERPRISE,
        window=window_of(books[0].entries[0].booking_date),
        previous_window=None,
        terms=default_terms(["CNY"]),
        servicer=books[0],
        owner=books[1],
    )


def _tables(folder: Path) -> list[EntryTable]:
    return [EntryTable.from_arrow(pq.read_table(folder / f"{side.word}.parquet")) for side in Side]


def kanhe(folder: Path) -> Run:
    """Classify everything from columns, and write the groups as Parquet; the digest apart."""
    books = [_book(table) for table in _tables(folder)]

    def run() -> Found:
        # A run starts from columns as they are stored: nothing that an earlier one derived.
        fresh = [_book(EntryTable.from_arrow(book.entries.to_arrow())) for book in books]
        start = time.perf_counter()
        result = reconcile(_run_input(fresh))
        end = time.perf_counter()
        result.groups.write_parquet(folder / "groups.parquet")
        written = time.perf_counter() - end
        kinds = [item.kind for item in result.breaks]
        digest = result.timing_ms["digest"] / 1_000
        return {
            "seconds": end - start - digest + written,
            "digest_s": digest,
            "parquet_s": written,
            "complete": result.complete,
            "counts": _counts(
                matched=len(result.groups),
                differ=kinds.count(BreakKind.AMOUNT),
                servicer_only=sum(len(item.servicer) and not item.owner for item in result.breaks),
                owner_only=sum(len(item.owner) and not item.servicer for item in result.breaks),
            ),
        }

    return run


def entries(folder: Path) -> Run:
    """Classify the same from Python entries, as importers make them."""
    listed = [list(table) for table in _tables(folder)]

    def run() -> Found:
        books = [_book(EntryTable.of(side)) for side in listed]
        start = time.perf_counter()
        result = reconcile(_run_input(books))
        spent = time.perf_counter() - start - result.timing_ms["digest"] / 1_000
        return {"seconds": spent, "counts": _counts(matched=len(result.groups))}

    return run


def standing(folder: Path) -> Run:
    """Match each time the next batch of the owner's entries against all of the servicer's."""
    servicer, owner = _tables(folder)
    terms = default_terms(["CNY"])
    state = Standing(terms.passes, terms.common_calendar.ordinal)
    came: list[Any] = []
    state.add(servicer, EntryTable.of(came))
    starts = iter(range(0, len(owner), BATCH))

    def run() -> Found:
        start = next(starts)
        came.extend(owner[start : start + BATCH])
        begin = time.perf_counter()
        change = state.add(servicer, EntryTable.of(list(came)))
        spent = time.perf_counter() - begin
        return {"seconds": spent, "counts": _counts(matched=len(change.formed))}

    return run


def whole(folder: Path) -> Run:
    """Find the groups of the first batch of the owner's entries by a run over everything."""
    servicer, owner = _tables(folder)
    terms = default_terms(["CNY"])
    batch = EntryTable.of(list(owner[:BATCH]))

    def run() -> Found:
        start = time.perf_counter()
        ordinal = terms.common_calendar.ordinal
        found = confirm_open(CoreInput(ZERO32, servicer, batch, terms.passes, ordinal))
        spent = time.perf_counter() - start
        return {"seconds": spent, "counts": _counts(matched=len(found))}

    return run


def _plain(folder: Path, side: Side) -> pa.Table:
    """Return what every peer compares: the reference, the signed amount and the entry's name."""
    table = _tables(folder)[side]
    columns = [table.column("entry_ref"), table.column("end_to_end_id"), signed_column(table)]
    return pa.table(columns, names=["entry_ref", "e2e", "amount"])


def _every(folder: Path, side: Side) -> pa.Table:
    """Return all columns that the file holds besides."""
    whole = pq.read_table(folder / f"{side.word}.parquet").drop(["entry_ref", "end_to_end_id"])
    plain = _plain(folder, side)
    return pa.table(
        [*plain.columns, *whole.columns], names=[*plain.schema.names, *whole.schema.names]
    )


def duckdb_join(folder: Path) -> Run:
    """DuckDB's bare full outer join on reference and amount, materialised."""
    return _joined(folder, _plain, BARE)


def duckdb_whole(folder: Path) -> Run:
    """The same join of the whole tables: every column of both sides is materialised."""
    return _joined(folder, _every, WHOLE)


def _joined(folder: Path, table: Callable[[Path, Side], pa.Table], columns: str) -> Run:
    import duckdb

    con = duckdb.connect()
    for side in Side:
        con.register("plain", table(folder, side))
        con.execute(f"CREATE TABLE {side.word} AS SELECT * FROM plain")  # noqa: S608 - our words
        con.unregister("plain")

    def run() -> Found:
        start = time.perf_counter()
        con.execute(JOIN.format(columns=columns))
        spent = time.perf_counter() - start
        names = ("matched", "servicer_only", "owner_only")
        found = con.sql(COUNTS).fetchall()[0]
        return {"seconds": spent, "counts": _counts(**dict(zip(names, found, strict=True)))}

    return run


def pandas_merge(folder: Path) -> Run:
    """Pandas' outer merge on reference and amount, with its indicator."""
    mine, theirs = (_plain(folder, side).to_pandas() for side in Side)

    def run() -> Found:
        start = time.perf_counter()
        merged = mine.merge(theirs, on=["e2e", "amount"], how="outer", indicator=True)
        spent = time.perf_counter() - start
        held = merged["_merge"].value_counts()
        counts = _counts(
            matched=int(held["both"]),
            servicer_only=int(held["left_only"]),
            owner_only=int(held["right_only"]),
        )
        return {"seconds": spent, "counts": counts}

    return run


def dict_loop(folder: Path) -> Run:
    """A loop over Python tuples with a dict of lists, the first of equal entries first."""
    rows = [list(zip(*_plain(folder, side).to_pydict().values(), strict=True)) for side in Side]

    def run() -> Found:
        start = time.perf_counter()
        waiting: dict[tuple[str, int], list[str]] = defaultdict(list)
        for ref, key, amount in reversed(rows[1]):
            waiting[key, amount].append(ref)
        pairs = []
        for ref, key, amount in rows[0]:
            refs = waiting.get((key, amount))
            if refs:
                pairs.append((ref, refs.pop()))
        left = sum(map(len, waiting.values()))
        spent = time.perf_counter() - start
        matched = len(pairs)
        counts = _counts(matched=matched, servicer_only=len(rows[0]) - matched, owner_only=left)
        return {"seconds": spent, "counts": counts}

    return run


def fastrecon(folder: Path) -> Run:
    """PyPI fastrecon, keyed by the reference; it reads the files itself, at each run."""
    from fastrecon import ParquetFile, ReconConfig, compare

    for side in Side:
        plain = _plain(folder, side).select(["e2e", "amount"])
        pq.write_table(plain, folder / f"plain-{side.word}.parquet")
    sources = [ParquetFile(str(folder / f"plain-{side.word}.parquet")) for side in Side]

    def run() -> Found:
        start = time.perf_counter()
        found = compare(*sources, keys=["e2e"], compare_mode="keyed", config=ReconConfig())
        spent = time.perf_counter() - start
        assert found.error is None, found.error
        differ = found.changed_rows
        counts = _counts(
            matched=found.row_count_left - found.missing_in_right - differ,
            differ=differ,
            servicer_only=found.missing_in_right,
            owner_only=found.missing_in_left,
        )
        return {"seconds": spent, "counts": counts}

    return run


def datacompy(folder: Path) -> Run:
    """PyPI datacompy on Polars frames, joined by the reference."""
    import polars as pl
    from datacompy import PolarsCompare

    frames = [pl.from_arrow(_plain(folder, side).select(["e2e", "amount"])) for side in Side]

    def run() -> Found:
        start = time.perf_counter()
        found = PolarsCompare(*frames, join_columns="e2e")
        matched = found.count_matching_rows()
        spent = time.perf_counter() - start
        counts = _counts(
            matched=matched,
            differ=len(found.intersect_rows) - matched,
            servicer_only=len(found.df1_unq_rows),
            owner_only=len(found.df2_unq_rows),
        )
        return {"seconds": spent, "counts": counts}

    return run


def _counts(**found: int) -> dict[str, int]:
    return found


CONTESTANTS: dict[str, Callable[[Path], Run]] = {
    "kanhe": kanhe,
    "kanhe from Python entries": entries,
    "kanhe, one batch": standing,
    "kanhe, a run over all": whole,
    "DuckDB, bare full outer join": duckdb_join,
    "DuckDB, full outer join of all columns": duckdb_whole,
    "pandas merge": pandas_merge,
    "dict loop": dict_loop,
    "fastrecon, keyed": fastrecon,
    "datacompy": datacompy,
}


def main() -> None:
    """Answer each line of input with one run."""
    run = CONTESTANTS[sys.argv[1]](Path(sys.argv[2]))
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(run() | {"peak_mb": _peak_mb()}), flush=True)


def _peak_mb() -> int:
    """Return the peak of this process alone: on Linux ru_maxrss begins with that of its parent."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024**2


if __name__ == "__main__":
    main()
