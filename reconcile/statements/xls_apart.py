"""Old workbooks (.xls), laid out in a process of their own.

The reader allocates what a file asks for before it looks whether that is there: six kilobytes make
it ask for 128 gigabytes, and that ends the process. So it is a process that nobody else needs, and
one that may take so much memory and no more. An .xlsx is measured before instead (`xlsx_grid`).
"""

from __future__ import annotations

import datetime as dt
import io
import json
import math
import resource
import subprocess
import sys
from typing import Final

import python_calamine

# 65,536 rows of 256 columns, the most that the format holds, take about half of it.
MAX_MEMORY_BYTES: Final = 3 << 30
MAX_SECONDS: Final = 120

Cell = str | bool | int | float | None


def lay_out(data: bytes) -> list[list[Cell]]:
    """Return the cells of the first sheet that holds any; raises ValueError where none can be."""
    try:
        done = subprocess.run(  # noqa: S603 - this very file, by this very interpreter
            [sys.executable, "-I", __file__],
            input=data,
            capture_output=True,
            timeout=MAX_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"it takes more than {MAX_SECONDS} seconds") from None
    if done.returncode < 0:
        raise ValueError("it asks for more memory than a sheet can need")
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip()
        raise ValueError(said.splitlines()[-1] if said else "it does not read")
    cells: list[list[Cell]] = json.loads(done.stdout)
    return cells


def plain_cell(cell: object) -> Cell:
    """Return a cell as text, unless it is a number; days and times as ISO 8601."""
    if isinstance(cell, float) and not math.isfinite(cell):
        return repr(cell)
    if cell is None or isinstance(cell, (str, bool, int, float)):
        return cell
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ", timespec="seconds")
    return cell.isoformat() if isinstance(cell, (dt.date, dt.time)) else str(cell)


def _first_sheet(data: bytes) -> list[list[Cell]]:
    book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(data))
    for name in book.sheet_names:
        cells = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
        if cells:
            return [[plain_cell(cell) for cell in row] for row in cells]
    return []


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(_first_sheet(sys.stdin.buffer.read()), sys.stdout, ensure_ascii=True)
