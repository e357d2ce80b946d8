"""Whose key an address is, by the registry as this node has read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from cryptography import x509
from sqlalchemy.orm import Session

from node.screening.consents import Trust
from node.tables import Member, MemberKey
from node.tables.tip import tip_of

#: Roles whose signature speaks for a member off the ledger.
SPEAKING: Final = frozenset({"ADMIN", "POSTER", "APPROVER"})
_ACTIVE: Final = "ACTIVE"


def holds_key(
    session: Session, member: int, address: str, roles: Collection[str] = SPEAKING
) -> bool:
    """Say whether `address` (0x-hex) is a key of these roles that an active member holds now.

    A key counts from the newest block that this node has read; one that was said to be in other
    hands counts no more, whatever its last block.
    """
    row = session.get(MemberKey, bytes.fromhex(address.removeprefix("0x")))
    if row is None or row.member != member or row.role not in roles:
        return False
    if row.state == "CANCELLED" or row.compromised_since_s is not None:
        return False
    owner = session.get(Member, member)
    cursor = tip_of(session)
    if owner is None or owner.state != _ACTIVE or cursor is None:
        return False
    return row.valid_from <= cursor.head_block <= row.valid_to


def held_key(session: Session, member: int, address: str) -> bool:
    """Say whether `address` ever was a speaking key of a member, whatever the member's state now.

    One that was said to be in other hands counts no more: nobody can tell what it signed when.
    """
    row = session.get(MemberKey, bytes.fromhex(address.removeprefix("0x")))
    if row is None or row.member != member or row.role not in SPEAKING:
        return False
    return row.state != "CANCELLED" and row.compromised_since_s is None


def key_check(session: Session) -> Callable[[int, str], bool]:
    """Return the question whose key an address is, over this session; each is asked once."""
    known: dict[tuple[int, str], bool] = {}

    def check(member: int, key: str) -> bool:
        found = known.get((member, key))
        if found is None:
            found = known[member, key] = holds_key(session, member, key)
        return found

    return check


def trust_of(session: Session, authorities: Sequence[x509.Certificate]) -> Trust:
    """Return whom a node believes: members' keys by its registry rows, and these authorities."""
    return Trust(
        key_check(session),
        tuple(authorities),
        was_key_of=lambda member, key: held_key(session, member, key),
    )


def is_active(session: Session, member: int) -> bool:
    """Say whether a member stands as active in the registry."""
    row = session.get(Member, member)
    return row is not None and row.state == _ACTIVE
