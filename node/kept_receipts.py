"""What this node keeps of its lookups: whole receipts, and what is left once an entry is erased.

From a receipt its holder repeats the lookup: blind, identifier and answers give T, and T opens salt
and statement of every entry in the bucket that is the person's. So an erasure reaches a reader only
once the receipts that found the entry are destroyed. What is left of one shows that the lookup was
made, when, on which consent and with which outcome (`node.screening.reduced`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session, undefer

from node.crypto.signer import Signer
from node.db import overwriting
from node.errors import NotFound
from node.keyring import KeyRing
from node.screening.envelope import read_envelope
from node.screening.receipts import Receipt, read_receipt
from node.screening.reduced import reduced_of, sign_reduced
from node.tables import LookupEntry, OwnLookup
from reconcile.model import KanheError, ProtocolError, day_iso

#: A receipt of an earlier release: which entries it found was not noted yet.
UNREAD: Final = "UNREAD"
#: The receipt is whole, and the entries that it found are noted.
WHOLE: Final = "WHOLE"
#: The receipt is reduced; whom it concerned is kept for as long as an audit may open it.
REDUCED: Final = "REDUCED"
#: Nothing that tells of the person is left.
FORGOTTEN: Final = "FORGOTTEN"
_DAY_MS: Final = 86_400_000


def receipt_label(lookup: int) -> bytes:
    """Return the label under which a lookup's receipt is sealed."""
    return b"lookup/receipt/" + lookup.to_bytes(8, "big")


def keep_receipt(
    session: Session, ring: KeyRing, row: OwnLookup, envelope: bytes, entries: Sequence[bytes]
) -> None:
    """Keep a lookup's receipt and which entries it found; an earlier one is overwritten."""
    with contextlib.nullcontext() if row.kept is None else overwriting(session):
        row.receipt = ring.seal_bytes(envelope, receipt_label(row.id))
        _note(session, row, entries)


def _note(session: Session, row: OwnLookup, entries: Sequence[bytes]) -> None:
    if row.kept is not None:
        session.execute(delete(LookupEntry).where(LookupEntry.lookup == row.id))
    session.add_all(LookupEntry(lookup=row.id, entry=entry) for entry in sorted(set(entries)))
    row.kept = WHOLE


def note_entries(session: Session, ring: KeyRing, *, limit: int) -> int:
    """Note which entries receipts of an earlier release found; return how many were read."""
    rows = session.scalars(
        select(OwnLookup)
        .where(OwnLookup.kept == UNREAD)
        .order_by(OwnLookup.id)
        .limit(limit)
        .options(undefer(OwnLookup.receipt))
    ).all()
    for row in rows:
        receipt = _read(ring, row)
        _note(session, row, () if receipt is None else receipt.entries)
    return len(rows)


def holds_receipt(entry: InstrumentedAttribute[bytes] | bytes) -> ColumnElement[bool]:
    """Say whether a whole receipt found an entry."""
    return exists().where(
        LookupEntry.entry == entry, OwnLookup.id == LookupEntry.lookup, OwnLookup.kept == WHOLE
    )


def reduce_receipts(
    session: Session, ring: KeyRing, signer: Signer, entry: bytes, *, now_ms: int
) -> int:
    """Destroy the receipts that found an entry but for what shows the lookups; return how many.

    Inside `overwriting`.
    """
    rows = session.scalars(
        select(OwnLookup)
        .join(LookupEntry, LookupEntry.lookup == OwnLookup.id)
        .where(LookupEntry.entry == entry, OwnLookup.kept == WHOLE)
        .order_by(OwnLookup.id)
        .options(undefer(OwnLookup.receipt))
    ).all()
    for row in rows:
        reduce_receipt(session, ring, signer, row, entry, now_ms=now_ms)
    return len(rows)


def reduce_receipt(
    session: Session, ring: KeyRing, signer: Signer, row: OwnLookup, entry: bytes, *, now_ms: int
) -> None:
    """Destroy a lookup's receipt because an entry was erased; its row says what is left.

    One that does not open any more is destroyed all the same: nothing is left of it to show. Which
    entries are of one person is forgotten with it.
    """
    receipt = _read(ring, row)
    if receipt is not None and row.outcome is not None and row.done_at_ms is not None:
        left = reduced_of(
            receipt,
            outcome=row.outcome,
            level=row.level or 0,
            looked_up_at_s=row.done_at_ms // 1_000,
            erased=entry,
            destroyed_day=now_ms // _DAY_MS,
        )
        row.reduced = sign_reduced(left, signer)
    row.receipt, row.kept = None, REDUCED
    row.destroyed_for, row.destroyed_at_ms = entry, now_ms
    session.execute(delete(LookupEntry).where(LookupEntry.lookup == row.id))
    session.flush()


def _read(ring: KeyRing, row: OwnLookup) -> Receipt | None:
    if row.receipt is None:
        return None
    try:
        data = ring.open_bytes(row.receipt, receipt_label(row.id))
        return read_receipt(read_envelope(data).payload)
    except KanheError:
        return None


def open_receipt(session: Session, ring: KeyRing, lookup: int) -> bytes:
    """Return a lookup's receipt.

    Raises `NotFound` LOOKUP_UNKNOWN, RECEIPT_DESTROYED, `ProtocolError` LOOKUP_NOT_DONE.
    """
    row = _row(session, lookup)
    if row.receipt is not None:
        return ring.open_bytes(row.receipt, receipt_label(lookup))
    require_not_destroyed(row)
    raise _not_done(lookup)


def require_not_destroyed(row: OwnLookup) -> None:
    """Refuse a lookup whose receipt was destroyed, `NotFound` RECEIPT_DESTROYED."""
    if row.destroyed_for is None or row.destroyed_at_ms is None:
        return
    day = day_iso(row.destroyed_at_ms // _DAY_MS)
    raise NotFound(
        "RECEIPT_DESTROYED",
        f"the receipt of lookup {row.id} was destroyed on {day}: entry "
        f"{row.destroyed_for.hex()[:16]}… was erased",
        help=f"`kanhe blacklist receipt {row.id} --reduced` writes what shows that it was made; to "
        "know how the person stands now, look her up anew",
    )


def open_reduced(session: Session, lookup: int) -> bytes:
    """Return what is left of a lookup's receipt.

    Raises `NotFound` LOOKUP_UNKNOWN, RECEIPT_DESTROYED where nothing is, `ProtocolError`
    LOOKUP_NOT_DONE, RECEIPT_WHOLE.
    """
    row = _row(session, lookup)
    if row.reduced is not None:
        return row.reduced
    require_not_destroyed(row)
    if row.receipt is None:
        raise _not_done(lookup)
    raise ProtocolError(
        "RECEIPT_WHOLE",
        f"the receipt of lookup {lookup} is whole",
        help=f"`kanhe blacklist receipt {lookup}` writes it",
    )


def _row(session: Session, lookup: int) -> OwnLookup:
    row = session.scalars(
        select(OwnLookup)
        .where(OwnLookup.id == lookup)
        .options(undefer(OwnLookup.receipt), undefer(OwnLookup.reduced))
    ).first()
    if row is None:
        raise unknown_lookup(lookup)
    return row


def unknown_lookup(lookup: int) -> NotFound:
    """Return the refusal of a lookup that this node did not begin."""
    return NotFound("LOOKUP_UNKNOWN", f"there is no lookup {lookup} here")


def _not_done(lookup: int) -> ProtocolError:
    return ProtocolError("LOOKUP_NOT_DONE", f"lookup {lookup} has no receipt yet")
