"""What one run leaves to the next, as JSON in the report and back.

Carried items stand in the report with their full content, because they outlive the epoch that
sealed them. Everything the next run reads is pinned by this run's digest.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from reconcile.model import (
    CARRIER_BY_WORD,
    CarriedItem,
    Carrier,
    Direction,
    Entry,
    EntryStatus,
    InputError,
    OpenResidual,
    Side,
    Where,
    WrittenOff,
    day_iso,
    day_number,
)

RefSets = tuple[frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class Carry:
    """The part of the next `RunInput` that follows from a report.

    `closing`: signed closing balance by side and currency, with its basis word.
    """

    window: int
    carried: tuple[tuple[CarriedItem, ...], tuple[CarriedItem, ...]]
    residuals: tuple[OpenResidual, ...]
    written_off: tuple[WrittenOff, ...]
    held: RefSets
    rejected: frozenset[RefSets]
    last_decisions: tuple[tuple[bytes, bytes], ...]
    closing: tuple[Mapping[str, tuple[int, str]], Mapping[str, tuple[int, str]]]


# --------------------------------------------------------------------------- entries
_DAYS = ("booking_date", "value_date", "settlement_date")
_NUMBERS = ("version", "amount_minor", "session", "fee_minor", "occurred_at")


def entry_json(entry: Entry) -> dict[str, Any]:
    """Return every field of an entry, integers as decimal strings, dates as ISO 8601."""
    body: dict[str, Any] = {}
    for name in entry.__struct_fields__:
        value = getattr(entry, name)
        if name in _DAYS:
            body[name] = None if value is None else day_iso(value)
        elif name in _NUMBERS:
            body[name] = None if value is None else str(value)
        elif name in {"direction", "status"}:
            body[name] = value.name
        elif name == "references":
            body[name] = {_carrier_word(number): text for number, text in value}
        elif name == "documents":
            body[name] = [{"type": kind, "sha256": hashed.hex()} for kind, hashed in value]
        else:
            body[name] = value
    return body


def _carrier_word(number: int) -> str:
    try:
        return Carrier(number).word
    except ValueError:
        return str(number)


def entry_from_json(body: Mapping[str, Any]) -> Entry:
    """Read an entry back; raises InputError REPORT_MALFORMED."""
    try:
        fields: dict[str, Any] = {}
        for name in Entry.__struct_fields__:
            value = body[name]
            if value is None:
                fields[name] = None
            elif name in _DAYS:
                fields[name] = day_number(dt.date.fromisoformat(value))
            elif name in _NUMBERS:
                fields[name] = int(value)
            elif name == "references":
                pairs = [(_carrier_number(word), text) for word, text in value.items()]
                fields[name] = tuple(sorted(pairs))
            elif name == "documents":
                fields[name] = tuple((d["type"], bytes.fromhex(d["sha256"])) for d in value)
            else:
                fields[name] = value
        fields["direction"] = Direction[fields["direction"]]
        fields["status"] = EntryStatus[fields["status"]]
        return msgspec.convert(list(_with_tag(fields)), Entry)
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.ValidationError) as error:
        raise InputError(
            "REPORT_MALFORMED",
            f"a carried entry does not read: {error}",
            where=Where(field="carried"),
        ) from error


def _with_tag(fields: Mapping[str, Any]) -> list[Any]:
    """Return the entry's array form: the record type, then the fields in their order."""
    return [1, *(fields[name] for name in Entry.__struct_fields__)]


def _carrier_number(word: str) -> int:
    known = CARRIER_BY_WORD.get(word)
    return int(word) if known is None else int(known)


# ----------------------------------------------------------------------------- lists
def carried_json(items: tuple[CarriedItem, ...]) -> list[dict[str, Any]]:
    """Return one side's carried items."""
    return [
        {
            "break_key": item.break_key.hex(),
            "marks": list(item.marks),
            "since_window": str(item.since_window),
            "entry": entry_json(item.entry),
        }
        for item in items
    ]


def refs_json(refs: RefSets) -> dict[str, list[str]]:
    """Return two sets of refs, each sorted as UTF-8 bytes."""
    return {side.word: sorted(refs[side]) for side in Side}


def _refs_from(body: Mapping[str, Any]) -> RefSets:
    return frozenset(body["servicer"]), frozenset(body["owner"])


def carry_of(report: Mapping[str, Any]) -> Carry:
    """Return what the next run reads of an agreed report.

    Raises InputError REPORT_MALFORMED for anything that is no report.
    """
    try:
        standing = report["standing"]
        servicer, owner = (
            tuple(
                CarriedItem(
                    entry_from_json(item["entry"]),
                    bytes.fromhex(item["break_key"]),
                    tuple(item["marks"]),
                    int(item["since_window"]),
                )
                for item in report["carried"][side.word]
            )
            for side in Side
        )
        before, after = (
            {
                row["currency"]: (
                    int(row[side.word]["closing_minor"]),
                    row[side.word]["closing_basis"],
                )
                for row in report["totals"]
            }
            for side in Side
        )
        return Carry(
            window=int(report["window"]),
            carried=(servicer, owner),
            residuals=tuple(
                OpenResidual(bytes.fromhex(x["subject"]), x["currency"], int(x["minor"]))
                for x in report["residuals"]
            ),
            written_off=tuple(
                WrittenOff(
                    bytes.fromhex(x["subject"]),
                    bytes.fromhex(x["break_key"]),
                    x["currency"],
                    int(x["minor"]),
                )
                for x in report["written_off"]
            ),
            held=_refs_from(standing["held"]),
            rejected=frozenset(_refs_from(item) for item in standing["rejected"]),
            last_decisions=tuple(
                (bytes.fromhex(x["subject"]), bytes.fromhex(x["hash"]))
                for x in standing["last_decisions"]
            ),
            closing=(before, after),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError("REPORT_MALFORMED", f"the report does not read: {error}") from error
