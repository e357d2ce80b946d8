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


def largest_grid(archive: zipfile.ZipFile) -> int:
    """Return an upper bound of the cells that the largest sheet spans.

    Every part counts: the workbook itself says which are its sheets, whatever they are called.
    """
    return max((_grid(archive.read(item)) for item in archive.infolist()), default=0)


def _grid(part: bytes) -> int:
    cells = len(_CELL.findall(part))
    if not cells:
        return 0
    rows = max((int(found) for found in set(_FAR_ROW.findall(part))), default=_NEAR_ROWS)
    rows += len(_ROW.findall(part))
    columns = max((_number(found) for found in set(_COLUMN.findall(part))), default=_ONE_LETTER)
    if len(_PLACED.findall(part)) < cells:
        # Cells without a place follow one another in their row.
        columns += max(len(_CELL.findall(row)) for row in _ROW.split(part))
    return rows * columns


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters.upper():
        number = number * _ONE_LETTER + letter - ord("A") + 1
    return number
