"""Lookups in a list: nothing of the person."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.kept_receipts import FORGOTTEN
from node.screening.consents import Purpose, consent_key
from node.tables import Erasure, LookupEntry, OwnLookup, RecordedConsent


@dataclass(frozen=True, slots=True)
class LookupView:
    """A lookup in a list: nothing of the person.

    `receipt_until_s`: an entry that it found was erased, and the receipt is destroyed at this time.
    `destroyed_for`: the erased entry because of which it was, at `destroyed_at_ms`. `forgotten`:
    whom it concerned was destroyed too.
    """

    lookup: int
    state: str
    purpose: str
    scope: int
    valid_to_s: int
    digest: bytes | None
    recorded: bool
    revoked: bool
    ticket: int | None
    outcome: str | None
    refusal: str | None
    level: int | None
    made_at_ms: int
    receipt_until_s: int | None
    destroyed_for: bytes | None
    destroyed_at_ms: int | None
    forgotten: bool


def receipts_until(session: Session, lookups: Sequence[int]) -> dict[int, int]:
    """Return until when receipts are kept of which an entry was erased, by lookup."""
    until = (
        select(LookupEntry.lookup, func.min(Erasure.receipts_until_s))
        .join(Erasure, Erasure.entry == LookupEntry.entry)
        .where(LookupEntry.lookup.in_(lookups), Erasure.receipts_until_s.is_not(None))
        .group_by(LookupEntry.lookup)
    )
    return {lookup: at_s for lookup, at_s in session.execute(until) if at_s is not None}


def view_of(
    session: Session, row: OwnLookup, member: int, until_s: int | None = None
) -> LookupView:
    """Return what a list shows of a lookup of ours."""
    key = None if row.digest is None else consent_key(member, row.digest)
    recorded = None if key is None else session.get(RecordedConsent, key)
    return LookupView(
        lookup=row.id,
        state=row.state,
        purpose=Purpose(row.purpose).name,
        scope=row.scope,
        valid_to_s=row.valid_to_s,
        digest=row.digest,
        recorded=recorded is not None,
        revoked=recorded is not None and recorded.revoked_at_s is not None,
        ticket=row.ticket,
        outcome=row.outcome,
        refusal=row.refusal,
        level=row.level,
        made_at_ms=row.made_at_ms,
        receipt_until_s=until_s,
        destroyed_for=row.destroyed_for,
        destroyed_at_ms=row.destroyed_at_ms,
        forgotten=row.kept == FORGOTTEN,
    )
