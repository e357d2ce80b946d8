"""BAI2 records: physical lines folded into logical ones, fields, funds types.

Cash Management Balance Reporting Specifications, version 2: a record is one line, its fields are
cut by commas and it ends with "/"; record 88 continues the one before it. The text of a record 16
is its last field: it runs to the end of the record, commas and slashes included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

CONTINUATION: Final = "88"
MAX_CONTINUATIONS: Final = 10_000
_CODES: Final = frozenset({"01", "02", "03", "16", "49", "98", "99"})
# Between two physical records; no file holds it, because it is a control character.
_JOIN: Final = "\x1e"
_SPLIT: Final = re.compile(f"[,{_JOIN}]")
_CODE: Final = re.compile(r"(\d{2})(?:,|/|\Z)")

# Fields behind a funds type: V value date and time; S three availability amounts.
_FUNDS_FIELDS: Final = {"": 0, "Z": 0, "0": 0, "1": 0, "2": 0, "V": 2, "S": 3}


@dataclass(frozen=True, slots=True)
class Record:
    """A logical record: code, fields behind it, first line, and how many lines it took.

    `code` is empty for a line that begins with none of the format's codes.
    """

    code: str
    fields: tuple[str, ...]
    raw: str
    line: int
    lines: int

    def field(self, index: int) -> str:
        """Return a field, empty where the record is shorter."""
        return self.fields[index].strip() if index < len(self.fields) else ""

    def text_from(self, index: int) -> str:
        """Return what stands from a field on as one text, the joins of lines as spaces."""
        parts = _SPLIT.split(self.raw, index)
        return parts[index].replace(_JOIN, " ").strip() if len(parts) > index else ""


def records(text: str) -> Iterator[Record]:
    """Yield each logical record; blank lines do not count."""
    code, parts, first = "", [""], 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip(" \t\x1a\ufeff")
        if not line:
            continue
        found = _CODE.match(line)
        if found and found[1] == CONTINUATION and first and len(parts) < MAX_CONTINUATIONS:
            parts.append(_open(line[3:]))
            continue
        if first:
            yield _record(code, parts, first)
        code = found[1] if found and found[1] in _CODES else ""
        parts, first = [_open(line[3:] if code else line)], number
    if first:
        yield _record(code, parts, first)


def _open(line: str) -> str:
    """Take the end mark away; a text may hold slashes, so only the last one is the mark."""
    return line.removesuffix("/")


def _record(code: str, parts: Sequence[str], line: int) -> Record:
    raw = _JOIN.join(parts)
    return Record(code, tuple(_SPLIT.split(raw)), raw, line, len(parts))


def after_funds(record: Record, index: int) -> int | None:
    """Return the index behind the funds type at `index` and its fields; None if it is none."""
    kind = record.field(index).upper()
    if kind == "D":
        count = record.field(index + 1)
        if not (count.isascii() and count.isdigit()) or len(count) > len("999"):
            return None
        return index + 2 + 2 * int(count)
    extra = _FUNDS_FIELDS.get(kind)
    return None if extra is None else index + 1 + extra
