"""Whose key an address is, by the registry as this node has read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from cryptography import x509
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from node.screening.consents import Trust
from node.tables import Cursor, Member, MemberKey

#: Roles whose signature speaks for a member off the ledger.
SPEAKING: Final = frozenset({"ADMIN", "POSTER", "APPROVER"})
_ACTIVE: Final = "ACTIVE"


class _Key(NamedTuple):
    member: int
    role: str
    state: str
    compromised_since_s: int | None
    valid_from: int
    valid_to: int
    owner: str | None
    head: int | None


_KEYS, _MEMBERS = MemberKey.__table__.c, Member.__table__.c
# A key, its owner's state and the newest block in one statement: every call between nodes asks.
_KEY: Final = (
    select(
        *(_KEYS[name] for name in _Key._fields[:-2]),
        _MEMBERS.state.label("owner"),
        select(Cursor.__table__.c.head_block).scalar_subquery().label("head"),
    )
    .outerjoin(Member.__table__, _MEMBERS.member == _KEYS.member)
    .where(_KEYS.address == bindparam("address"))
)
_STATE: Final = select(_MEMBERS.state).where(_MEMBERS.member == bindparam("member"))


def holds_key(
    session: Session, member: int, address: str, roles: Collection[str] = SPEAKING
) -> bool:
    """Say whether `address` (0x-hex) is a key of these roles that an active member holds now.

    A key counts from the newest block that this node has read; one that was said to be in other
    hands counts no more, whatever its last block.
    """
    key = _speaking(session, member, address, roles)
    if key is None or key.owner != _ACTIVE or key.head is None:
        return False
    return key.valid_from <= key.head <= key.valid_to


def held_key(session: Session, member: int, address: str) -> bool:
    """Say whether `address` ever was a speaking key of a member, whatever the member's state now.

    One that was said to be in other hands counts no more: nobody can tell what it signed when.
    """
    return _speaking(session, member, address, SPEAKING) is not None


def _speaking(session: Session, member: int, address: str, roles: Collection[str]) -> _Key | None:
    """Return a member's key of these roles, unless it was cancelled or is in other hands."""
    raw = bytes.fromhex(address.removeprefix("0x"))
    found = session.execute(_KEY, {"address": raw}).one_or_none()
    key = None if found is None else _Key._make(found)
    if key is None or key.member != member or key.role not in roles:
        return None
    return None if key.state == "CANCELLED" or key.compromised_since_s is not None else key


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
    return bool(session.scalar(_STATE, {"member": member}) == _ACTIVE)
