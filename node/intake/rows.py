"""Rows of a table, one at a time: CSV and TSV in any usual encoding, and the first sheet of XLSX.

A file is opened once and read from its beginning for every pass; each pass hashes what it read, so
a file that changed in between is noticed. Nothing here quotes a cell.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import python_calamine

from reconcile.model import InputError, OutsideError, Where
from reconcile.statements.encoding import encoding_of
from reconcile.statements.tables import EXACT_INTEGER, XLSX_MAGIC, check_archive, sniff
from reconcile.statements.xls_apart import plain_cell

MAX_ROWS: Final = 1_000_000
MAX_WORKBOOK_BYTES: Final = 256 * 1024 * 1024
#: A row of 512 cells that each hold a sentence.
MAX_LINE: Final = 1 << 17
SAMPLE_BYTES: Final = 1 << 20
#: What is said of a file that came without one of ours: its sender's may be a person's.
UNNAMED: Final = "file"
_CHUNK_BYTES: Final = 1 << 16

Row = tuple[int, list[str]]


class Inexact(str):
    """A worksheet's number with more digits than a worksheet keeps; its text says nothing."""

    __slots__ = ()


class _Hashing(io.RawIOBase):
    """Reads a file through a hash."""

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.hash = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self.hash.update(data)
        return len(data)


class OpenFile:
    """A file to import: one descriptor for all passes; `sha256` is of the last whole pass."""

    def __init__(self, source: Path | BinaryIO) -> None:
        """Open a file, or take an open one, which has no name; `OutsideError` FILE_UNREADABLE."""
        self.sha256 = b""
        if not isinstance(source, Path):
            self.name, self._file = UNNAMED, source
            return
        self.name = source.name
        try:
            self._file = source.open("rb")
        except OSError as error:
            raise OutsideError(
                "FILE_UNREADABLE",
                f"the file cannot be read: {error.strerror}",
                where=Where(str(source)),
                help="check the path and its permissions",
            ) from None

    def __enter__(self) -> Self:
        """Return the file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def head(self, size: int = SAMPLE_BYTES) -> bytes:
        """Return the first bytes."""
        self._file.seek(0)
        return self._file.read(size)

    def lines(self, longest: int) -> Iterator[tuple[int, bytes]]:
        """Yield (line, bytes) without line ends; `InputError` LINE_TOO_LONG beyond `longest`."""
        self._file.seek(0)
        hashing = _Hashing(self._file)
        reader = io.BufferedReader(hashing, _CHUNK_BYTES)
        for line in range(1, MAX_ROWS + 1):
            data = reader.readline(longest + 1)
            if not data:
                break
            if len(data) > longest:
                raise _refuse(self.name, line, "LINE_TOO_LONG", f"a line exceeds {longest} bytes")
            yield line, data.rstrip(b"\r\n")
        else:
            if reader.read(1):
                raise _too_many(self.name)
        self.sha256 = hashing.hash.digest()

    def whole(self, most: int) -> bytes:
        """Return the whole file; `InputError` FILE_TOO_LARGE beyond `most` bytes."""
        self._file.seek(0)
        data = self._file.read(most + 1)
        if len(data) > most:
            raise _refuse(self.name, None, "FILE_TOO_LARGE", f"the file exceeds {most} bytes")
        self.sha256 = hashlib.sha256(data).digest()
        return data

    def rows(self) -> Iterator[Row]:
        """Yield (line, cells); raises `InputError` where the file is no table."""
        if self.head(len(XLSX_MAGIC)) == XLSX_MAGIC:
            yield from _sheet_rows(self.whole(MAX_WORKBOOK_BYTES), self.name)
            return
        yield from self._text_rows()

    def _text_rows(self) -> Iterator[Row]:
        name, skip = self._encoding()
        delimiter = sniff(self.head()[skip:].decode(name, "ignore"))
        self._file.seek(0)
        hashing = _Hashing(self._file)
        binary = io.BufferedReader(hashing, _CHUNK_BYTES)
        binary.read(skip)
        text = io.TextIOWrapper(binary, encoding=name, errors="strict", newline="")
        reader = csv.reader(self._bounded(text), delimiter=delimiter, strict=True)
        line = 1
        try:
            for count, row in enumerate(reader, 1):
                if count > MAX_ROWS:
                    raise _too_many(self.name)
                yield line, row
                line = reader.line_num + 1
        except csv.Error:
            says = "a row is not delimited text, or a quote stays open"
            raise _refuse(self.name, line, "ROW_SHAPE", says) from None
        except UnicodeDecodeError:
            says = f"a byte is not {name.upper()} as the rest of the file is"
            raise _refuse(self.name, line, "ENCODING_WRONG", says) from None
        self.sha256 = hashing.hash.digest()

    def _bounded(self, text: io.TextIOWrapper) -> Iterator[str]:
        """Yield lines; one that never ends is refused before it fills the memory."""
        line = 0
        while data := text.readline(MAX_LINE):
            line += 1
            if len(data) == MAX_LINE:
                says = f"a line exceeds {MAX_LINE:,} characters"
                raise _refuse(self.name, line, "LINE_TOO_LONG", says)
            yield data

    def _encoding(self) -> tuple[str, int]:
        """Return codec and length of the mark, by the first part that is not all ASCII."""
        sample = self.head()
        if sample.isascii() and 0 not in sample:
            while sample.isascii() and (data := self._file.read(SAMPLE_BYTES)):
                # No character lies across the border: its first byte would not be ASCII.
                sample = data
        return encoding_of(sample)


def _sheet_rows(data: bytes, file: str) -> Iterator[Row]:
    check_archive(data, file)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
        sheet = next((one for one in sheets if one.total_height), None)
        rows = [] if sheet is None else sheet.to_python(skip_empty_area=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - a Rust panic is no Exception
        raise _refuse(file, None, "XLSX_INVALID", "the workbook cannot be read") from None
    if len(rows) > MAX_ROWS:
        raise _too_many(file)
    for line, cells in enumerate(rows, 1):
        yield line, [_cell_text(cell) for cell in cells]


def _cell_text(cell: object) -> str:
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int | float) and not isinstance(cell, bool):
        if abs(cell) >= EXACT_INTEGER:
            return Inexact("")
        return repr(cell).removesuffix(".0")
    return str(plain_cell(cell) or "")


def _too_many(file: str) -> InputError:
    return _refuse(file, MAX_ROWS, "FILE_TOO_LARGE", f"more than {MAX_ROWS:,} rows")


def _refuse(file: str, line: int | None, code: str, says: str) -> InputError:
    return InputError(
        code,
        says,
        where=Where(file, line),
        help="mend or split the file; nothing of it was kept, and nothing of it is shown here",
    )
