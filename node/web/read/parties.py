"""Agreements and members with the names this institution knows them by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.agreements import Facts, all_facts, terms_at
from node.errors import NotFound
from node.tables import Member, PartyName
from reconcile.model import AgreementKind, KanheError, Side
from reconcile.terms import Terms

SHORT_HEX = 16


@dataclass(frozen=True, slots=True)
class AgreementView:
    """One agreement as the desk shows it; `names` are the servicer's and the owner's."""

    facts: Facts
    label: str
    account: str | None
    names: tuple[str, str]

    @property
    def agreement(self) -> bytes:
        """Return the agreement's id."""
        return self.facts.agreement

    @property
    def short(self) -> str:
        """Return the beginning of the id, as it stands in addresses of pages."""
        return self.facts.agreement.hex()[:SHORT_HEX]

    @property
    def kind(self) -> AgreementKind:
        """Return the relation that is reconciled."""
        return self.facts.kind

    @property
    def ours(self) -> Side | None:
        """Return the reader's side, None for an observer."""
        return self.facts.our_side

    @property
    def counterparty(self) -> str:
        """Return the other side's name, or both names for an observer."""
        if self.ours is None:
            return " – ".join(self.names)
        return self.names[self.ours.other]


@dataclass(frozen=True, slots=True)
class Names:
    """Local names: of members by number, of agreements by id."""

    members: Mapping[int, str]
    agreements: Mapping[bytes, tuple[str, str | None]]

    def member(self, number: int) -> str:
        """Return a member's name, `member 3` where none is known, a dash for no member."""
        if number == 0:
            return "–"
        return self.members.get(number, f"member {number}")


def load_names(session: Session, own: tuple[int | None, str] = (None, "")) -> Names:
    """Return every local name; a full member without one is called by its public code.

    `own` is this institution's member number and name.
    """
    members = {
        number: code for number, code in session.execute(select(Member.member, Member.code)) if code
    }
    if own[0] is not None:
        members[own[0]] = own[1]
    agreements: dict[bytes, tuple[str, str | None]] = {}
    for row in session.scalars(select(PartyName)):
        kind, _, rest = row.subject.partition("/")
        if kind == "member" and rest.isdecimal():
            members[int(rest)] = row.name
        elif kind == "agreement":
            agreements[bytes.fromhex(rest)] = (row.name, row.account_masked)
    return Names(members, agreements)


def load_agreements(session: Session, member: int | None, name: str) -> tuple[AgreementView, ...]:
    """Return the agreements this member is a party or observer of, in the order of opening.

    The ledger shows that others exist; a desk has nothing to do there.
    """
    names = load_names(session, (member, name))
    return tuple(
        _view(facts, names, member)
        for facts in all_facts(session, member)
        if facts.sides or member in facts.observers
    )


def _view(facts: Facts, names: Names, member: int | None) -> AgreementView:
    parties = (names.member(facts.servicer), names.member(facts.owner))
    fallback = parties[0] if member == facts.owner else parties[1]
    label, account = names.agreements.get(facts.agreement, (fallback, None))
    return AgreementView(facts, label, account, parties)


def find_agreement(session: Session, member: int | None, name: str, text: str) -> AgreementView:
    """Return the agreement that a page's address means; NotFound AGREEMENT_UNKNOWN."""
    found = [
        item
        for item in load_agreements(session, member, name)
        if item.agreement.hex().startswith(text.lower())
    ]
    if len(found) != 1 or len(text) < SHORT_HEX:
        raise NotFound(
            "AGREEMENT_UNKNOWN",
            f"no agreement begins with {text[:SHORT_HEX]!r}",
            help="choose one from the list of agreements",
        )
    return found[0]


def terms_of(session: Session, agreement: bytes, window: int | None = None) -> Terms | None:
    """Return the terms that rule a window, or None where this node has not opened them."""
    try:
        return terms_at(session, agreement, window)
    except KanheError:
        return None
