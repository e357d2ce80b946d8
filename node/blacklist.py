"""What the blacklist's ledger says now: rows, and what the newest block's time makes of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, bindparam, func, or_, select
from sqlalchemy.orm import Session

from node.errors import NotFound
from node.screening.consents import consent_key
from node.screening.evidence import Change, change_of
from node.screening.listings import Posted
from node.screening.points import DISPUTE_STAKE, LISTING_STAKE, accuracy_floor
from node.screening.profiles import Profile, profile_numbered, profiles
from node.screening.states import (
    DisputeFacts,
    EntryFacts,
    EntryState,
    Phase,
    Stage,
    Suspension,
    Verdict,
    entry_state,
    phase_of,
    suspension_at,
)
from node.snapshots import remembered
from node.tables import (
    Ballot,
    BlacklistFact,
    Dispute,
    EntryTag,
    KeyEpoch,
    ListedEntry,
    NodeFact,
    PointAccount,
    PointMovement,
    RecordedConsent,
    TicketRange,
)
from node.tables.tip import tip_of

REGULATOR: Final = "blacklist_regulator"
_SUSPENDING: Final = (Verdict.TIMED_OUT.name, Verdict.UNDECIDED.name)
_RANGE: Final = (
    select(TicketRange)
    .where(TicketRange.first <= bindparam("ticket"))
    .order_by(TicketRange.first.desc())
    .limit(1)
)
_SHARINGS: Final = (
    select(KeyEpoch)
    .where(KeyEpoch.key_epoch == bindparam("key_epoch"))
    .order_by(KeyEpoch.sharing.desc())
    .limit(1)
)
_LAST_EPOCH: Final = (
    select(KeyEpoch.key_epoch, KeyEpoch.switch_block)
    .order_by(KeyEpoch.key_epoch.desc(), KeyEpoch.sharing.desc())
    .limit(1)
)


_ENTRIES: Final = ListedEntry.__table__.c
# Columns alone and prepared once: each lookup with a hit asks.
_POSTED: Final = select(
    _ENTRIES.entry,
    _ENTRIES.uploader,
    _ENTRIES.commitment,
    _ENTRIES.profile,
    _ENTRIES.notice_day,
    _ENTRIES.effective_day,
    _ENTRIES.expires_day,
    _ENTRIES.supersedes,
).where(_ENTRIES.entry.in_(bindparam("entries", expanding=True)))


@dataclass(frozen=True, slots=True)
class Now:
    """The newest block that was read: number and time in Unix seconds."""

    block: int
    time_s: int


@dataclass(frozen=True, slots=True)
class Account:
    """A member's points, in micro-points; `staked` is the bound part of `balance`."""

    member: int
    minted: int
    burned: int
    staked: int
    debt: int
    earned: int
    entries: int
    upheld: int
    overturned: int

    @property
    def balance(self) -> int:
        """Return what it has, stakes included."""
        return self.minted - self.burned

    @property
    def free(self) -> int:
        """Return what it may burn or stake."""
        return self.balance - self.staked

    @property
    def accuracy(self) -> int:
        """Return its accuracy in millionths, rounded down."""
        return accuracy_floor(self.upheld, self.overturned)


def now_of(session: Session) -> Now:
    """Return the newest block as last seen; zeros before the first."""
    cursor = tip_of(session)
    return Now(0, 0) if cursor is None else Now(cursor.head_block, cursor.head_time_s)


def profile_name(number: int) -> str:
    """Return the name of a profile's number."""
    return tuple(profiles())[number - 1]


def current_key_epoch(session: Session, now: Now) -> int:
    """Return the key epoch that lookups use, 0 before the first."""
    row = remembered(session, ("last epoch",), lambda: session.execute(_LAST_EPOCH).first())
    if row is None:
        return 0
    key_epoch, switch_block = row
    return key_epoch if switch_block <= now.block else key_epoch - 1


def openable_from(key_epoch: int) -> int:
    """Return the first key epoch of whose lookups an audit may begin while one is in use."""
    return key_epoch - 1


def newest_sharing(session: Session, key_epoch: int) -> KeyEpoch | None:
    """Return a key epoch as its last sharing holds it, None where it is unknown."""
    return session.scalars(_SHARINGS, {"key_epoch": key_epoch}).first()


def ticket_range(session: Session, ticket: int) -> TicketRange | None:
    """Return the purchase that a ticket is of, None where nobody bought it."""
    row = session.scalars(_RANGE, {"ticket": ticket}).first()
    return None if row is None or ticket >= row.first + row.count else row


def regulator_of(session: Session) -> int | None:
    """Return the member that decides where no panel does; None before a node has asked."""
    fact = session.get(NodeFact, REGULATOR)
    return None if fact is None else int(str(fact.value))


def note_regulator(session: Session, member: int) -> None:
    """Keep who the contract was deployed with as its regulator; it never changes."""
    fact = session.get(NodeFact, REGULATOR)
    if fact is None:
        session.add(NodeFact(name=REGULATOR, value=str(member)))
    else:
        fact.value = str(member)


# ------------------------------------------------------------------------------------ entries
def require_entry(session: Session, entry: bytes) -> ListedEntry:
    """Return an entry's row; `NotFound` ENTRY_UNKNOWN."""
    row = session.get(ListedEntry, entry)
    if row is None:
        raise NotFound(
            "ENTRY_UNKNOWN",
            f"the ledger knows no entry {entry.hex()[:16]}…",
            help="give its id, 64 hexadecimal digits, or the beginning of one",
        )
    return row


def posted_of(row: ListedEntry | Row[*tuple[Any, ...]]) -> Posted:
    """Return what the ledger holds of an entry and its statement says too."""
    return Posted(
        uploader=row.uploader,
        commitment=row.commitment,
        profile=profile_name(row.profile),
        notice_day=row.notice_day,
        effective_day=row.effective_day,
        expires_day=row.expires_day,
        supersedes=row.supersedes,
    )


def posted_entries(session: Session, entries: Collection[bytes]) -> dict[bytes, Posted]:
    """Return what the ledger holds of these entries, in whatever stage; an unknown one is left out.

    None of it ever changes: what a cut held is held against it however the entry ended since.
    """
    rows = session.execute(_POSTED, {"entries": list(entries)})
    return {row.entry: posted_of(row) for row in rows}


def recorded_consent(session: Session, reader: int, digest: bytes) -> RecordedConsent | None:
    """Return a member's record of a consent, None where it recorded none of this digest."""
    return session.get(RecordedConsent, consent_key(reader, digest))


def is_tagged(session: Session, entry: bytes, key_epoch: int) -> bool:
    """Say whether an entry has a leaf in a key epoch."""
    tag = session.get(EntryTag, (entry, key_epoch))
    return tag is not None and tag.untagged_block is None


def state_of(session: Session, row: ListedEntry, now: Now) -> EntryState:
    """Return an entry's state at a block's time."""
    dispute = None if row.dispute is None else session.get_one(Dispute, row.dispute)
    facts = EntryFacts(
        stage=Stage[row.stage],
        posted_at_s=row.posted_at_s,
        ends_day=row.ends_day,
        tagged=is_tagged(session, row.entry, current_key_epoch(session, now)),
        dispute=None if dispute is None else dispute_facts(session, dispute),
    )
    return entry_state(facts, profile_numbered(row.profile), now.time_s)


def suspension_of(session: Session, row: ListedEntry, now: Now) -> Suspension | None:
    """Return an entry's suspension, settled or by time alone; None where nothing suspended it."""
    if row.dispute is None:
        found = select(Dispute).where(Dispute.entry == row.entry, Dispute.outcome.in_(_SUSPENDING))
        dispute = session.scalars(found).first()
    else:
        dispute = session.get_one(Dispute, row.dispute)
    facts = None if dispute is None else dispute_facts(session, dispute)
    return suspension_at(facts, profile_numbered(row.profile), row.ends_day, now.time_s)


def last_day_of(session: Session, row: ListedEntry, now: Now) -> int:
    """Return an entry's last day; the suspension of an open dispute brings it forward."""
    found = None if row.dispute is None else suspension_of(session, row, now)
    return row.ends_day if found is None else found.last_day


def changes_of(
    session: Session, entry: bytes, consents: Collection[tuple[int, bytes]] = ()
) -> tuple[Change, ...]:
    """Return what the ledger recorded of an entry, in the ledger's order.

    And of some consents, each named by its reader and its digest.
    """
    facts = select(BlacklistFact).where(BlacklistFact.entry == entry)
    found = [
        change_of(
            row.name, row.args, (row.block_number, row.log_index), row.tx_hash, row.block_time_s
        )
        for row in session.scalars(facts)
        # A challenge of a root names an entry and changes nothing of it.
        if row.name != "RootChallenged"
    ]
    digests = {consent_key(reader, digest): digest for reader, digest in consents}
    recorded = select(RecordedConsent).where(RecordedConsent.consent.in_(digests))
    for consent in session.scalars(recorded):
        word = f"0x{digests[consent.consent].hex()}"
        args = {
            "consent": word,
            "reader": consent.reader,
            "level": consent.level,
            "validTo_s": consent.valid_to_s,
        }
        place = (consent.block_number, consent.log_index)
        found.append(
            change_of("ConsentRecorded", args, place, consent.tx_hash, consent.block_time_s)
        )
        if consent.revoked_block is not None:
            assert consent.revoked_tx is not None, "a revocation has its transaction"
            assert consent.revoked_at_s is not None, "and its time"
            revoked = (consent.revoked_block, None)
            found.append(
                change_of(
                    "ConsentRevoked",
                    {"consent": word, "reader": consent.reader},
                    revoked,
                    consent.revoked_tx,
                    consent.revoked_at_s,
                )
            )
    return tuple(sorted(found, key=lambda change: change.place))


# ------------------------------------------------------------------------------------ disputes
def require_dispute(session: Session, dispute: int) -> Dispute:
    """Return a dispute's row; `NotFound` DISPUTE_UNKNOWN."""
    row = session.get(Dispute, dispute)
    if row is None:
        raise NotFound("DISPUTE_UNKNOWN", f"the ledger knows no dispute {dispute}")
    return row


def ballots_of(session: Session, dispute: int) -> Mapping[int, Ballot]:
    """Return a dispute's ballots by member."""
    found = select(Ballot).where(Ballot.dispute == dispute)
    return {row.member: row for row in session.scalars(found)}


def dispute_facts(session: Session, row: Dispute) -> DisputeFacts:
    """Return a dispute as the pure clocks take it."""
    ballots = ballots_of(session, row.dispute)
    return DisputeFacts(
        opened_at_s=row.opened_at_s,
        extended=row.extended,
        answer=_verdict(row.answer),
        answered_at_s=row.answered_at_s,
        contested_at_s=row.contested_at_s,
        panel=None if row.panel is None else tuple(row.panel),
        seats=row.seats or 0,
        outcome=_verdict(row.outcome),
        ballots={member: _verdict(item.verdict) for member, item in ballots.items()},
        regulators=is_regulators(row, regulator_of(session)),
    )


def is_regulators(row: Dispute, regulator: int | None) -> bool:
    """Say whether a dispute is the regulator's own: about its entry, or with its stake."""
    raised = row.by == regulator and not row.by_person
    contested = row.contested_by == regulator and row.contest_staked
    return regulator is not None and (row.target == regulator or raised or contested)


def dispute_profile(session: Session, row: Dispute) -> Profile:
    """Return whose days a dispute runs by."""
    return profile_numbered(session.get_one(ListedEntry, row.entry).profile)


def phase_now(session: Session, row: Dispute, now: Now) -> Phase:
    """Return where a dispute stands at a block's time."""
    return phase_of(dispute_facts(session, row), dispute_profile(session, row), now.time_s)


def _verdict(word: str | None) -> Verdict:
    return Verdict.NONE if word is None else Verdict[word]


# ------------------------------------------------------------------------------------ points
def account_of(session: Session, member: int) -> Account:
    """Return a member's points; all zeros for who never had any."""
    row = session.get(PointAccount, member)
    entries, held = session.execute(
        select(func.count(), func.count().filter(ListedEntry.stake_held)).where(
            ListedEntry.uploader == member
        )
    ).one()
    raised = (Dispute.by == member) & Dispute.by_person.is_(False)
    contested = (Dispute.contested_by == member) & Dispute.contest_staked
    disputes = session.scalar(
        select(func.count()).where(or_(raised, contested), Dispute.outcome.is_(None))
    )
    staked = LISTING_STAKE * held + DISPUTE_STAKE * (disputes or 0)
    if row is None:
        return Account(member, 0, 0, staked, 0, 0, entries, 0, 0)
    return Account(
        member,
        minted=row.minted,
        burned=row.burned,
        staked=staked,
        debt=row.owed,
        earned=row.earned,
        entries=entries,
        upheld=row.upheld,
        overturned=row.overturned,
    )


def movements_of(
    session: Session, member: int, *, before: tuple[int, int] | None, limit: int
) -> list[PointMovement]:
    """Return a member's movements, newest first; `before` is a place in the log."""
    found = select(PointMovement).where(PointMovement.member == member)
    if before is not None:
        block, index = before
        found = found.where(
            (PointMovement.block_number < block)
            | ((PointMovement.block_number == block) & (PointMovement.log_index < index))
        )
    newest = (PointMovement.block_number.desc(), PointMovement.log_index.desc())
    return list(session.scalars(found.order_by(*newest).limit(limit)))
