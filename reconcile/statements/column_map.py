"""A table without a profile: a column map proposed from Chinese and English headers.

The map is never used unseen: five rows are shown in words ("money INTO your account 1,234.00")
and it is accepted by hand or with --accept-map (matching.md, "Statements"). An accepted map is
a profile like any other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from reconcile.currency import digits_of
from reconcile.model import InputError, Where
from reconcile.statements.assemble import assemble
from reconcile.statements.column_words import COLUMN_WORDS
from reconcile.statements.dates import must_be_month_first
from reconcile.statements.drafts import FileDraft
from reconcile.statements.generic import PERSPECTIVES, Wanted
from reconcile.statements.profile_rows import read_profile
from reconcile.statements.profiles import HEADER_SEARCH_ROWS, Profile, squeeze
from reconcile.statements.tables import Row, Table
from reconcile.statements.words import entry_in_words

SHOWN_ROWS: Final = 5
SAMPLE_ROWS: Final = 2_000
_MIN_HEADER_CELLS: Final = 3

_MONEY_FIELDS: Final = ("amount", "amount_in", "amount_out", "debit", "credit")
_UNIT: Final = re.compile(r"\((?:[a-z]{3}|元|[+-]?元|人民币|rmb)\)\Z")
_CODE_IN_HEADER: Final = re.compile(r"\(([A-Za-z]{3})\)\s*\Z")
_DECIMAL_COMMA: Final = re.compile(r"\d,\d{1,2}\Z|\d\.\d{3},\d+\Z")
_DECIMAL_DOT: Final = re.compile(r"\d\.\d{1,2}\Z|\d,\d{3}\.\d+\Z")


def find_header(rows: Sequence[Row]) -> tuple[int, dict[str, int]] | None:
    """Return the row that names most fields and has a date and an amount, with field -> column."""
    best: tuple[int, dict[str, int]] | None = None
    for index, (_, row) in enumerate(rows[:HEADER_SEARCH_ROWS]):
        if sum(bool(cell.strip()) for cell in row) < _MIN_HEADER_CELLS:
            continue
        found = _fields_of(row)
        usable = "date" in found and any(field in found for field in _MONEY_FIELDS)
        if usable and (best is None or len(found) > len(best[1])):
            best = (index, found)
    return best


def _fields_of(row: Sequence[str]) -> dict[str, int]:
    names = [squeeze(cell).replace("_", "").replace("-", "") for cell in row]
    # "Amount (EUR)" and "余额(元)" are found by what stands before the unit, too.
    bare = [_UNIT.sub("", name) for name in names]
    taken: set[int] = set()
    found: dict[str, int] = {}
    for field, words in COLUMN_WORDS.items():
        index = next(
            (
                where.index(plain)
                for word in words
                for plain in (word.replace("-", ""),)
                for where in (names, bare)
                if plain in where and where.index(plain) not in taken
            ),
            None,
        )
        if index is not None:
            taken.add(index)
            found[field] = index
    return found


def propose(table: Table, wanted: Wanted, file: str) -> Profile:
    """Return the proposed map as a profile; InputError if the table names too little."""
    header = find_header(table.rows)
    if header is None:
        raise InputError(
            "FORMAT_UNKNOWN",
            "no row names a date and an amount, in Chinese or English",
            where=Where(file),
            help="name the columns as in docs/formats.md, or give --profile",
        )
    index, found = header
    line, names = table.rows[index]
    found = _one_way_of_amounts(found)
    body = [row for _, row in table.rows[index + 1 : index + 1 + SAMPLE_ROWS]]
    unit = _currency_in_header(names, found)
    if "currency" not in found and wanted.currency is None and unit is None:
        raise InputError(
            "CURRENCY_REQUIRED",
            "the table has no currency column",
            where=Where(file, line, "currency"),
            help="give --currency, e.g. --currency CNY",
        )
    if _needs_perspective(found, body) and wanted.perspective not in PERSPECTIVES:
        raise InputError(
            "PERSPECTIVE_REQUIRED",
            "debit and credit do not say whose book this is",
            where=Where(file, line, "debit"),
            help="--perspective ledger (a debit is money in) or statement (a debit is out)",
        )
    dates = [row[found["date"]] for row in body if found["date"] < len(row)]
    return Profile(
        name="column-map",
        title="proposed column map",
        header=tuple(names[position] for position in sorted(found.values())),
        columns={field: (names[position],) for field, position in found.items()},
        currency=unit,
        source_ref="servicer_ref" if "servicer_ref" in found else None,
        decimal_comma=_has_decimal_comma(found, body),
        out_negative=_writes_out_negative(found, body),
        month_first=bool(must_be_month_first(dates)),
    )


def _one_way_of_amounts(found: dict[str, int]) -> dict[str, int]:
    """Keep one way of saying the amount: in and out, debit and credit, or a single column."""
    for pair in (("amount_in", "amount_out"), ("debit", "credit")):
        if all(field in found for field in pair):
            return {
                f: i
                for f, i in found.items()
                if f in pair or f not in (*_MONEY_FIELDS, "direction")
            }
    if "amount" in found:
        return {f: i for f, i in found.items() if f == "amount" or f not in _MONEY_FIELDS}
    return found


def _currency_in_header(names: Sequence[str], found: dict[str, int]) -> str | None:
    """Read "金额(元)" as CNY and "Amount (EUR)" as EUR."""
    for field in _MONEY_FIELDS:
        if field in found:
            name = names[found[field]].strip()
            code = _CODE_IN_HEADER.search(name.replace("（", "(").replace("）", ")"))
            if code and digits_of(code[1].upper()) is not None:
                return code[1].upper()
            if "元" in name:
                return "CNY"
    return None


def _writes_out_negative(found: dict[str, int], body: Sequence[Sequence[str]]) -> bool:
    """Say whether the column of money out carries a minus that says so once more."""
    if "amount_out" not in found:
        return False
    at = found["amount_out"]
    texts = [row[at].strip() for row in body if at < len(row)]
    filled = [text for text in texts if re.search(r"[1-9]", text)]
    return bool(filled) and all(text.startswith(("-", "(", "−")) for text in filled)


def _needs_perspective(found: dict[str, int], body: Sequence[Sequence[str]]) -> bool:
    if "debit" in found:
        return True
    if "direction" not in found:
        return False
    words = {
        row[found["direction"]].strip().lower() for row in body if found["direction"] < len(row)
    }
    return bool(words & {"d", "c", "debit", "credit", "借", "贷", "借方", "贷方"})


def _has_decimal_comma(found: dict[str, int], body: Sequence[Sequence[str]]) -> bool:
    texts = [
        row[found[field]].strip()
        for field in (*_MONEY_FIELDS, "balance")
        if field in found
        for row in body
        if found[field] < len(row)
    ]
    commas = sum(_DECIMAL_COMMA.search(text) is not None for text in texts)
    return commas > sum(_DECIMAL_DOT.search(text) is not None for text in texts)


def unconfirmed(table: Table, profile: Profile, wanted: Wanted, file: str) -> InputError:
    """Build the refusal that shows the proposed map and five rows in words."""
    columns = "; ".join(f"{field} = {words[0].strip()}" for field, words in profile.columns.items())
    shown = "\n".join(f"  {text}" for text in rows_in_words(table, profile, wanted, file))
    return InputError(
        "COLUMN_MAP_UNCONFIRMED",
        f"no profile fits this table; proposed columns: {columns}. Its first rows would read:\n"
        f"{shown}",
        where=Where(file),
        help="if these rows are right, repeat with --accept-map; otherwise name a --profile or "
        "rename the header as in docs/formats.md",
    )


def rows_in_words(table: Table, profile: Profile, wanted: Wanted, file: str) -> list[str]:
    """Return the first rows as a profile reads them, in words, for a person to judge."""
    draft = FileDraft(file, table.format, profile.name)
    read_profile(table, profile, wanted, draft)
    read = assemble(draft, currency=None, lenient=True)
    words = [
        (line, entry_in_words(entry, line, statement.digits))
        for statement in read.statements
        for entry, line in zip(statement.entries, statement.lines, strict=True)
    ]
    words.sort()
    if not words:
        return ["(no row could be read with this map)"]
    return [text for _, text in words[:SHOWN_ROWS]]
