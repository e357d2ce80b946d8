"""Decisions in bulk: breaks, proposals and groups as a workbook, and back as the desk filled it in.

layout.py  the sheets, their columns and verdicts; what a row and a stamp are
lines.py   what stands in a row, the same when written and when read
write.py   the workbook: locked cells, lists of verdicts, a hidden key and the report's digest
read.py    the workbook as it comes back: every row taken, or refused alone with cell and reason
"""

from __future__ import annotations

from node.web.workbook.layout import Book, Stamp
from node.web.workbook.lines import load_book
from node.web.workbook.read import take_workbook
from node.web.workbook.write import write_workbook

__all__ = ["Book", "Stamp", "load_book", "take_workbook", "write_workbook"]
