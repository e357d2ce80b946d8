"""Lookups in a list: nothing of the person."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from node.screening.consents import Purpose, consent_key
from node.tables import OwnLookup, RecordedConsent


@dataclass(frozen=True, slots=True)
class LookupView:
    """A lookup in a list: nothing of the person."""

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


def view_of(session: Session, row: OwnLookup, member: int) -> LookupView:
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
    )
