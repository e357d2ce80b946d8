"""What a maker had before the eyes when deciding: kept with the draft, shown to the checker.

The records of the entries are pinned by their hashes, so that a decision on entries that were
amended since is not approved unseen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import MatchRun, PostedEntry, RunBreak
from reconcile.commitment.records import decode_record
from reconcile.model import Entry, ProtocolError, Side, day_iso
from reconcile.report.adjustment import VOUCHER_FIRST
from reconcile.report.carry import entry_json

# More entries than these are named and pinned, but not spelt out.
MAX_SHOWN: Final = 40
REFS_AT_ONCE: Final = 500


def records_of(
    session: Session, agreement: bytes, side: Side, refs: Sequence[str]
) -> dict[str, bytes]:
    """Return by ref the record of the version that counts."""
    found: dict[str, bytes] = {}
    for start in range(0, len(refs), REFS_AT_ONCE):
        rows = session.execute(
            select(PostedEntry.entry_ref, PostedEntry.record)
            .where(
                PostedEntry.agreement == agreement,
                PostedEntry.side == int(side),
                PostedEntry.repeat.is_(False),
                PostedEntry.entry_ref.in_(refs[start : start + REFS_AT_ONCE]),
            )
            .order_by(PostedEntry.version)
        )
        found.update((ref, record) for ref, record in rows)
    return found


def seen_of(
    session: Session,
    agreement: bytes,
    run: MatchRun | None,
    row: RunBreak | None,
    refs: tuple[Sequence[str], Sequence[str]],
) -> dict[str, Any]:
    """Return what the maker sees: the break, the run it stands in, the entries."""
    books = [records_of(session, agreement, side, refs[side]) for side in Side]
    seen: dict[str, Any] = {
        "entries": {
            side.word: [_entry_words(record) for record in list(books[side].values())[:MAX_SHOWN]]
            for side in Side
        },
        "pinned": pin_of(books),
    }
    if run is not None:
        seen["run"] = {
            "window": str(run.window),
            "kind": run.kind,
            "digest": None if run.digest is None else run.digest.hex(),
        }
    if row is not None:
        seen["break"] = {
            "key": row.break_key.hex(),
            "kind": row.kind,
            "signed": [{"currency": code, "minor": minor} for code, minor in row.signed],
            "age_days": str(row.age_days),
            "marks": list(row.marks),
        }
    return seen


def pin_of(books: Sequence[Mapping[str, bytes]]) -> str:
    """Return the hash over both sides' records, by ref."""
    digest = hashlib.sha256()
    for side in Side:
        for ref, record in sorted(books[side].items()):
            digest.update(bytes([side]) + ref.encode() + b"\0" + hashlib.sha256(record).digest())
    return digest.hexdigest()


def require_unchanged(session: Session, agreement: bytes, body: Mapping[str, Any]) -> None:
    """Refuse a decision whose entries were amended since; `ProtocolError` DECISION_STALE."""
    seen = body.get("seen")
    if seen is None:
        return
    books = [records_of(session, agreement, side, body[side.word]) for side in Side]
    if pin_of(books) != seen["pinned"]:
        raise ProtocolError(
            "DECISION_STALE",
            "an entry was amended since the maker saw it",
            help="reject it with that reason; the maker looks again and proposes anew",
        )


def _entry_words(record: bytes) -> dict[str, Any]:
    entry = decode_record(record)
    assert isinstance(entry, Entry), "the entries table holds entries"
    body = entry_json(entry)
    references: Mapping[str, str] = body["references"]
    named = [references[word] for word in VOUCHER_FIRST if word in references]
    return {
        "entry_ref": entry.entry_ref,
        "version": str(entry.version),
        "direction": entry.direction.name,
        "amount_minor": str(entry.amount_minor),
        "currency": entry.currency,
        "booking_date": day_iso(entry.booking_date),
        "status": entry.status.name,
        "voucher": next(iter([*named, *references.values()]), ""),
        "counterparty": entry.counterparty_name or "",
    }
