"""Members with their keys, sealing generations and open motions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.tables import AuditRow, Member, MemberKey, Motion, SealingKey
from node.web.read.cursor import decode_cursor, encode_cursor
from node.web.read.parties import Names
from reconcile.model import ZERO32

MOTION_LIMIT: Final = 100
MEMBER_LIMIT: Final = 500
AUDIT_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class MemberView:
    """One member: its standing, keys, and the generation of its general sealing key."""

    row: Member
    name: str
    keys: tuple[MemberKey, ...]
    sealing_generation: int | None
    sealing_valid_to_s: int | None


@dataclass(frozen=True, slots=True)
class MembersView:
    """Members by number and motions, newest first."""

    members: tuple[MemberView, ...]
    motions: tuple[Motion, ...]
    eligible: int
    names: Names


def load_members(session: Session, names: Names) -> MembersView:
    """Return the members page."""
    keys: dict[int, list[MemberKey]] = {}
    for key in session.scalars(select(MemberKey).order_by(MemberKey.role, MemberKey.valid_from)):
        keys.setdefault(key.member, []).append(key)
    sealing = {
        row.member: row
        for row in session.scalars(
            select(SealingKey)
            .where(SealingKey.agreement == ZERO32)
            .order_by(SealingKey.generation),
        )
    }
    rows = session.scalars(select(Member).order_by(Member.member).limit(MEMBER_LIMIT)).all()
    members = tuple(
        MemberView(
            row,
            names.member(row.member),
            tuple(keys.get(row.member, ())),
            sealing[row.member].generation if row.member in sealing else None,
            sealing[row.member].ends_at_s if row.member in sealing else None,
        )
        for row in rows
    )
    motions = session.scalars(
        select(Motion).order_by(Motion.opened_at_s.desc()).limit(MOTION_LIMIT),
    ).all()
    eligible = sum(1 for row in rows if row.kind == "FULL" and row.state == "ACTIVE")
    return MembersView(members, tuple(motions), eligible, names)


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A page of the audit log, newest first."""

    rows: tuple[AuditRow, ...]
    more: str | None
    last_id: int


def load_audit(
    session: Session,
    *,
    after: str | None = None,
    act: str = "",
    limit: int = AUDIT_PAGE,
) -> AuditPage:
    """Return a page of acts; `act` filters by the act's word."""
    query = select(AuditRow).order_by(AuditRow.id.desc()).limit(limit + 1)
    start = decode_cursor(after, (int,))
    if start is not None:
        query = query.where(AuditRow.id < int(start[0]))
    if act:
        query = query.where(AuditRow.act == act.upper())
    rows = session.scalars(query).all()
    more = encode_cursor(rows[limit - 1].id) if len(rows) > limit else None
    last = session.scalar(select(func.max(AuditRow.id)))
    return AuditPage(tuple(rows[:limit]), more, int(last or 0))
