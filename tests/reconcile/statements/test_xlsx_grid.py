"""Workbooks that a spreadsheet program would not write: refused before they are laid out."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import pytest
import xlsxwriter

from reconcile.model import InputError
from reconcile.statements import read_statement, xlsx_grid
from reconcile.statements.tables import MAX_XLSX_CELLS
from reconcile.statements.xlsx_grid import largest_grid

CORNERS = [
    b'<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row>',
    b"<row r='1'><c r = 'A1'><v>1</v></c></row><row><c r='XFD1048576'><v>1</v></c></row>",
    b'<row r="1">' + b"<c><v>1</v></c>" * 200 + b'</row><row r="1048576"><c><v>1</v></c></row>',
]


def _with_sheet(path: Path, rows: bytes) -> Path:
    """Write a whole workbook and put other rows into its sheet."""
    honest = io.BytesIO()
    with xlsxwriter.Workbook(honest) as book:
        book.add_worksheet("a").write(0, 0, "x")
    with zipfile.ZipFile(honest) as given, zipfile.ZipFile(path, "w") as made:
        for name in given.namelist():
            part = given.read(name)
            if name == "xl/worksheets/sheet1.xml":
                head, _, rest = part.partition(b"<sheetData>")
                part = head + b"<sheetData>" + rows + rest[rest.index(b"</sheetData>") :]
            made.writestr(name, part)
    return path


@pytest.mark.parametrize("rows", CORNERS)
def test_two_cells_in_opposite_corners_do_not_end_the_process(tmp_path: Path, rows: bytes) -> None:
    """A kilobyte that spans the whole sheet is refused; laid out, it would take half a terabyte."""
    with pytest.raises(InputError) as caught:
        read_statement(_with_sheet(tmp_path / "far.xlsx", rows))
    assert caught.value.code == "FILE_TOO_LARGE"


def test_a_sheet_under_any_name_is_measured(tmp_path: Path) -> None:
    """A sheet is what the workbook calls one, not what ends in .xml."""
    plain, renamed = _with_sheet(tmp_path / "far.xlsx", CORNERS[0]), tmp_path / "renamed.xlsx"
    with zipfile.ZipFile(plain) as given, zipfile.ZipFile(renamed, "w") as made:
        for name in given.namelist():
            part = given.read(name).replace(b"sheet1.xml", b"sheet1.dat")
            made.writestr(name.replace("sheet1.xml", "sheet1.dat"), part)
    with pytest.raises(InputError) as caught:
        read_statement(renamed)
    assert caught.value.code == "FILE_TOO_LARGE"


@pytest.mark.parametrize("tag", [b"<c/>", b"<row/>", b"<x:c/>"])
def test_tags_without_end_are_counted_and_not_listed(
    tag: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a gigabyte of tags packs into half a megabyte: to list what it holds takes a machine."""
    monkeypatch.setattr(xlsx_grid, "MAX_TAGS", 1_000)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"<c/>" + tag * 200_000)
    tracemalloc.start()
    try:
        with zipfile.ZipFile(out) as archive:
            assert largest_grid(archive) > MAX_XLSX_CELLS
        assert tracemalloc.get_traced_memory()[1] < 5 << 20
    finally:
        tracemalloc.stop()


def test_the_bound_is_never_below_the_grid() -> None:
    """What an ordinary writer makes spans at most what is told, and not much more."""
    honest = io.BytesIO()
    with xlsxwriter.Workbook(honest) as book:
        sheet = book.add_worksheet("a")
        for row in range(3_000):
            sheet.write_row(row, 0, [str(row), "1.00", "CNY"])
        sheet.write(2_999, 30, "far")
    with zipfile.ZipFile(honest) as archive:
        assert 3_000 * 31 <= largest_grid(archive) <= 3 * 3_000 * 31
