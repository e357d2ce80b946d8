"""Statement files become canonical entries: `identify` then `read_statement`.

    camt.052, camt.053, camt.054   camt.py          MT940, MT942, MT950   mt940.py
    BAI2                           bai2.py
    CSV, TSV, XLSX                 delimited.py: a profile, the generic header or a column map

Strict by default: a file that contradicts itself or its standard is refused whole, with every
contradiction. `lenient` reads what is there, lists them and marks the statement not provable.
"""

from __future__ import annotations

from reconcile.currency import digits_of
from reconcile.statements.assemble import Settled, rows_of
from reconcile.statements.detect import Detected, identify
from reconcile.statements.generic_text import write_generic
from reconcile.statements.profile_check import load_profile
from reconcile.statements.profiles import Profile, profile_named
from reconcile.statements.profiles import profiles as shipped_profiles
from reconcile.statements.reading import read_statement, read_statement_bytes, read_whole
from reconcile.statements.refs import part_day_overlaps
from reconcile.statements.rendering import entry_json, statement_json, statement_pieces
from reconcile.statements.stream import StatementStream, open_statement
from reconcile.statements.trial import Trial, try_profile

__all__ = [
    "Detected",
    "Profile",
    "Settled",
    "StatementStream",
    "Trial",
    "digits_of",
    "entry_json",
    "identify",
    "load_profile",
    "open_statement",
    "part_day_overlaps",
    "profile_named",
    "read_statement",
    "read_statement_bytes",
    "read_whole",
    "rows_of",
    "shipped_profiles",
    "statement_json",
    "statement_pieces",
    "try_profile",
    "write_generic",
]
