"""MISP events: identity documents in attributes and objects, with event, organisation and times.

Read are attributes of type `identity-card-number` and `passport-number` and, in objects, the
relations of that name and `social-security-number`. Which country a number is of is said by the
object (`nationality`, `passport-country`), else by the import. A victim or a witness is never
listed. MISP signs at most with the instance's key and never inside the event's JSON.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from node.intake.completing import complete
from node.intake.countries import countries_of
from node.intake.drafts import Facts, Origin, Outcome, PassedOver, Refused, Stated
from node.intake.header_words import squeeze
from node.intake.rows import OpenFile
from node.screening.identifiers import IdType
from node.screening.listings import Reason
from reconcile.model import InputError, Where
from reconcile.statements.dates import day_of

MAX_BYTES: Final = 256 << 20
SOURCE: Final = "MISP"
NOT_SIGNED: Final = (
    "not signed: the event is not protected, and MISP signs with an instance's key at most"
)
PROTECTED: Final = (
    "not verified: the event is protected, so instances sign it for each other with the keys it "
    "names, but the signature is no part of its JSON"
)
NO_IDENTIFIER: Final = "no identifier that can be looked up"
DELETED: Final = "deleted at the source"
NO_COUNTRY: Final = "an identifier without a country, and the import names no type"
OTHER_COUNTRY: Final = "an identifier of a country whose numbers are not looked up"
_SPARED: Final = frozenset({"victim", "witness"})
_CARD: Final = "identity-card-number"
_PASSPORT: Final = "passport-number"
_SSN: Final = "social-security-number"
_ORDER: Final = (_CARD, _PASSPORT, _SSN)
_MONTH_SIGNS: Final = 7


class _Org(msgspec.Struct):
    name: str | None = None
    uuid: str | None = None


class _Tag(msgspec.Struct):
    name: str = ""


class _Key(msgspec.Struct):
    type: str | None = None
    fingerprint: str | None = None


class _Attribute(msgspec.Struct):
    type: str = ""
    value: Any = ""
    uuid: str | None = None
    object_relation: str | None = None
    deleted: Any = False
    first_seen: str | None = None
    last_seen: str | None = None
    timestamp: Any = None
    Tag: list[_Tag] = []

    @property
    def relation(self) -> str:
        return self.object_relation or self.type

    @property
    def is_deleted(self) -> bool:
        return _is_true(self.deleted)


class _Object(msgspec.Struct):
    name: str = ""
    uuid: str | None = None
    deleted: Any = False
    Attribute: list[_Attribute] = []

    @property
    def is_deleted(self) -> bool:
        return _is_true(self.deleted)

    def texts(self, relation: str) -> list[str]:
        return [
            str(one.value)
            for one in self.Attribute
            if one.relation == relation and not one.is_deleted
        ]


class _Event(msgspec.Struct):
    uuid: str | None = None
    date: str | None = None
    protected: Any = None
    Orgc: _Org | None = None
    Org: _Org | None = None
    CryptographicKey: list[_Key] | None = None
    Attribute: list[_Attribute] = []
    Object: list[_Object] = []
    Tag: list[_Tag] = []


class _Wrapped(msgspec.Struct):
    Event: _Event


class _Response(msgspec.Struct):
    response: list[_Wrapped]


def read_events(file: OpenFile, stated: Stated, words: Mapping[str, object]) -> Iterator[Outcome]:
    """Yield what comes of each event's attributes; `line` is the attribute's number in the file.

    Raises `InputError` MISP_MALFORMED, FILE_TOO_LARGE.
    """
    number = 0
    for event in _events(file):
        bare = _Object(Attribute=event.Attribute)
        for one in [bare, *event.Object]:
            if not any(item.relation in _ORDER for item in one.Attribute):
                number += len(one.Attribute)
                if one.Attribute:
                    yield PassedOver(number, NO_IDENTIFIER)
                continue
            for attribute in one.Attribute:
                number += 1
                if attribute.relation in _ORDER:
                    # Attributes outside an object say nothing of each other.
                    context = _Object() if one is bare else one
                    yield _outcome(number, event, context, attribute, stated, words)


def _events(file: OpenFile) -> Sequence[_Event]:
    data = file.whole(MAX_BYTES).removeprefix(b"\xef\xbb\xbf")
    kinds = _Wrapped | list[_Wrapped] if b'"response"' not in data[:64] else _Response
    try:
        read = msgspec.json.decode(data, type=kinds)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InputError(
            "MISP_MALFORMED",
            "the file holds no MISP event, or one that is not whole",
            where=Where(file.name),
            help="export the event as MISP JSON again; nothing of it is shown here",
        ) from None
    if isinstance(read, _Response):
        return [item.Event for item in read.response]
    return [item.Event for item in (read if isinstance(read, list) else [read])]


def _outcome(
    number: int,
    event: _Event,
    one: _Object,
    attribute: _Attribute,
    stated: Stated,
    words: Mapping[str, object],
) -> Outcome:
    if attribute.is_deleted or one.is_deleted:
        return PassedOver(number, DELETED)
    if {role.strip().lower() for role in one.texts("role")} & _SPARED:
        return Refused(
            number,
            attribute.uuid,
            "MISP_ROLE_SPARED",
            "the event names this person as a victim or a witness",
            "do not list her; an entry IDENTITY_STOLEN is made by itself, with her consent",
        )
    found = _id_of(attribute, one, stated)
    if isinstance(found, str):
        return PassedOver(number, found)
    id_type, text = found
    tags = (words.get(squeeze(tag.name)) for tag in [*attribute.Tag, *event.Tag])
    reason = next((known for known in tags if isinstance(known, Reason)), None)
    facts = Facts(id_type=id_type, reason=reason, event_month=_month(event))
    return complete(number, text, facts, _origin(event, one, attribute), stated)


def _id_of(attribute: _Attribute, one: _Object, stated: Stated) -> tuple[IdType, str] | str:
    """Return type and text of an identifier, or why it is passed over."""
    text, own = str(attribute.value).strip(), stated.facts.id_type
    nations = countries_of(one.texts("nationality"))
    if attribute.relation == _PASSPORT:
        issuers = countries_of(one.texts("passport-country")) or nations
        if len(issuers) != 1:
            return (IdType.PASSPORT, text) if own is IdType.PASSPORT else NO_COUNTRY
        (issuer,) = issuers
        return IdType.PASSPORT, text if text.startswith(issuer) else issuer + text
    wanted, country = (IdType.US_SSN, "USA") if attribute.relation == _SSN else (
        IdType.CN_RID, "CHN"
    )  # fmt: skip
    if country in nations:
        return wanted, text
    if nations:
        return OTHER_COUNTRY
    return (own, text) if own is not None and own is not IdType.PASSPORT else NO_COUNTRY


def _origin(event: _Event, one: _Object, attribute: _Attribute) -> Origin:
    org = event.Orgc or event.Org or _Org()
    is_protected = _is_true(event.protected)
    keys = [f"{key.type} {key.fingerprint}" for key in event.CryptographicKey or []]
    facts = {
        "event": event.uuid,
        "event_date": event.date,
        "organisation": org.name,
        "organisation_uuid": org.uuid,
        "object": one.uuid,
        "attribute": attribute.uuid,
        "attribute_time": _time(attribute.timestamp),
        "first_seen": attribute.first_seen,
        "last_seen": attribute.last_seen,
        "signing_keys": ", ".join(keys) or None,
    }
    return Origin(SOURCE, facts, PROTECTED if is_protected else NOT_SIGNED)


def _month(event: _Event) -> str | None:
    day = day_of(event.date or "")
    return None if day is None else (event.date or "")[:_MONTH_SIGNS]


def _is_true(value: object) -> bool:
    """Read a flag, which MISP writes as true, 1 or "1"."""
    return str(value).lower() in {"true", "1"}


def _time(stamp: object) -> str | None:
    """Return a MISP timestamp (seconds since 1970, as text) in ISO 8601."""
    if not isinstance(stamp, int | str) or not str(stamp).isdecimal() or len(str(stamp)) > 10:  # noqa: PLR2004 - the digits of a time until 2286
        return None
    return dt.datetime.fromtimestamp(int(stamp), dt.UTC).isoformat()
