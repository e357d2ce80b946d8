"""Decisions in bulk: the open breaks as a workbook, and back as the desk filled it in.

lines.py   what stands in a row, the same when written and when read
write.py   the workbook: locked cells, lists of verdicts, a hidden key and the report's digest
read.py    the workbook as it comes back: every row taken, or refused alone with its reason
"""

from __future__ import annotations

from node.web.workbook.lines import Stamp, load_lines
from node.web.workbook.read import take_workbook
from node.web.workbook.write import write_workbook

__all__ = ["Stamp", "load_lines", "take_workbook", "write_workbook"]
