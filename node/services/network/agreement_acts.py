"""Acts on agreements and their terms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from sqlalchemy import select

from node.agreements import (
    ACTIVE,
    facts_of,
    find_agreement,
    require_side,
    terms_at,
    terms_by_hash,
    terms_hash_at,
)
from node.services.network import agreements as agreed
from node.services.network import members as who
from node.services.network.base import Base
from node.services.network.views import AgreementView, TermsView
from node.tables import AgreementTerms
from reconcile.model import ZERO32, AgreementKind, ProtocolError, UsageError
from reconcile.terms import Terms

DEFAULT_AFTER_DAYS: Final = 5


class AgreementActs(Base):
    """Opening, accepting, changing and ending agreements; reading them and their terms."""

    def open_agreement(
        self,
        kind: AgreementKind,
        *,
        servicer: int,
        owner: int,
        terms: Terms,
        label: str,
        observers: Sequence[int] = (),
        represented_side: int = agreed.NOBODY,
        party_commitment: bytes = ZERO32,
        default_after_days: int = DEFAULT_AFTER_DAYS,
        utc_offset_min: int | None = None,
        predecessor: bytes = ZERO32,
        actor: str = "node",
    ) -> bytes:
        """Open an agreement with our approver's signature; return its id, known at once."""
        with self._writing() as session:
            member = self._identity.require_member(session)
            if member not in {servicer, owner}:
                raise UsageError(
                    "NOT_AGREEMENT_PARTY",
                    "an agreement is opened by one of its parties",
                    help=f"this node is member {member}",
                )
            for item in {servicer, owner, *observers} - {0}:
                who.require_standing(session, item)
            now_ms = self._identity.clock()
            digest = agreed.keep_terms(session, terms, now_ms=now_ms)
            people = (servicer, owner, *observers)
            opening = (
                int(kind),
                servicer,
                owner,
                list(observers),
                digest,
                terms.greatest_offset_min if utc_offset_min is None else utc_offset_min,
                default_after_days,
                represented_side,
                party_commitment,
                predecessor,
                agreed.sealed_for(session, terms, people, self._identity.place),
                agreed.opening_nonce(self._identity, label, now_ms),
            )
            agreement = agreed.agreement_id(self._identity.place, opening)
            signature = agreed.approve_terms(self._identity, agreement, digest, 0, observers)
            self._calls.open_agreement(session, agreement, (*opening, signature))
            self._put_name(session, f"agreement/{agreement.hex()}", label, None)
            self._act(session, actor, "agreement-open", agreement.hex(), terms=digest.hex())
            return agreement

    def accept_agreement(
        self, agreement: bytes, *, terms_hash: bytes | None = None, actor: str = "node"
    ) -> int:
        """Accept an opened agreement: its terms must be readable here, and be those named."""
        with self._writing() as session:
            facts = facts_of(session, agreement, self._identity.require_member(session))
            require_side(facts, None)
            if facts.state == ACTIVE:
                raise UsageError(
                    "AGREEMENT_ACTIVE",
                    f"agreement {agreement.hex()[:16]}… was accepted already",
                    help="for new terms use `kanhe terms accept`",
                )
            self._require_hash(facts.terms_hash, terms_hash)
            terms_by_hash(session, facts.terms_hash)
            signature = agreed.approve_terms(
                self._identity, agreement, facts.terms_hash, 0, facts.observers
            )
            intent = self._calls.accept(session, agreement, facts.terms_hash, signature)
            self._act(
                session, actor, "agreement-accept", agreement.hex(), terms=facts.terms_hash.hex()
            )
            return intent

    def end_agreement(self, agreement: bytes, last_window: int, *, actor: str = "node") -> int:
        """End an agreement after a window; the other side agrees, or notice runs."""
        with self._writing() as session:
            facts = facts_of(session, agreement, self._identity.require_member(session))
            require_side(facts, None)
            signature = self._identity.keys.approver.sign_digest(
                self._identity.place.ledger_domain.end(agreement=agreement, last_window=last_window)
            )
            intent = self._calls.end(session, agreement, last_window, signature)
            self._act(
                session, actor, "agreement-end", agreement.hex(), last_window=str(last_window)
            )
            return intent

    def propose_terms(
        self,
        agreement: bytes,
        terms: Terms,
        from_window: int,
        *,
        observers: Sequence[int] | None = None,
        actor: str = "node",
    ) -> int:
        """Propose new terms from a window on."""
        with self._writing() as session:
            facts = facts_of(session, agreement, self._identity.require_member(session))
            require_side(facts, None)
            people = facts.observers if observers is None else tuple(observers)
            digest = agreed.keep_terms(session, terms, now_ms=self._identity.clock())
            sealed = agreed.sealed_for(
                session, terms, (*facts.parties, *people), self._identity.place
            )
            signature = agreed.approve_terms(self._identity, agreement, digest, from_window, people)
            args = (agreement, digest, from_window, list(people), sealed, signature)
            intent = self._calls.propose_terms(session, agreement, args)
            self._act(session, actor, "terms-propose", agreement.hex(), terms=digest.hex())
            return intent

    def accept_terms(self, agreement: bytes, terms_hash: bytes, *, actor: str = "node") -> int:
        """Accept terms the other side proposed."""
        with self._writing() as session:
            facts = facts_of(session, agreement, self._identity.require_member(session))
            require_side(facts, None)
            row = session.execute(
                select(AgreementTerms)
                .where(
                    AgreementTerms.agreement == agreement,
                    AgreementTerms.terms_hash == terms_hash,
                    AgreementTerms.state == "PROPOSED",
                )
                .order_by(AgreementTerms.id.desc())
                .limit(1)
            ).scalar_one_or_none()
            if row is None:
                raise UsageError(
                    "NOTHING_PROPOSED",
                    f"terms {terms_hash.hex()[:16]}… are not proposed",
                    help="see `kanhe terms show`",
                )
            terms_by_hash(session, terms_hash)
            observers = tuple(int(item) for item in row.observers)
            signature = agreed.approve_terms(
                self._identity, agreement, terms_hash, row.from_window, observers
            )
            intent = self._calls.accept(session, agreement, terms_hash, signature)
            self._act(session, actor, "terms-accept", agreement.hex(), terms=terms_hash.hex())
            return intent

    def _require_hash(self, stands: bytes, given: bytes | None) -> None:
        if given is not None and given != stands:
            raise ProtocolError(
                "TERMS_MISMATCH",
                f"the agreement names terms {stands.hex()[:16]}…, not {given.hex()[:16]}…",
                help="look at them again: `kanhe terms show`",
            )

    def agreements(self) -> tuple[AgreementView, ...]:
        """Return every agreement this node sees."""
        with self._reading() as session:
            return agreed.agreement_views(session, self._identity.member(session))

    def agreement(self, agreement: bytes) -> AgreementView:
        """Return one agreement; `UsageError` AGREEMENT_UNKNOWN."""
        with self._reading() as session:
            return agreed.agreement_view(session, agreement, self._identity.member(session))

    def find_agreement(self, text: str) -> AgreementView:
        """Return the agreement that an id, its beginning or a local name means."""
        with self._reading() as session:
            found = find_agreement(session, text)
            return agreed.agreement_view(session, found, self._identity.member(session))

    def terms_of(self, agreement: bytes, window: int | None = None) -> Terms:
        """Return the terms that rule a window (None: the newest in force)."""
        with self._reading() as session:
            return terms_at(session, agreement, window)

    def terms_hash_of(self, agreement: bytes, window: int | None = None) -> bytes:
        """Return the hash of the terms that rule a window."""
        with self._reading() as session:
            return terms_hash_at(session, agreement, window)

    def terms_list(self, agreement: bytes) -> tuple[TermsView, ...]:
        """Return an agreement's terms, in force and proposed, newest first."""
        with self._reading() as session:
            return agreed.terms_views(session, agreement)

    def terms_in_clear(self, terms_hash: bytes) -> Terms:
        """Return terms by their hash; `ProtocolError` TERMS_NOT_OPENED."""
        with self._reading() as session:
            return terms_by_hash(session, terms_hash)
