"""Tracing: who uploaded an entry, when, on what proof, and whether its signature holds.

What the ledger says is known of every entry. What the statement says is known to its uploader, and
to who read it by a lookup, a detail or a receipt. A signature is judged by the key's role in the
block in which the entry was posted: what became of the key later changes no verdict.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from node.agreements import member_name
from node.audits import openable_until_s
from node.blacklist import (
    Now,
    ballots_of,
    dispute_facts,
    dispute_profile,
    phase_now,
    profile_name,
    require_dispute,
    require_entry,
    state_of,
    suspension_of,
)
from node.listings import statement_of
from node.lookup_calls import LookupCalls
from node.screening.notices import notices_at, notices_of
from node.screening.profiles import profile_numbered
from node.screening.states import OVER, EntryState, due_s, suspends_s
from node.services.screening.base import Base
from node.services.screening.checking import checks_of, signer_of
from node.services.screening.consent_views import consent_chain
from node.services.screening.custody_views import custody_of, releases_of
from node.services.screening.moves import dispute_moves, entry_moves, role_of
from node.services.screening.telling import history_of
from node.services.screening.views import (
    DisputeView,
    EntryView,
    TraceView,
)
from node.tables import (
    DeletionCertificate,
    Dispute,
    Erasure,
    ListedEntry,
    Member,
    OwnListing,
    Recall,
)
from reconcile.model import UsageError

MAX_PAGE: Final = 500
WAITING: Final = "WAITING"
REFUSED: Final = "REFUSED"
TAKEN: Final = "TAKEN"
_MAYBE_SUSPENDED: Final = frozenset({EntryState.SUSPENDED, EntryState.EXPIRED})


class TracingActs(Base):
    """Reading entries, their origin and their disputes."""

    # ------------------------------------------------------------------------- entries
    def entries(
        self, *, ours: bool = True, after: str | None = None, limit: int = 50
    ) -> tuple[list[EntryView], str | None]:
        """Return entries, newest first, and the cursor of the next page; ours, or everybody's.

        Own ones that wait for the ledger, or that it refused, come first. Raises `UsageError`
        CURSOR_MALFORMED.
        """
        limit = min(limit, MAX_PAGE)
        with self._reading() as session:
            member, now = self._identity.require_member(session), self._now(session)
            found = select(ListedEntry)
            if ours:
                found = found.where(ListedEntry.uploader == member)
            if after is not None:
                found = found.where(_before(after))
            newest = (ListedEntry.block_number.desc(), ListedEntry.log_index.desc())
            rows = session.scalars(found.order_by(*newest).limit(limit + 1)).all()
            views = [self._view(session, row, member, now) for row in rows[:limit]]
            if ours and after is None:
                views = [*self._unposted(session, member, limit), *views]
            last = rows[limit - 1] if len(rows) > limit else None
            return views, None if last is None else f"{last.block_number}.{last.log_index}"

    def _view(self, session: Session, row: ListedEntry, member: int, now: Now) -> EntryView:
        said = statement_of(session, row.entry)
        own = session.get(OwnListing, row.entry)
        state = state_of(session, row, now)
        ended = suspension_of(session, row, now) if state in _MAYBE_SUSPENDED else None
        return EntryView(
            entry=row.entry,
            uploader=row.uploader,
            name=member_name(session, row.uploader),
            state=state.name,
            profile=profile_name(row.profile),
            posted_at_s=row.posted_at_s,
            effective_day=row.effective_day,
            expires_day=row.expires_day,
            ends_day=row.ends_day if ended is None else ended.last_day,
            suspended_s=None if ended is None else ended.since_s,
            reason=None if said is None else str(said[0].reason),
            product=None if said is None else str(said[0].product),
            ours=row.uploader == member,
            erased=own is not None and own.erased_at_ms is not None,
        )

    def _unposted(self, session: Session, member: int, limit: int) -> list[EntryView]:
        """Return own listings that are not ours on the ledger: they wait, or were refused."""
        own = (ListedEntry.entry == OwnListing.entry) & (ListedEntry.uploader == member)
        rows = session.scalars(
            select(OwnListing)
            .where(~select(ListedEntry.entry).where(own).exists())
            .order_by(OwnListing.listed_at_ms.desc())
            .limit(limit)
        ).all()
        return [self._unposted_view(session, row, member) for row in rows]

    def _unposted_view(self, session: Session, row: OwnListing, member: int) -> EntryView:
        said = statement_of(session, row.entry)
        refusal = self._calls.refusal(session, self._calls.list_subject(row.entry))
        state = WAITING if refusal is None else REFUSED
        if session.get(ListedEntry, row.entry) is not None:
            # Somebody saw our id in the pool and was faster; it must be listed under another.
            state, refusal = TAKEN, ("ENTRY_EXISTS", "another member took this id first")
        return EntryView(
            entry=row.entry,
            uploader=member,
            name=member_name(session, member),
            state=state,
            profile=None if said is None else said[0].policy,
            posted_at_s=None,
            effective_day=0 if said is None else said[0].effective_from,
            expires_day=0 if said is None else said[0].expires_at,
            ends_day=0 if said is None else said[0].expires_at,
            reason=None if said is None else str(said[0].reason),
            product=None if said is None else str(said[0].product),
            ours=True,
            erased=row.erased_at_ms is not None,
            refusal=refusal,
        )

    # ------------------------------------------------------------------------- one entry
    def trace(self, entry: bytes) -> TraceView:
        """Return where an entry comes from; `NotFound` ENTRY_UNKNOWN."""
        with self._reading() as session:
            member, now = self._identity.require_member(session), self._now(session)
            row = require_entry(session, entry)
            said = statement_of(session, entry)
            listing = None if said is None else said[0]
            uploader = session.get(Member, row.uploader)
            opened = select(func.count(), func.count(Recall.acknowledged_at_s))
            recalls = session.execute(opened.where(Recall.entry == entry)).one()
            return TraceView(
                entry=self._view(session, row, member, now),
                code_text=None if uploader is None else uploader.code,
                commitment=row.commitment,
                stage=row.stage,
                stake_held=row.stake_held,
                notify=notices_of(profile_numbered(row.profile)),
                notice_day=row.notice_day,
                notice_hash=None if listing is None else listing.notice_hash,
                proof_level=None if listing is None else listing.proof_level.name,
                evidence_root=None if listing is None else listing.evidence_root,
                statement=None if listing is None else listing.to_json(),
                signer=None if said is None else signer_of(*said),
                supersedes=row.supersedes,
                superseded_by=tuple(_superseded_by(session, entry)),
                erased_from_s=_erased_from_s(session, row, member, now),
                tx_hash=row.tx_hash,
                block=row.block_number,
                checks=checks_of(session, self._ring, row, said),
                consents=tuple(consent_chain(session, LookupCalls(self._identity), row, member)),
                history=history_of(session, row, now),
                disputes=self._disputes(session, Dispute.entry == entry, member, now),
                recalls=(recalls[0], recalls[1]),
                certificates=tuple(_certificates(session, entry)),
                releases=tuple(releases_of(session, entry)),
                custody=custody_of(session, entry),
                moves=entry_moves(session, self._calls, row, member, now),
            )

    # ------------------------------------------------------------------------- disputes
    def disputes(self, *, ours: bool = False, everything: bool = False) -> tuple[DisputeView, ...]:
        """Return open disputes, or all, oldest first; `ours`: those in which we have a part."""
        with self._reading() as session:
            member, now = self._identity.require_member(session), self._now(session)
            which: ColumnElement[bool] = Dispute.dispute > 0
            if not everything:
                which = Dispute.outcome.is_(None)
            found = self._disputes(session, which, member, now)
            return tuple(view for view in found if view.role or not ours)

    def dispute(self, dispute: int) -> DisputeView:
        """Return one dispute; `NotFound` DISPUTE_UNKNOWN."""
        with self._reading() as session:
            member, now = self._identity.require_member(session), self._now(session)
            return self._dispute_view(session, require_dispute(session, dispute), member, now)

    def _disputes(
        self, session: Session, which: ColumnElement[bool], member: int, now: Now
    ) -> tuple[DisputeView, ...]:
        rows = session.scalars(select(Dispute).where(which).order_by(Dispute.dispute)).all()
        return tuple(self._dispute_view(session, row, member, now) for row in rows)

    def _dispute_view(self, session: Session, row: Dispute, member: int, now: Now) -> DisputeView:
        facts, profile = dispute_facts(session, row), dispute_profile(session, row)
        phase = phase_now(session, row, now)
        role = role_of(session, row, member)
        cast = ballots_of(session, row.dispute)
        moves, asked = dispute_moves(session, self._calls, row, member, now)
        return DisputeView(
            dispute=row.dispute,
            entry=row.entry,
            by=row.by,
            target=row.target,
            by_person=row.by_person,
            phase=phase.name,
            opened_at_s=row.opened_at_s,
            due_s=due_s(facts, profile, now.time_s),
            suspends_s=suspends_s(facts, profile),
            extended=row.extended,
            answer=row.answer,
            answered_at_s=row.answered_at_s,
            contested_at_s=row.contested_at_s,
            contested_by=row.contested_by,
            contest_staked=row.contest_staked,
            panel=facts.panel,
            seats=facts.seats,
            ballots=tuple((who, item.verdict) for who, item in sorted(cast.items())),
            outcome=row.outcome,
            settled_at_s=row.settled_at_s,
            role=role,
            moves=moves,
            asked=asked,
            notify=notices_at(profile, phase, row.outcome),
            grounds=row.grounds,
            answer_hash=row.answer_hash,
            tx_hash=row.tx_hash,
        )


def _before(after: str) -> ColumnElement[bool]:
    block, _, index = after.partition(".")
    if not (block.isascii() and block.isdigit() and index.isascii() and index.isdigit()):
        raise UsageError("CURSOR_MALFORMED", "the cursor is none that was given", help="start anew")
    number = int(block[:18])
    same = (ListedEntry.block_number == number) & (ListedEntry.log_index < int(index[:9]))
    return (ListedEntry.block_number < number) | same


def _superseded_by(session: Session, entry: bytes) -> list[bytes]:
    found = select(ListedEntry.entry).where(ListedEntry.supersedes == entry)
    return list(session.scalars(found.order_by(ListedEntry.posted_at_s)))


def _certificates(session: Session, entry: bytes) -> list[tuple[int, bytes, bytes]]:
    found = select(DeletionCertificate).where(DeletionCertificate.entry == entry)
    rows = session.scalars(found.order_by(DeletionCertificate.member))
    return [(row.member, row.certificate, row.tx_hash) for row in rows]


def _erased_from_s(session: Session, row: ListedEntry, member: int, now: Now) -> int | None:
    """Return until when an own entry that is over is kept for audits, where it is to be erased."""
    wish = session.get(Erasure, row.entry)
    waits = wish is not None and wish.hash is None and row.uploader == member
    over = waits and state_of(session, row, now) in OVER
    return openable_until_s(session, row) if over else None
