"""Whose key an address is, by the registry as this node has read it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, NamedTuple

from cryptography import x509
from eth_utils.address import to_checksum_address
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from node.errors import NotAllowed
from node.screening.consents import Trust
from node.snapshots import remembered
from node.tables import Cursor, Member, MemberKey

#: Roles whose signature speaks for a member off the ledger. What binds it, its approver signs:
#: the key that posts lies open to the node all day, and the administrator's has its own purpose.
SPEAKING: Final = frozenset({"APPROVER"})
_ACTIVE: Final = "ACTIVE"
_CANCELLED: Final = "CANCELLED"


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
_SPEAKING_NOW: Final = (
    select(_KEYS.member, _KEYS.address)
    .join(Member.__table__, _MEMBERS.member == _KEYS.member)
    .join(Cursor.__table__, Cursor.__table__.c.head_block.between(_KEYS.valid_from, _KEYS.valid_to))
    .where(
        _KEYS.member.in_(bindparam("members", expanding=True)),
        _KEYS.role.in_(sorted(SPEAKING)),
        _KEYS.state != _CANCELLED,
        _KEYS.compromised_since_s.is_(None),
        _MEMBERS.state == _ACTIVE,
    )
)
_KIND: Final = select(_MEMBERS.kind).where(_MEMBERS.member == bindparam("member"))
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


def was_key(session: Session, member: int, address: str) -> bool:
    """Say whether `address` ever was a speaking key of a member, whatever became of it since.

    For words that were given once and for all, as a settlement's countersignatures: a key that is
    reported lost later takes back nothing that others were given on its word.
    """
    key = _key_of(session, member, address, SPEAKING)
    return key is not None and key.state != _CANCELLED


def speaking_keys(session: Session, members: Collection[int]) -> frozenset[tuple[int, str]]:
    """Return the keys (member, address) that speak for these members from the newest block on."""

    def ask() -> frozenset[tuple[int, str]]:
        rows = session.execute(_SPEAKING_NOW, {"members": sorted(members)})
        return frozenset((row.member, to_checksum_address(row.address)) for row in rows)

    return remembered(session, ("speaking", *sorted(members)), ask)


def _speaking(session: Session, member: int, address: str, roles: Collection[str]) -> _Key | None:
    """Return a member's key of these roles, unless it was cancelled or is in other hands."""
    key = _key_of(session, member, address, roles)
    if key is None or key.state == _CANCELLED or key.compromised_since_s is not None:
        return None
    return key


def _key_of(session: Session, member: int, address: str, roles: Collection[str]) -> _Key | None:
    """Return a member's key of these roles, whatever became of it."""
    key = remembered(session, ("key", address), lambda: _read_key(session, address))
    return None if key is None or key.member != member or key.role not in roles else key


def _read_key(session: Session, address: str) -> _Key | None:
    raw = bytes.fromhex(address.removeprefix("0x"))
    found = session.execute(_KEY, {"address": raw}).one_or_none()
    return None if found is None else _Key._make(found)


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
        may_certify=lambda member: is_full(session, member),
    )


def is_full(session: Session, member: int) -> bool:
    """Say whether a member is a full one; participants are sponsored without anybody's vote."""
    kind = ("kind", member)
    return remembered(session, kind, lambda: session.scalar(_KIND, {"member": member})) == "FULL"


def require_full(session: Session, member: int) -> None:
    """Refuse what full members alone do in the blacklist: `NotAllowed` NOT_FULL_MEMBER."""
    if not is_full(session, member):
        raise NotAllowed(
            "NOT_FULL_MEMBER",
            f"member {member} is a participant: points, listings and disputes are full members'",
            help="ask the member that sponsors it to act",
        )


def is_active(session: Session, member: int) -> bool:
    """Say whether a member stands as active in the registry."""
    state = ("state", member)
    return remembered(session, state, lambda: session.scalar(_STATE, {"member": member})) == _ACTIVE
