"""Rows of text from CSV, TSV and XLSX files, each with its line (from 1)."""

from __future__ import annotations

import csv
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import python_calamine

from reconcile.model import InputError
from reconcile.statements.drafts import MAX_ENTRIES, Findings, refuse
from reconcile.statements.encoding import decode
from reconcile.statements.xls_apart import lay_out, plain_cell
from reconcile.statements.xlsx_grid import largest_grid

MAX_COLUMNS: Final = 512
MAX_XLSX_UNPACKED_BYTES: Final = 512 * 1024 * 1024
# A million rows of about a hundred columns; the reader takes some 24 bytes for each.
MAX_XLSX_CELLS: Final = 100_000_000
# What makes the reader take an archive for a kind of workbook whose grid nobody has measured.
OTHER_WORKBOOKS: Final = frozenset({"xl/workbook.bin", "content.xml"})
SNIFF_LINES: Final = 60
EXACT_INTEGER: Final = 2**53
"""XLSX keeps numbers as binary doubles; beyond this they do not hold every integer."""

XLSX_MAGIC: Final = b"PK\x03\x04"
XLS_MAGIC: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_DELIMITERS: Final = (",", ";", "\t", "|")

Row = tuple[int, list[str]]


@dataclass(frozen=True, slots=True)
class Table:
    """A file's rows: `format` is csv, tsv, xlsx, xls or fixed; headers are searched for in them.

    `settlement_day`: what a head of fixed-width lines says.
    """

    format: str
    rows: list[Row]
    settlement_day: int | None = None


def read_table(data: bytes, name: str, findings: Findings) -> Table:
    """Read the rows of a delimited file or of the first worksheet that holds any."""
    if data.startswith(XLSX_MAGIC):
        return Table("xlsx", _xlsx_rows(data, name, findings))
    if data.startswith(XLS_MAGIC):
        return Table("xls", _xls_rows(data, name, findings))
    text = decode(data, findings)
    delimiter = sniff(text)
    rows = list(_csv_rows(text, delimiter, name, findings))
    return Table("tsv" if delimiter == "\t" else "csv", rows)


def sniff(text: str) -> str:
    """Return the delimiter that cuts most of the first lines into the same number of cells."""
    lines = text[:200_000].splitlines()[:SNIFF_LINES]
    best, best_score = ",", 0
    for delimiter in _DELIMITERS:
        try:
            widths = Counter(len(row) for row in csv.reader(lines, delimiter=delimiter))
        except csv.Error:
            continue
        score = max(((width - 1) * count for width, count in widths.items()), default=0)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _csv_rows(text: str, delimiter: str, name: str, findings: Findings) -> Iterator[Row]:
    # RFC 4180 with any line end; a quote left open swallows the rest and is listed.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    line = 1
    try:
        for count, row in enumerate(reader):
            yield line, row
            line = reader.line_num + 1
            _check_size(count, len(row), name, line)
    except csv.Error as error:
        findings.add(
            "ROW_SHAPE",
            "the row is not delimited text",
            line=line,
            expected="cells of RFC 4180",
            found=str(error),
        )


def _check_size(rows: int, columns: int, name: str, line: int) -> None:
    if rows > MAX_ENTRIES or columns > MAX_COLUMNS:
        raise refuse(
            "FILE_TOO_LARGE",
            f"more than {MAX_ENTRIES} rows or {MAX_COLUMNS} columns",
            file=name,
            line=line,
            help="split the file by day",
        )


def _xlsx_rows(data: bytes, name: str, findings: Findings) -> list[Row]:
    check_archive(data, name)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        for sheet_name in book.sheet_names:
            cells = book.get_sheet_by_name(sheet_name).to_python(skip_empty_area=False)
            if cells:
                return _sheet_rows(cells, name, findings)
    except (KeyboardInterrupt, SystemExit, InputError):
        raise
    except BaseException as error:  # noqa: BLE001 - a Rust panic is no Exception
        raise _unreadable(name, error) from None
    return []


def _xls_rows(data: bytes, name: str, findings: Findings) -> list[Row]:
    try:
        cells = lay_out(data)
    except (OSError, ValueError) as error:
        raise _unreadable(name, error) from None
    return _sheet_rows(cells, name, findings)


def _unreadable(name: str, error: BaseException) -> InputError:
    return refuse(
        "XLSX_INVALID",
        f"the workbook cannot be read: {str(error)[:120]}",
        file=name,
        help="open it in a spreadsheet program and save it as .xlsx or .csv again",
    )


def check_archive(data: bytes, name: str) -> None:
    """Refuse a workbook that no memory holds; InputError TRUNCATED, FILE_TOO_LARGE."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            other = OTHER_WORKBOOKS & {item.casefold() for item in archive.namelist()}
            unpacked = sum(item.file_size for item in archive.infolist())
            grid = largest_grid(archive) if unpacked <= MAX_XLSX_UNPACKED_BYTES else 0
    except (zipfile.BadZipFile, ValueError, OSError, RuntimeError, zlib.error, EOFError) as error:
        raise refuse(
            "TRUNCATED",
            f"the workbook is not a whole ZIP archive: {str(error)[:120]}",
            file=name,
            help="download the file again",
        ) from None
    if other:
        raise _unreadable(name, ValueError("it is an .xlsb or .ods, whatever its name says"))
    if unpacked > MAX_XLSX_UNPACKED_BYTES:
        raise refuse(
            "FILE_TOO_LARGE",
            f"the workbook unpacks to {unpacked} bytes",
            file=name,
            help=f"at most {MAX_XLSX_UNPACKED_BYTES} are read; split the file by day",
        )
    if grid > MAX_XLSX_CELLS:
        raise refuse(
            "FILE_TOO_LARGE",
            f"a sheet of the workbook spans up to {grid} cells",
            file=name,
            help=f"at most {MAX_XLSX_CELLS} are read; delete what stands far below or beside it",
        )


def _sheet_rows(cells: Iterable[Iterable[object]], name: str, findings: Findings) -> list[Row]:
    rows: list[Row] = []
    for line, row in enumerate(cells, start=1):
        texts = [_cell_text(cell, line, findings) for cell in row]
        _check_size(line, len(texts), name, line)
        rows.append((line, texts))
    return rows


def _cell_text(cell: object, line: int, findings: Findings) -> str:
    """Write a cell as text. A number's shortest decimal form is what its author typed."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, (int, float)):
        if abs(cell) >= EXACT_INTEGER:
            findings.add(
                "NUMBER_INEXACT",
                "a worksheet number has more digits than a worksheet keeps",
                line=line,
                expected="the cell formatted as text",
                found=repr(cell),
            )
        text = repr(cell)
        return text.removesuffix(".0")
    return str(plain_cell(cell) or "")
