"""What kind of file it is, by its first bytes."""

from __future__ import annotations

import csv
import enum
import re
from typing import Final

import msgspec

from node.intake.rows import OpenFile
from reconcile.model import InputError, Where
from reconcile.statements.tables import XLSX_MAGIC

#: OpenSanctions' statements in CSV (followthemoney.statement); further columns may follow.
STATEMENT_COLUMNS: Final = frozenset(
    {"canonical_id", "entity_id", "prop", "schema", "value", "dataset", "first_seen", "last_seen"}
)


#: Any line end: a table from an old spreadsheet has carriage returns alone.
_LINE_END: Final = re.compile(rb"[\r\n]")


class Kind(enum.StrEnum):
    """The files that can be imported."""

    OVERDUE = "overdue"
    MISP = "misp"
    FTM_ENTITIES = "ftm-entities"
    FTM_STATEMENTS_CSV = "ftm-statements-csv"
    FTM_STATEMENTS_JSON = "ftm-statements-json"


def kind_of(file: OpenFile) -> Kind:
    """Return what a file is: JSON by its members, else a table."""
    head = file.head()
    plain = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith(XLSX_MAGIC):
        return Kind.OVERDUE
    if plain[:1] in {b"{", b"["}:
        return _json_kind(plain, file.name)
    first = _LINE_END.split(plain, maxsplit=1)[0].decode("utf-8", "replace")
    try:
        names = next(csv.reader([first]), [])
    except csv.Error:
        # Noise is no statements; as a table it is refused by what is wrong with it.
        names = []
    return Kind.FTM_STATEMENTS_CSV if set(names) >= STATEMENT_COLUMNS else Kind.OVERDUE


def _json_kind(head: bytes, file: str) -> Kind:
    try:
        first = msgspec.json.decode(head.split(b"\n", 1)[0])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # A document over several lines; MISP writes its events so.
        if b'"Event"' in head:
            return Kind.MISP
        first = None
    if isinstance(first, dict) and {"schema", "properties"} <= set(first):
        return Kind.FTM_ENTITIES
    if isinstance(first, dict) and {"canonical_id", "prop", "value"} <= set(first):
        return Kind.FTM_STATEMENTS_JSON
    if isinstance(first, list) or (isinstance(first, dict) and {"Event", "response"} & set(first)):
        return Kind.MISP
    raise InputError(
        "FORMAT_UNKNOWN",
        "the file is JSON, but neither MISP events nor FollowTheMoney entities or statements",
        where=Where(file, 1),
        help="export events as MISP JSON, or one entity or statement a line (entities.ftm.json)",
    )
