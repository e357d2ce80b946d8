"""Files of people to list become drafts of listings: an overdue list, MISP events, FtM entities.

drafts.py       a draft, a refused row, a row passed over; what is stated for every row
completing.py   a row's facts and what is stated become a draft, or a refusal
columns.py      which column is which, as data; header_words.py  the words that propose it
values.py       cells to the terms of a listing
bands.py        amounts and days past due to bands
rows.py         rows of CSV, TSV and XLSX, one at a time
overdue.py      an institution's overdue list
misp.py         MISP events
ftm.py          OpenSanctions: FollowTheMoney entities and statements
provenance.py   what the source said of its origin, kept as the listing's evidence
reading.py      one file: checked whole, then its drafts, or nothing

No plain identifier leaves the process: no message quotes a cell, since a file whose columns are
shifted holds identifiers anywhere; nothing is written to a temporary file.
"""

from __future__ import annotations

from node.intake.columns import ColumnMap, read_map
from node.intake.drafts import Draft, PassedOver, Refused, Stated
from node.intake.reading import Import, Summary, open_import

__all__ = [
    "ColumnMap",
    "Draft",
    "Import",
    "PassedOver",
    "Refused",
    "Stated",
    "Summary",
    "open_import",
    "read_map",
]
