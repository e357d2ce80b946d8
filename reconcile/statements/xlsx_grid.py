"""How large a grid a workbook's sheets span, told before a reader lays it out.

The reader allocates every cell between the first and the last one: two cells in opposite corners,
a file of one kilobyte, make it ask for half a terabyte, and that ends the process.
"""

from __future__ import annotations

import re
import zipfile
from typing import Final

_CELL: Final = re.compile(rb"<(?:\w+:)?c[\s/>]")
_ROW: Final = re.compile(rb"<(?:\w+:)?row[\s/>]")
# Rows below the thousandth need no list of their own: they cannot make a grid large.
_FAR_ROW: Final = re.compile(rb"""\sr\s*=\s*["'][A-Za-z]*([0-9]{4,})""")
_COLUMN: Final = re.compile(rb"""\sr\s*=\s*["']([A-Za-z]{2,})[0-9]""")
_PLACED: Final = re.compile(rb"""<(?:\w+:)?c\s[^>]*?\br\s*=\s*["'][A-Za-z]""")
_NEAR_ROWS: Final = 1_000
_ONE_LETTER: Final = 26
# A cell takes 20 bytes at least where a program writes it, and half a gigabyte is unpacked at most.
MAX_TAGS: Final = 30_000_000


def largest_grid(archive: zipfile.ZipFile) -> int:
    """Return an upper bound of the cells that the largest sheet spans.

    Every part counts: the workbook itself says which are its sheets, whatever they are called.
    """
    return max((_grid(archive.read(item)) for item in archive.infolist()), default=0)


def _grid(part: bytes) -> int:
    if _CELL.search(part) is None:
        return 0
    # Counted in the bytes first: what a pattern finds in half a gigabyte of tags fills the memory.
    tags = sum(map(part.count, (b"<c", b":c", b"<row", b":row")))
    if tags > MAX_TAGS:
        return tags * MAX_TAGS
    cells = _count(_CELL, part)
    rows = max(map(int, _named(_FAR_ROW, part)), default=_NEAR_ROWS) + _count(_ROW, part)
    columns = max(map(_number, _named(_COLUMN, part)), default=_ONE_LETTER)
    if _count(_PLACED, part) < cells:
        # Cells without a place follow one another in their row.
        columns += max(_count(_CELL, row) for row in _ROW.split(part))
    return rows * columns


def _count(pattern: re.Pattern[bytes], part: bytes) -> int:
    return sum(1 for _ in pattern.finditer(part))


def _named(pattern: re.Pattern[bytes], part: bytes) -> set[bytes]:
    return {found[1] for found in pattern.finditer(part)}


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _ONE_LETTER + letter - ord("A") + 1
    return number
