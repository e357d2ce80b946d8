"""Which column is which: a map that is data (TOML), or proposed from the header.

    name = "overdue"
    month_first = false
    [columns]
    identifier = ["证件号码"]        # header words; the first that the file has
    days_past_due = ["逾期天数"]
    [given]                          # for every row that does not say it itself
    id_type = "CN-RID"
    product = "CARD"
    [words.reason]                   # the file's own words
    "长期拖欠" = "OVERDUE_M3"
    [bands]
    amount = [1000, 5000, 10000, 50000, 100000, 500000, 1000000, 5000000, 10000000]

A proposed map is never used unseen: five rows are shown in words and it is accepted by hand. Of the
header only words that are known are shown: a file without a header begins with a person.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from node.intake import header_words
from node.intake.bands import Bands, read_bands
from node.intake.drafts import Facts
from node.intake.header_words import squeeze
from node.intake.values import VALUE_FIELDS, WORDS, facts_of
from node.screening.identifiers import IdType
from reconcile.model import InputError, Where

HEADER_SEARCH_ROWS: Final = 30


class _File(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    columns: dict[str, list[str]]
    month_first: bool = False
    given: dict[str, str] = {}
    words: dict[str, dict[str, str]] = {}
    bands: dict[str, list[int]] = {}


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Header words by field, words of the file by term, what holds for every row, the bands."""

    name: str
    columns: Mapping[str, tuple[str, ...]]
    words: Mapping[str, Mapping[str, object]]
    given: Facts
    bands: Bands
    month_first: bool = False
    proposed: bool = False

    def locate(self, header: Sequence[str]) -> dict[str, int] | None:
        """Return the column of each field in a header, None unless the identifier's is there."""
        names = [squeeze(cell) for cell in header]
        found = {}
        for field, words in self.columns.items():
            at = next((names.index(w) for w in map(squeeze, words) if w in names), None)
            if at is not None:
                found[field] = at
        return found if "identifier" in found else None


def read_map(data: bytes, file: str) -> ColumnMap:
    """Read a map from TOML; raises `InputError` MAP_MALFORMED or BANDS_MALFORMED."""
    try:
        body = msgspec.convert(tomllib.loads(data.decode("utf-8")), _File)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _malformed(file, str(error)) from None
    unknown = set(body.columns) - VALUE_FIELDS - {"identifier"}
    if unknown or "identifier" not in body.columns:
        known = ", ".join(["identifier", *sorted(VALUE_FIELDS)])
        raise _malformed(file, f"[columns] needs identifier and may name {known}")
    if set(body.bands) - {"amount", "days_past_due"}:
        raise _malformed(file, "[bands] may name amount and days_past_due")
    bands = read_bands(body.bands.get("amount"), body.bands.get("days_past_due"))
    words = _words_of(body.words, file)
    try:
        given = facts_of(body.given, words, bands, month_first=body.month_first)
    except InputError as error:
        raise _malformed(file, f"[given] {error.where.field}: {error.message}") from None
    return ColumnMap(
        body.name,
        {field: tuple(names) for field, names in body.columns.items()},
        words,
        given,
        bands,
        body.month_first,
    )


def propose(header: Sequence[str], *, month_first: bool) -> ColumnMap | None:
    """Return a map from the header's words, None where no word names an identifier."""
    names = [squeeze(cell) for cell in header]
    columns: dict[str, tuple[str, ...]] = {}
    for field, words in header_words.HEADER_WORDS.items():
        known = [squeeze(word) for word in words]
        found = next((names.index(word) for word in known if word in names), None)
        if found is not None:
            columns[field] = (header[found].strip(),)
    if "identifier" not in columns:
        return None
    id_type = header_words.ID_TYPE_OF_HEADER.get(squeeze(columns["identifier"][0]))
    given = Facts(id_type=id_type if "id_type" not in columns else None)
    return ColumnMap("proposed", columns, WORDS, given, Bands(), month_first, proposed=True)


def _words_of(given: Mapping[str, Mapping[str, str]], file: str) -> dict[str, Mapping[str, object]]:
    unknown = set(given) - set(WORDS)
    if unknown:
        raise _malformed(file, f"[words] may name {', '.join(sorted(WORDS))}")
    merged: dict[str, Mapping[str, object]] = dict(WORDS)
    for field, pairs in given.items():
        own: dict[str, object] = {}
        for word, term in pairs.items():
            meant = WORDS[field].get(squeeze(term))
            if meant is None:
                raise _malformed(file, f"[words.{field}] {term!r} is no {field}")
            own[squeeze(word)] = meant
        merged[field] = {**WORDS[field], **own}
    return merged


def describe(found: ColumnMap) -> str:
    """Return the map in words: field = header word."""
    return "; ".join(f"{field} = {words[0]}" for field, words in found.columns.items())


def id_type_named(text: str) -> IdType:
    """Return an identifier's type by its name; raises `InputError` ID_TYPE_UNKNOWN."""
    found = header_words.ID_TYPES.get(squeeze(text))
    if found is None:
        raise InputError(
            "ID_TYPE_UNKNOWN",
            "no type of identifier has this name",
            where=Where(field="id_type"),
            help="choose one of " + ", ".join(IdType),
        )
    return found


def _malformed(file: str, says: str) -> InputError:
    return InputError(
        "MAP_MALFORMED",
        f"the column map does not hold: {says}",
        where=Where(file),
        help="mend the TOML file; docs/blacklist-import.md shows one",
    )
