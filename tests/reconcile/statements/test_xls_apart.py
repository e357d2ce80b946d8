"""Old workbooks end a process of their own, never the one that reads them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest

from reconcile.model import InputError
from reconcile.statements import read_statement
from reconcile.statements.drafts import Findings
from reconcile.statements.tables import read_table

SECTOR = 512
END, FREE = 0xFFFFFFFE, 0xFFFFFFFF
BOOK, SHEET = 5, 16


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _begin(what: int) -> bytes:
    return _record(0x809, struct.pack("<HHHHII", 0x600, what, 0, 0, 0, 0))


def _number(row: int, column: int, value: float) -> bytes:
    return _record(0x203, struct.pack("<HHHd", row, column, 0, value))


def _named(name: str, kind: int, child: int, start: int, size: int) -> bytes:
    text = name.encode("utf-16le")
    return (
        text.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(text) + 2, kind, 1, FREE, FREE, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def old_workbook(row: int, column: int) -> bytes:
    """Return a whole .xls of two cells, in the first place and in this one ([MS-CFB], [MS-XLS])."""
    named = b"\x01\x00S"
    offset = len(_begin(BOOK)) + len(_record(0x85, bytes(6) + named)) + len(_record(10, b""))
    book = _begin(BOOK) + _record(0x85, struct.pack("<IBB", offset, 0, 0) + named)
    book += _record(10, b"") + _begin(SHEET)
    book += _number(0, 0, 1.5) + _number(row, column, 2.0) + _record(10, b"")
    book = book.ljust(9 * SECTOR, b"\0")
    chain = [0xFFFFFFFD, END, *range(3, 11), END]
    head = bytes.fromhex("d0cf11e0a1b11ae1") + bytes(16)
    head += struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4096, END, 0, END, 0) + struct.pack("<I", 0)
    table = struct.pack("<128I", *chain, *[FREE] * (128 - len(chain)))
    folder = _named("Root Entry", 5, 1, END, 0) + _named("Workbook", 2, FREE, 2, len(book))
    return head.ljust(SECTOR, b"\xff") + table + folder.ljust(SECTOR, b"\0") + book


def test_an_old_workbook_is_read() -> None:
    """Its cells come as text, a number as it was typed."""
    table = read_table(old_workbook(1, 2), "a.xls", Findings())
    assert (table.format, table.rows) == ("xls", [(1, ["1.5", "", ""]), (2, ["", "", "2"])])


def test_an_old_workbook_of_opposite_corners_does_not_end_the_process(tmp_path: Path) -> None:
    """Six kilobytes that ask for 128 gigabytes are refused by name, and the next file is read."""
    far = tmp_path / "far.xls"
    far.write_bytes(old_workbook(65_535, 65_535))
    with pytest.raises(InputError, match="more memory") as caught:
        read_statement(far)
    assert caught.value.code == "XLSX_INVALID"
    assert len(read_table(old_workbook(1, 2), "a.xls", Findings()).rows) == 2


@pytest.mark.parametrize("cut", [8, SECTOR, 3 * SECTOR])
def test_half_an_old_workbook_is_refused(cut: int) -> None:
    """What the other process cannot read is an error of the file, with what to do."""
    with pytest.raises(InputError) as caught:
        read_table(old_workbook(1, 2)[:cut], "a.xls", Findings())
    assert caught.value.code == "XLSX_INVALID"


def test_an_old_workbook_too_wide_says_so() -> None:
    """A sheet of more columns than are read is too large, not unreadable."""
    with pytest.raises(InputError) as caught:
        read_table(old_workbook(1, 600), "a.xls", Findings())
    assert caught.value.code == "FILE_TOO_LARGE"


@pytest.mark.parametrize("name", ["xl/workbook.bin", "content.xml", "XL/Workbook.BIN"])
def test_another_kind_of_workbook_under_this_name_is_refused(name: str) -> None:
    """An .xlsb or .ods is laid out by rules of its own, which nothing measures before."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr(name, b"")
    with pytest.raises(InputError, match=r"an \.xlsb or") as caught:
        read_table(out.getvalue(), "a.xlsx", Findings())
    assert caught.value.code == "XLSX_INVALID"
