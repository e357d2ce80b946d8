"""What every service asks about an agreement: the parties, our sides, the terms in force.

Reads only; the rows follow from the chain (`node.projections`) and from terms this node opened.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.tables import (
    Agreement,
    AgreementTerms,
    Closing,
    Member,
    PartyName,
    TermsDocument,
)
from node.tables.tip import tip_of
from reconcile.model import AgreementKind, OutsideError, ProtocolError, Side, UsageError
from reconcile.terms import Terms, parse_terms

OPENED: Final = "OPENED"
ACTIVE: Final = "ACTIVE"
ENDING: Final = "ENDING"
ENDED: Final = "ENDED"
IN_FORCE: Final = "IN_FORCE"
MIN_PREFIX: Final = 6
ID_HEX: Final = 64
# What a name's subject begins with where it names an agreement.
NAMED: Final = "agreement/"
# A party that keeps no node is member 0 on the ledger.
REPRESENTED_MEMBER: Final = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """One agreement as a service needs it. `sides` are those this member posts for."""

    agreement: bytes
    kind: AgreementKind
    servicer: int
    owner: int
    observers: tuple[int, ...]
    represented: Side | None
    terms_hash: bytes
    utc_offset_min: int
    state: str
    sides: tuple[Side, ...]

    @property
    def our_side(self) -> Side | None:
        """Return the side this member is itself, or None for an observer."""
        own = [side for side in self.sides if side is not self.represented]
        return own[0] if own else None

    @property
    def parties(self) -> tuple[int, int]:
        """Return the members of both sides, servicer first; 0 for a represented one."""
        return (self.servicer, self.owner)

    def member_of(self, side: Side) -> int:
        """Return which member acts for a side: its party, else the representative."""
        party = self.parties[side]
        return party if party != REPRESENTED_MEMBER else self.parties[side.other]


def facts_of(session: Session, agreement: bytes, member: int | None) -> Facts:
    """Return an agreement's facts; `UsageError` AGREEMENT_UNKNOWN."""
    row = session.get(Agreement, agreement)
    if row is None:
        raise UsageError(
            "AGREEMENT_UNKNOWN",
            f"no agreement {agreement.hex()[:16]}… is known here",
            help="see `kanhe agreement list`; a new one appears once its block is read",
        )
    return _facts(row, member)


def all_facts(session: Session, member: int | None) -> tuple[Facts, ...]:
    """Return every agreement this node knows, in the order of their opening."""
    rows = session.execute(
        select(Agreement).order_by(Agreement.block_number, Agreement.log_index)
    ).scalars()
    return tuple(_facts(row, member) for row in rows)


def _facts(row: Agreement, member: int | None) -> Facts:
    represented = None if row.represented_side is None else Side(row.represented_side)
    parties = (row.servicer, row.owner)
    sides = [
        side
        for side in Side
        if member is not None
        and (parties[side] == member or (side is represented and parties[side.other] == member))
    ]
    return Facts(
        agreement=row.agreement,
        kind=AgreementKind(row.kind),
        servicer=row.servicer,
        owner=row.owner,
        observers=tuple(int(item) for item in row.observers),
        represented=represented,
        terms_hash=row.terms_hash,
        utc_offset_min=row.utc_offset_min,
        state=row.state,
        sides=tuple(sides),
    )


def require_side(facts: Facts, side: Side | None) -> Side:
    """Return the side to act for: the given one if it is ours, else our own.

    Raises `UsageError` NOT_AGREEMENT_PARTY.
    """
    chosen = facts.our_side if side is None else side
    if chosen is None or chosen not in facts.sides:
        raise UsageError(
            "NOT_AGREEMENT_PARTY",
            "this member posts for "
            + (" and ".join(item.word for item in facts.sides) or "no side")
            + f" of agreement {facts.agreement.hex()[:16]}…",
            help="only a party or the representative of a side may do this",
        )
    return chosen


def require_active(facts: Facts) -> None:
    """Refuse an agreement on which nothing can be posted; `OutsideError` AGREEMENT_NOT_ACTIVE."""
    if facts.state not in {ACTIVE, ENDING}:
        raise OutsideError(
            "AGREEMENT_NOT_ACTIVE",
            f"agreement {facts.agreement.hex()[:16]}… is {facts.state.lower()}",
            help="it takes records once both sides have accepted it",
        )


def require_standing(session: Session, member: int | None) -> None:
    """Refuse what the ledger would refuse for ever so long; `ProtocolError` MEMBER_SUSPENDED."""
    row = None if member is None else session.get(Member, member)
    if row is not None and row.state != ACTIVE:
        raise ProtocolError(
            f"MEMBER_{row.state}",
            f"member {member}, this node, is {row.state.lower()}: the ledger takes nothing from it",
            help="the full members decide by a motion; see `kanhe motion list`",
        )


def member_name(session: Session, member: int) -> str:
    """Return what this node calls a member."""
    if member == 0:
        return "represented"
    row = session.get(PartyName, f"member/{member}")
    if row is not None:
        return row.name
    known = session.get(Member, member)
    return known.code if known is not None and known.code else f"member {member}"


def _named(session: Session) -> dict[bytes, str]:
    """Return what this node calls its agreements."""
    rows = session.execute(select(PartyName).where(PartyName.subject.startswith(NAMED)))
    return {bytes.fromhex(row.subject.removeprefix(NAMED)): row.name for row in rows.scalars()}


def find_agreement(session: Session, text: str) -> bytes:
    """Return the agreement that an id, a local name or the beginning of either means.

    Of an id at least `MIN_PREFIX` hexadecimal digits, of a name any, in either case. Raises
    `UsageError` AGREEMENT_UNKNOWN or AGREEMENT_AMBIGUOUS.
    """
    ids = session.execute(select(Agreement.agreement)).scalars().all()
    wanted = text.lower().removeprefix("0x")
    named = _named(session)
    found = {item for item in ids if item.hex() == wanted}
    if not found:
        found = {item for item in ids if named.get(item) == text}
    if not found and text:
        # The beginning of an id is long enough not to be hit by chance.
        by_id = len(wanted) >= MIN_PREFIX
        found = {
            item
            for item in ids
            if (by_id and item.hex().startswith(wanted))
            or named.get(item, "").lower().startswith(text.lower())
        }
    if len(found) == 1:
        return found.pop()
    code = "AGREEMENT_AMBIGUOUS" if found else "AGREEMENT_UNKNOWN"
    said = f"{text!r} means {len(found)} agreements" if found else f"no agreement is {text!r}"
    more = f"give more of the name, or {MIN_PREFIX} digits of the id or more"
    raise UsageError(code, said, help=f"{more}; see `kanhe agreement list`")


def terms_hash_at(session: Session, agreement: bytes, window: int | None) -> bytes:
    """Return the hash of the terms that rule a window (None: the newest in force)."""
    query = select(AgreementTerms.terms_hash).where(
        AgreementTerms.agreement == agreement, AgreementTerms.state == IN_FORCE
    )
    if window is not None:
        query = query.where(AgreementTerms.from_window <= window)
    query = query.order_by(AgreementTerms.from_window.desc(), AgreementTerms.id.desc()).limit(1)
    found = session.execute(query).scalar_one_or_none()
    if found is not None:
        return found
    row = session.get(Agreement, agreement)
    if row is None:
        raise UsageError("AGREEMENT_UNKNOWN", f"no agreement {agreement.hex()[:16]}… is known here")
    return row.terms_hash


def terms_at(session: Session, agreement: bytes, window: int | None = None) -> Terms:
    """Return the terms that rule a window; `ProtocolError` TERMS_NOT_OPENED."""
    return terms_by_hash(session, terms_hash_at(session, agreement, window))


def terms_by_hash(session: Session, terms_hash: bytes) -> Terms:
    """Return terms in clear by their hash; `ProtocolError` TERMS_NOT_OPENED."""
    row = session.get(TermsDocument, terms_hash)
    if row is None:
        raise ProtocolError(
            "TERMS_NOT_OPENED",
            f"the terms {terms_hash.hex()[:16]}… are not known in clear",
            help="they are opened with the general sealing key; restore it if it was lost",
        )
    return _parsed(row.body)


@lru_cache(maxsize=64)
def _parsed(body: bytes) -> Terms:
    return parse_terms(body)


def final_block(session: Session) -> int:
    """Return up to which block rows are final; -1 before the first."""
    row = tip_of(session)
    return -1 if row is None else row.final_block


def last_closing(session: Session, agreement: bytes, side: Side) -> Closing | None:
    """Return a side's last closing, final or not."""
    return session.execute(
        select(Closing)
        .where(Closing.agreement == agreement, Closing.side == side)
        .order_by(Closing.window.desc())
        .limit(1)
    ).scalar_one_or_none()
