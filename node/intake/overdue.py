"""An institution's overdue list: a table with a person a row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from node.intake.columns import HEADER_SEARCH_ROWS, ColumnMap, describe, propose
from node.intake.completing import complete
from node.intake.drafts import Checked, Origin, Outcome, Refused, Stated
from node.intake.rows import Inexact, OpenFile, Row
from node.intake.values import facts_of
from reconcile.model import InputError, Where, day_iso
from reconcile.statements.dates import must_be_month_first

SHOWN_ROWS: Final = 5
SAMPLE_ROWS: Final = 2_000
NOT_SIGNED: Final = "not signed: the institution's own file; the listing is signed by its uploader"
_DAY_FIELDS: Final = ("event_date", "effective_from", "expires_at", "notice_at")


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the header is, which column each field has, and how cells are read."""

    header_line: int
    width: int
    columns: dict[str, int]
    map: ColumnMap


def find_layout(file: OpenFile, given: ColumnMap | None) -> Layout:
    """Return the layout by a given map, or one proposed from the header's words.

    Raises `InputError` HEADER_UNKNOWN, or MAP_MISMATCH where the given map does not fit.
    """
    rows = list(islice(file.rows(), SAMPLE_ROWS))
    best: Layout | None = None
    for at, (line, cells) in enumerate(rows[:HEADER_SEARCH_ROWS]):
        found = given or propose(cells, month_first=False)
        columns = None if found is None else found.locate(cells)
        if found is None or columns is None or (best and len(columns) <= len(best.columns)):
            continue
        if given is None:
            month_first = _is_month_first(columns, [row for _, row in rows[at + 1 :]])
            found = propose(cells, month_first=month_first) or found
        best = Layout(line, len(cells), columns, found)
    if best is not None:
        return best
    code, says = "HEADER_UNKNOWN", "no row names the column of the identifier"
    if given is not None:
        code, says = "MAP_MISMATCH", f"the file has no identifier column of the map {given.name!r}"
    raise InputError(
        code,
        says,
        where=Where(file.name, field="identifier"),
        help="name the columns in a map (--map FILE.toml); docs/blacklist-import.md shows one",
    )


def require_accepted(file: OpenFile, layout: Layout, stated: Stated, *, accepted: bool) -> None:
    """Refuse a proposed map that nobody accepted: `InputError` COLUMN_MAP_UNCONFIRMED."""
    if accepted or not layout.map.proposed:
        return
    outcomes = islice(read_rows(file, layout, stated, b""), SHOWN_ROWS)
    shown = "\n".join(f"  {_in_words(one)}" for one in outcomes) or "  (no row below the header)"
    raise InputError(
        "COLUMN_MAP_UNCONFIRMED",
        f"proposed columns: {describe(layout.map)}. The first rows would read:\n{shown}",
        where=Where(file.name, layout.header_line),
        help="if these rows are right, repeat with --accept-map; otherwise give a --map",
    )


def read_rows(file: OpenFile, layout: Layout, stated: Stated, sha256: bytes) -> Iterator[Outcome]:
    """Yield what comes of every row below the header; blank rows are none."""
    for line, cells in file.rows():
        if line > layout.header_line and any(cell.strip() or type(cell) is Inexact
                                             for cell in cells):  # fmt: skip
            yield _outcome((line, cells), layout, stated, sha256)


def _outcome(row: Row, layout: Layout, stated: Stated, sha256: bytes) -> Outcome:
    line, cells = row
    if len(cells) <= max(layout.columns.values()) or any(cells[layout.width :]):
        return Refused(
            line,
            None,
            "ROW_SHAPE",
            f"the row has {len(cells)} cells under a header of {layout.width}",
            "mend the row: a delimiter inside a cell wants quotes",
        )
    inexact = [field for field, at in layout.columns.items() if type(cells[at]) is Inexact]
    if inexact:
        return Refused(
            line,
            inexact[0],
            "NUMBER_INEXACT",
            "the worksheet keeps this cell as a number and has lost its last digits",
            "export it from the system again, with the column formatted as text",
        )
    said = {field: cells[at] for field, at in layout.columns.items()}
    id_text = said.pop("identifier")
    try:
        facts = facts_of(
            said, layout.map.words, layout.map.bands, month_first=layout.map.month_first
        )
    except InputError as error:
        return Refused(line, error.where.field, error.code, error.message, error.help)
    origin = Origin("overdue list", {"file_sha256": sha256.hex(), "line": str(line)}, NOT_SIGNED)
    return complete(line, id_text, facts, origin, stated)


def _is_month_first(columns: dict[str, int], rows: Sequence[Sequence[str]]) -> bool:
    at = [columns[field] for field in _DAY_FIELDS if field in columns]
    texts = [row[index] for row in rows for index in at if index < len(row)]
    return bool(must_be_month_first(texts))


def _in_words(one: Outcome) -> str:
    if not isinstance(one, Checked):
        says = f"{one.column or 'row'}: {one.message}" if isinstance(one, Refused) else one.why
        return f"line {one.line}: refused, {says}"
    found = one.listing
    told = "nobody" if found.notice_at is None else day_iso(found.notice_at)
    return (
        f"line {one.line}: {found.id_type} (not shown), {found.reason} on {found.product}, "
        f"amount band {found.amount_band}, days band {found.days_past_due_band}, in "
        f"{found.event_month}, told {told}, in force {day_iso(found.effective_from)} to "
        f"{day_iso(found.expires_at)}"
    )
