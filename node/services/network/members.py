"""Members, keys and motions: what the registry says, and what we ask of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final

from eth_abi.abi import encode
from eth_utils.crypto import keccak
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import member_name
from node.identity import Identity, address_bytes
from node.services.network.views import KeyGrant, KeyView, MemberView, MotionView
from node.tables import Member, MemberKey, Motion
from node.tables.tip import tip_of
from reconcile.model import ZERO32, ProtocolError, UsageError

ROLES: Final[Mapping[str, int]] = {"ADMIN": 1, "POSTER": 2, "APPROVER": 3}
ACTIONS: Final[Mapping[str, int]] = {
    "ADMIT": 1,
    "SUSPEND": 2,
    "REINSTATE": 3,
    "REVOKE": 4,
    "REPLACE_ADMIN": 5,
}
# About thirty years of one-second blocks: keys are ended, they do not run out unnoticed.
KEY_LIFE_BLOCKS: Final = 1_000_000_000
ACTIVE: Final = "ACTIVE"
OPEN: Final = "OPEN"
EXPIRED: Final = "EXPIRED"
MIN_APPROVALS: Final = 2
GRANT_TYPE: Final = "(address,uint64,uint64,bytes)"


def grant(
    identity: Identity,
    role: str,
    *,
    member: int = 0,
    code: bytes = ZERO32,
    valid_from: int = 0,
    valid_to: int = KEY_LIFE_BLOCKS,
) -> KeyGrant:
    """Sign a key's own consent to its role (`KeyPossession`)."""
    if role not in ROLES:
        raise UsageError("ROLE_UNKNOWN", f"{role!r} is no role", help=", ".join(ROLES))
    signer = identity.keys.of_role(role)
    digest = identity.place.registry_domain.key_possession(
        member=member, code=code, role=ROLES[role], valid_from=valid_from, valid_to=valid_to
    )
    return KeyGrant(signer.address, role, valid_from, valid_to, signer.sign_digest(digest))


def code_hash(code: str) -> bytes:
    """Return keccak256 of a full member's public code: the target of its admission."""
    return keccak(code.encode())


def participant_commitment(code: str, salt: bytes) -> bytes:
    """Return a participant's salted commitment to its code, opened to counterparties only."""
    return hashlib.sha256(b"kanhe/participant/1" + salt + code.encode()).digest()


def admission_argument(code: str, admin: KeyGrant) -> bytes:
    """Return the argument of an ADMIT motion."""
    return encode(["string", GRANT_TYPE], [code, grant_tuple(admin)])


def grant_tuple(item: KeyGrant) -> tuple[str, int, int, bytes]:
    """Return a grant as the contracts take it."""
    return (item.address, item.valid_from, item.valid_to, item.signature)


def member_views(session: Session, own: int | None) -> tuple[MemberView, ...]:
    """Return every member, in order of number."""
    rows = session.execute(select(Member).order_by(Member.member)).scalars()
    return tuple(member_view(session, row, own) for row in rows)


def member_view(session: Session, row: Member, own: int | None) -> MemberView:
    """Return one member with its keys."""
    keys = session.execute(
        select(MemberKey)
        .where(MemberKey.member == row.member)
        .order_by(MemberKey.role, MemberKey.block_number, MemberKey.log_index)
    ).scalars()
    return MemberView(
        member=row.member,
        name=member_name(session, row.member),
        full=row.kind == "FULL",
        sponsor=row.sponsor,
        standing=row.state,
        code_text=row.code,
        ours=row.member == own,
        keys=tuple(
            KeyView(
                "0x" + key.address.hex(),
                key.role,
                key.state,
                key.valid_from,
                key.valid_to,
                key.compromised_since_s,
            )
            for key in keys
        ),
    )


def require_member_row(session: Session, member: int) -> Member:
    """Return a member's row; `UsageError` MEMBER_UNKNOWN."""
    row = session.get(Member, member)
    if row is None:
        raise UsageError(
            "MEMBER_UNKNOWN", f"no member {member} is known", help="see `kanhe member list`"
        )
    return row


def require_standing(session: Session, member: int) -> None:
    """Refuse a member that is unknown, suspended or revoked."""
    row = require_member_row(session, member)
    if row.state != ACTIVE:
        raise ProtocolError(
            f"MEMBER_{row.state}",
            f"{member_name(session, member)} (member {member}) is {row.state.lower()}",
            help="the full members decide by a motion; see `kanhe motion list`",
        )


def key_in_force(session: Session, identity: Identity, role: str) -> bool:
    """Say whether this node's key of a role counts in the next block."""
    row = session.get(MemberKey, address_bytes(identity.keys.of_role(role)))
    cursor = tip_of(session)
    if row is None or cursor is None or row.role != role or row.state == "CANCELLED":
        return False
    upcoming = cursor.head_block + 1
    return row.valid_from <= upcoming and (row.valid_to is None or upcoming <= row.valid_to)


def motion_views(session: Session) -> tuple[MotionView, ...]:
    """Return every motion, newest first."""
    rows = session.execute(
        select(Motion).order_by(Motion.block_number.desc(), Motion.log_index.desc())
    ).scalars()
    voters = [
        row.member
        for row in session.execute(
            select(Member).where(Member.kind == "FULL", Member.state == ACTIVE)
        ).scalars()
    ]
    cursor = tip_of(session)
    head = 0 if cursor is None else cursor.head_block
    return tuple(_motion_view(session, row, voters, head) for row in rows)


def motion_state(row: Motion, head_block: int) -> str:
    """Return OPEN, EXECUTED or EXPIRED (the last block in which it counts is behind)."""
    return EXPIRED if row.state == OPEN and head_block >= row.expires_at else row.state


def _motion_view(session: Session, row: Motion, voters: list[int], head_block: int) -> MotionView:
    target = int.from_bytes(row.target, "big") if row.action != "ADMIT" else None
    eligible = [member for member in voters if member != target]
    approvers = tuple(int(item) for item in row.approvers)
    approvals = sum(1 for member in approvers if member in eligible)
    passes = approvals >= MIN_APPROVALS and 3 * approvals > 2 * len(eligible)
    return MotionView(
        motion=row.motion,
        action=row.action,
        target=row.target,
        target_name=admitted_code(row) if target is None else member_name(session, target),
        proposer=row.proposer,
        approvers=approvers,
        approvals=approvals,
        eligible=len(eligible),
        passes=passes and motion_state(row, head_block) == OPEN,
        expires_at=row.expires_at,
        state=motion_state(row, head_block),
    )


def admitted_code(row: Motion) -> str:
    """Return the code that an ADMIT motion would admit, or the target's hash."""
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        code, _ = decode(["string", GRANT_TYPE], row.argument)
    except (DecodingError, UnicodeDecodeError, OverflowError):
        return row.target.hex()[:16]
    return str(code)
