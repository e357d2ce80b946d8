"""Listing: a statement is checked, committed, signed, kept and ticketed in one SQL transaction.

What stands after a crash, by line: before the commit nothing; after it the listing, sealed, and the
intent that posts its ticket, which the relay sends. The command repeated is refused by the
listing's fingerprint and names the entry that stands.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.blacklist import Now, require_entry, state_of
from node.errors import Conflict, NotAllowed
from node.listings import (
    fingerprint_of,
    keep_listing,
    open_listing,
    same_matter,
)
from node.screening.envelope import LISTING_TYPE, sign_envelope
from node.screening.identifiers import Identifier
from node.screening.listings import SALT_BYTES, Listing, check_listing, committed
from node.screening.points import LISTING_STAKE
from node.screening.records import OpenedRecord
from node.screening.states import CHALLENGE_WINDOW_S, DAY_S, OVER, EntryState, Stage
from node.services.screening.agreeing import AgreeingActs, Agreement
from node.services.screening.purse import spend
from node.services.screening.tagging import tags_due
from node.tables import KeyEpoch, ListedEntry
from reconcile.commitment.tree import leaf_hash, merkle_root
from reconcile.model import ZERO32, KanheError, ProtocolError

#: Listings of one SQL transaction: what a crash takes back, and what others wait for.
BATCH: Final = 100
TAGS_A_TURN: Final = 200
#: States in which an uploader may take an entry back.
WITHDRAWABLE: Final = frozenset(
    {EntryState.LISTED, EntryState.UNTAGGED, EntryState.SUSPENDED, EntryState.EXPIRED}
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement to list: its id, uploader and commitment may be zeros, they are filled in.

    `documents` are the evidence behind `listing.evidence_root`; a zero root is made of them.
    `agreed` is what the person agreed to, whose hash is `listing.consent`, where it is given: a
    consent that she signed is kept and recorded as what it holds as, of others the hash is used.
    """

    identifier: Identifier
    listing: Listing
    documents: tuple[bytes, ...] = ()
    salt: bytes | None = None
    agreed: bytes = b""

    def __repr__(self) -> str:
        """Show what it says, never whom."""
        return f"Candidate({self.listing.reason})"


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one of many: an entry that waits, or why it was refused."""

    position: int
    entry: bytes | None
    error: KanheError | None = None


class ListingActs(AgreeingActs):
    """Entries of this node: listing, correcting, withdrawing, tagging."""

    def list_person(self, candidate: Candidate, *, actor: str = "node") -> bytes:
        """List a person and return the entry's id; its ticket waits in the outbox.

        Raises what `check_listing` refuses, `Conflict` LISTED_ALREADY, `UsageError` POINTS_SHORT,
        POINTS_DEBT, `NotAllowed` LISTING_FOREIGN, NOT_UPLOADER, `NotFound` ENTRY_UNKNOWN,
        `ProtocolError` COMMITTEE_NONE; for its consent `Conflict` LISTING_CONSENT_REVOKED,
        LISTING_CONSENT_USED, `InputError` PROOF_MALFORMED, LISTING_OTHER_CONSENT, `ProtocolError`
        CONSENT_*.
        """
        with self._writing() as session:
            return self._list(session, candidate, actor)

    def list_many(self, candidates: Iterable[Candidate], *, actor: str = "node") -> list[Taken]:
        """List many people, a hundred a transaction; each is taken or refused alone.

        Points that run short refuse all that follow: nothing is kept that could not be posted.
        """
        taken: list[Taken] = []
        batch: list[Candidate] = []
        for candidate in candidates:
            batch.append(candidate)
            if len(batch) == BATCH:
                self._list_batch(batch, taken, actor)
                batch = []
        self._list_batch(batch, taken, actor)
        return taken

    def _list_batch(self, batch: Sequence[Candidate], taken: list[Taken], actor: str) -> None:
        found: list[Taken] = []
        with self._writing() as session:
            for position, candidate in enumerate(batch, start=len(taken)):
                try:
                    with session.begin_nested():
                        entry = self._list(session, candidate, actor)
                except KanheError as error:
                    found.append(Taken(position, None, error))
                else:
                    found.append(Taken(position, entry))
        taken.extend(found)

    def _list(self, session: Session, candidate: Candidate, actor: str) -> bytes:
        member = self._identity.require_member(session)
        now = self._now(session)
        if session.scalar(select(func.max(KeyEpoch.key_epoch))) is None:
            raise ProtocolError(
                "COMMITTEE_NONE",
                "this network has no committee yet: nothing could evaluate the entry",
                help="a stake would be lost after seven days; see `kanhe committee generate`",
            )
        listing = _completed(candidate)
        check_listing(listing, posted_day=now.time_s // DAY_S)
        if listing.uploader != member:
            raise NotAllowed(
                "LISTING_FOREIGN",
                f"the statement names member {listing.uploader} as its uploader, this is {member}",
                help="only an institution's own node lists for it",
            )
        self._require_new(session, candidate.identifier, listing, now)
        if listing.supersedes is not None:
            self._require_own(session, listing.supersedes, member)
        agreement = self._agreement(session, candidate.agreed, listing, candidate.identifier, now)
        self._require_unused(session, agreement, listing, candidate.identifier, now)
        spend(session, self._calls, member, LISTING_STAKE, now, what="list")
        salt = candidate.salt or secrets.token_bytes(SALT_BYTES)
        whole = committed(listing, candidate.identifier, salt)
        self._keep(session, candidate, whole, salt, agreement)
        self._act(session, actor, "list", whole.entry_id.hex(), reason=str(whole.reason))
        return whole.entry_id

    def _keep(
        self,
        session: Session,
        candidate: Candidate,
        whole: Listing,
        salt: bytes,
        agreement: Agreement,
    ) -> None:
        signed = sign_envelope(LISTING_TYPE, whole.payload, [self._identity.keys.approver])
        keep_listing(
            session,
            self._ring,
            OpenedRecord(whole, salt, signed.signatures[0]),
            candidate.identifier,
            candidate.documents,
            now_ms=self._identity.clock(),
            agreed=agreement.agreed,
            revocation_hash=agreement.revocation_hash,
        )
        self._record_consent(session, whole, salt, agreement)
        self._calls.list_entry(session, whole)

    def _require_new(
        self, session: Session, identifier: Identifier, listing: Listing, now: Now
    ) -> None:
        """Refuse the same person for the same matter twice, unless the one corrects the other."""
        entry = self._standing(session, identifier, listing, now)
        if entry is not None:
            raise Conflict(
                "LISTED_ALREADY",
                f"the same person stands listed for this matter as {entry.hex()}",
                help="correct that entry with --supersedes, or withdraw it first",
            )
        earlier = same_matter(session, fingerprint_of(self._ring, identifier, listing))
        corrected = () if listing.supersedes is None else (listing.supersedes,)
        self._require_unrevoked(session, listing, identifier, (*earlier, *corrected))

    def _standing(
        self, session: Session, identifier: Identifier, listing: Listing, now: Now
    ) -> bytes | None:
        """Return the own entry of the same person for the same matter that stands, if any."""
        fingerprint = fingerprint_of(self._ring, identifier, listing)
        for entry in same_matter(session, fingerprint):
            if entry != listing.supersedes and self._stands(session, entry, now):
                return entry
        return None

    def _stands(self, session: Session, entry: bytes, now: Now) -> bool:
        row = session.get(ListedEntry, entry)
        if row is None:
            return self._calls.refusal(session, self._calls.list_subject(entry)) is None
        return state_of(session, row, now) not in OVER

    def _require_own(self, session: Session, entry: bytes, member: int) -> ListedEntry:
        row = require_entry(session, entry)
        if row.uploader != member:
            raise NotAllowed(
                "NOT_UPLOADER",
                f"entry {entry.hex()[:16]}… is member {row.uploader}'s",
                help="dispute it instead: `kanhe blacklist dispute`",
            )
        return row

    # ------------------------------------------------------------------------- again, back
    def list_again(self, entry: bytes, *, actor: str = "node") -> bytes:
        """Post a refused listing's ticket again, from the first day that is lawful now.

        A ticket that waited over midnight would have been back-dated. Raises `Conflict`
        NOT_REFUSED, `NotFound` LISTING_NOT_OURS, LISTING_ERASED, and what `list_person` refuses.
        """
        with self._writing() as session:
            member = self._identity.require_member(session)
            now = self._now(session)
            owned = open_listing(session, self._ring, entry)
            subject = self._calls.list_subject(entry)
            stands = session.get(ListedEntry, entry) is not None
            if stands or self._calls.refusal(session, subject) is None:
                raise Conflict(
                    "NOT_REFUSED",
                    f"the ticket of {entry.hex()[:16]}… was not refused",
                    help="`kanhe blacklist entries` shows where it stands",
                )
            old = owned.opened.listing
            later = max(now.time_s // DAY_S - old.effective_from, 0)
            listing = msgspec.structs.replace(
                old,
                effective_from=old.effective_from + later,
                expires_at=old.expires_at + later,
            )
            check_listing(listing, posted_day=now.time_s // DAY_S)
            self._require_new(session, owned.identifier, listing, now)
            agreement = self._agreement(session, owned.agreed, listing, owned.identifier, now)
            self._require_unused(session, agreement, listing, owned.identifier, now)
            spend(session, self._calls, member, LISTING_STAKE, now, what="list")
            # A salt that was posted with other words would tell that both are one person's.
            salt = secrets.token_bytes(SALT_BYTES)
            whole = committed(listing, owned.identifier, salt)
            candidate = Candidate(owned.identifier, whole, owned.documents)
            self._keep(session, candidate, whole, salt, agreement)
            self._act(session, actor, "list-again", entry.hex())
            return entry

    def withdraw(self, entry: bytes, *, actor: str = "node") -> int:
        """Take an own entry back; its stake stays bound until it vests.

        Raises `NotAllowed` NOT_UPLOADER, `Conflict` ENTRY_STATE_NOT_ALLOWED, `NotFound`.
        """
        with self._writing() as session:
            row = self._require_own(session, entry, self._identity.require_member(session))
            require_state(session, row, WITHDRAWABLE, self._now(session), "withdrawn")
            self._act(session, actor, "withdraw", entry.hex())
            return self._calls.withdraw(session, entry)

    # ------------------------------------------------------------------------- by itself
    def _tag_due(self, session: Session, member: int, _now: Now) -> int:
        """Ask for the tags of own entries whose records enough replicas of a usable epoch hold."""
        done = 0
        newest = session.scalar(select(func.max(KeyEpoch.key_epoch))) or 0
        for key_epoch in range(max(newest - 1, 1), newest + 1):
            domain = self._identity.place.blacklist_domain

            def is_asked(entry: bytes, key_epoch: int = key_epoch) -> bool:
                return self._calls.pending(session, self._calls.tag_subject(entry, key_epoch))

            found = tags_due(
                session, member, key_epoch, domain, is_asked=is_asked, limit=TAGS_A_TURN
            )
            for due in found:
                self._calls.tag(session, due.entry, key_epoch, due.hash, due.signatures)
                done += 1
        return done

    def _vest_due(self, session: Session, member: int, now: Now) -> int:
        """Take back the stakes whose challenge window is over."""
        found = select(ListedEntry.entry).where(
            ListedEntry.uploader == member,
            ListedEntry.stake_held.is_(True),
            ListedEntry.dispute.is_(None),
            ListedEntry.stage != Stage.TICKETED.name,
            ListedEntry.posted_at_s <= now.time_s - CHALLENGE_WINDOW_S,
        )
        done = 0
        for entry in session.scalars(found.limit(TAGS_A_TURN)).all():
            if self._calls.pending(session, self._calls.vest_subject(entry)):
                continue
            self._calls.vest(session, entry)
            done += 1
        return done


def require_state(
    session: Session, row: ListedEntry, allowed: frozenset[EntryState], now: Now, what: str
) -> EntryState:
    """Refuse an act that an entry's state does not allow: `Conflict` ENTRY_STATE_NOT_ALLOWED."""
    state = state_of(session, row, now)
    if state not in allowed:
        raise Conflict(
            "ENTRY_STATE_NOT_ALLOWED",
            f"entry {row.entry.hex()[:16]}… is {state.name}, which cannot be {what}",
            help="`kanhe blacklist trace` shows how it came to that",
        )
    return state


def _completed(candidate: Candidate) -> Listing:
    """Fill in an id and the root of the evidence where the statement leaves them open."""
    listing = candidate.listing
    changes: dict[str, object] = {"commitment": ZERO32}
    if listing.entry_id == ZERO32:
        changes["entry_id"] = secrets.token_bytes(SALT_BYTES)
    if candidate.documents:
        root = merkle_root([leaf_hash(item) for item in candidate.documents])
        if listing.evidence_root == ZERO32:
            changes["evidence_root"] = root
    return msgspec.structs.replace(listing, **changes)
