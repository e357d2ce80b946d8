"""OpenSanctions: FollowTheMoney entities, one a line, and statements (CSV or one JSON a line).

Read are the identifiers that can be looked up: `idNumber` of China, `socialSecurityNumber` of the
United States, `passportNumber` with its country, `uscCode`, `leiCode`, and passports that stand as
entities of their own. Names are never listed. Statements of one entity stand together, ordered by
`canonical_id` as OpenSanctions exports them; each says by which dataset, and since when.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import msgspec

from node.intake.completing import complete
from node.intake.countries import countries_of
from node.intake.drafts import Facts, Origin, Outcome, PassedOver, Refused, Stated
from node.intake.header_words import squeeze
from node.intake.kinds import Kind
from node.intake.rows import OpenFile
from node.screening.identifiers import IdType
from node.screening.listings import Reason
from reconcile.model import day_iso
from reconcile.statements.dates import day_of

MAX_LINE_BYTES: Final = 4 << 20
MAX_VALUES: Final = 1_000
SOURCE: Final = "OpenSanctions (FollowTheMoney)"
NOT_SIGNED: Final = (
    "not signed: a statement's id is a hash of its content that anybody can compute; the listing "
    "is signed by its uploader"
)
NO_IDENTIFIER: Final = "no identifier that can be looked up"
NO_SUBJECT: Final = "no person, firm or passport"
OTHER_COUNTRY: Final = "an identifier of a country whose numbers are not looked up"
_SUBJECTS: Final = frozenset(
    {"Person", "LegalEntity", "Company", "Organization", "PublicBody", "Passport"}
    | {"Identification"}
)
_COUNTRY_FIELDS: Final = ("nationality", "citizenship", "country", "jurisdiction", "mainCountry")
_FIELDS: Final = (
    "idNumber", "socialSecurityNumber", "passportNumber", "number", "uscCode", "leiCode",
)  # fmt: skip
_READ: Final = frozenset({*_COUNTRY_FIELDS, *_FIELDS, "topics"})


@dataclass(frozen=True, slots=True)
class _Said:
    """One value, the line it stands in, and what the source says of it."""

    value: str
    line: int
    facts: Mapping[str, str | None]
    first_seen: str | None


@dataclass(slots=True)
class _Entity:
    id: str
    line: int
    schemas: set[str]
    said: dict[str, list[_Said]] = field(default_factory=dict)

    def texts(self, name: str) -> list[str]:
        return [one.value for one in self.said.get(name, [])]


class _EntityLine(msgspec.Struct):
    id: str
    schema: str
    properties: dict[str, list[Any]]
    datasets: list[str] = []
    first_seen: str | None = None
    last_seen: str | None = None


class _Statement(msgspec.Struct):
    canonical_id: str
    entity_id: str
    prop: str
    schema: str
    value: str
    dataset: str
    first_seen: str | None = None
    last_seen: str | None = None
    origin: str | None = None
    id: str | None = None


def read_entities(
    file: OpenFile, kind: Kind, stated: Stated, words: Mapping[str, object]
) -> Iterator[Outcome]:
    """Yield what comes of each entity's identifiers; `words` map topics to reasons."""
    if kind is Kind.FTM_ENTITIES:
        found: Iterator[_Entity | Refused] = _entities(file)
    elif kind is Kind.FTM_STATEMENTS_CSV:
        found = _grouped(_csv_statements(file))
    else:
        found = _grouped(_json_statements(file))
    for one in found:
        if isinstance(one, Refused):
            yield one
        else:
            yield from _outcomes(one, stated, words)


def _entities(file: OpenFile) -> Iterator[_Entity | Refused]:
    for line, data in file.lines(MAX_LINE_BYTES):
        if not data.strip():
            continue
        try:
            read = msgspec.json.decode(data, type=_EntityLine)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield _malformed(line, "entity")
            continue
        facts = {
            "datasets": ", ".join(sorted(read.datasets)) or None,
            "first_seen": read.first_seen,
            "last_seen": read.last_seen,
        }
        entity = _Entity(read.id, line, {read.schema})
        for name in _READ & set(read.properties):
            values = [value for value in read.properties[name] if isinstance(value, str)]
            entity.said[name] = [
                _Said(value, line, facts, read.first_seen) for value in values[:MAX_VALUES]
            ]
        yield entity


def _json_statements(file: OpenFile) -> Iterator[tuple[int, _Statement | Refused]]:
    for line, data in file.lines(MAX_LINE_BYTES):
        if not data.strip():
            continue
        try:
            yield line, msgspec.json.decode(data, type=_Statement)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            yield line, _malformed(line, "statement")


def _csv_statements(file: OpenFile) -> Iterator[tuple[int, _Statement | Refused]]:
    names: list[str] = []
    for line, cells in file.rows():
        if not names:
            names = [name.strip() for name in cells]
            continue
        if len(cells) != len(names):
            yield line, _malformed(line, "statement")
            continue
        row = {name: cell or None for name, cell in zip(names, cells, strict=True)}
        try:
            yield line, msgspec.convert(row, type=_Statement)
        except msgspec.ValidationError:
            yield line, _malformed(line, "statement")


def _grouped(
    statements: Iterable[tuple[int, _Statement | Refused]],
) -> Iterator[_Entity | Refused]:
    """Yield each entity of statements that stand together, and a refusal where they do not."""
    finished: set[int] = set()

    def name(pair: tuple[int, _Statement | Refused]) -> str:
        return "" if isinstance(pair[1], Refused) else pair[1].canonical_id

    for canonical, group in groupby(statements, key=name):
        entity: _Entity | None = None
        for line, one in group:
            if isinstance(one, Refused):
                yield one
                continue
            entity = entity or _Entity(canonical, line, set())
            _add(entity, line, one)
        if entity is None:
            continue
        if hash(canonical) in finished:
            yield Refused(
                entity.line,
                "canonical_id",
                "STATEMENTS_UNSORTED",
                "statements of this entity stand further up, too",
                "sort the file by canonical_id, as OpenSanctions exports it",
            )
            continue
        finished.add(hash(canonical))
        yield entity


def _add(entity: _Entity, line: int, one: _Statement) -> None:
    entity.schemas.add(one.schema)
    values = entity.said.setdefault(one.prop, [])
    if one.prop not in _READ or len(values) >= MAX_VALUES:
        return
    facts = {
        "statement": one.id,
        "entity": one.entity_id,
        "dataset": one.dataset,
        "origin": one.origin,
        "first_seen": one.first_seen,
        "last_seen": one.last_seen,
    }
    values.append(_Said(one.value, line, facts, one.first_seen))


def _outcomes(entity: _Entity, stated: Stated, words: Mapping[str, object]) -> Iterator[Outcome]:
    if not entity.schemas & _SUBJECTS:
        yield PassedOver(entity.line, NO_SUBJECT)
        return
    topics = (words.get(squeeze(topic)) for topic in entity.texts("topics"))
    reason = next((found for found in topics if isinstance(found, Reason)), None)
    any_field = False
    for name in _FIELDS:
        by_value: dict[str, list[_Said]] = {}
        for one in entity.said.get(name, []):
            by_value.setdefault(one.value.strip(), []).append(one)
        for value, said in by_value.items():
            found = _id_of(name, value, entity, stated)
            any_field = any_field or found is not None
            if found is None:
                continue
            if isinstance(found, str):
                yield PassedOver(said[0].line, found)
                continue
            id_type, text = found
            facts = Facts(id_type=id_type, reason=reason, event_month=_month(said))
            yield complete(said[0].line, text, facts, _origin(entity, name, said), stated)
    if not any_field:
        yield PassedOver(entity.line, NO_IDENTIFIER)


def _id_of(
    name: str, value: str, entity: _Entity, stated: Stated
) -> tuple[IdType, str] | str | None:
    """Return type and text of an identifier, why it is passed over, or None: it is none here."""
    countries = countries_of(text for field in _COUNTRY_FIELDS for text in entity.texts(field))
    own = stated.facts.id_type
    if name == "leiCode":
        return IdType.LEI, value
    if name == "uscCode":
        return IdType.CN_USCC, value
    if name == "number" and not entity.schemas & {"Passport"}:
        return None
    if name in {"passportNumber", "number"}:
        if len(countries) != 1:
            return "a passport without one country"
        (country,) = countries
        # Some sources write the country before the number themselves.
        return IdType.PASSPORT, value if value.startswith(country) else country + value
    wanted, country = {
        "idNumber": (IdType.CN_RID, "CHN"),
        "socialSecurityNumber": (IdType.US_SSN, "USA"),
    }[name]
    if country in countries or (own is wanted and not countries):
        return wanted, value
    return OTHER_COUNTRY


def _origin(entity: _Entity, name: str, said: Sequence[_Said]) -> Origin:
    facts: dict[str, object] = {
        "entity": entity.id,
        "schema": ", ".join(sorted(entity.schemas)),
        "property": name,
        "statements": [
            {key: value for key, value in one.facts.items() if value is not None} for one in said
        ],
    }
    return Origin(SOURCE, facts, NOT_SIGNED)


def _month(said: Sequence[_Said]) -> str | None:
    days = [day for one in said if (day := day_of((one.first_seen or "")[:10])) is not None]
    return day_iso(min(days))[:7] if days else None


def _malformed(line: int, what: str) -> Refused:
    return Refused(
        line,
        None,
        "FTM_MALFORMED",
        f"the line is no FollowTheMoney {what}",
        "export it again; the line is not shown here on purpose",
    )
