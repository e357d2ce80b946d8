"""The screening service: every write is one SQL transaction with its intents and its audit row."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from node.blacklist import Now, now_of
from node.identity import address_bytes
from node.screening.states import CHALLENGE_WINDOW_S
from node.services.screening.custody import ASK, DROP, TAKE, TELL
from node.services.screening.depositing import DepositActs
from node.services.screening.facing import FacingActs
from node.services.screening.following import FollowingActs
from node.services.screening.giving import GivingActs
from node.services.screening.importing import ImportActs
from node.services.screening.keeping import KeepingActs
from node.services.screening.noticing import NoticeActs
from node.services.screening.points import PointActs
from node.services.screening.reading import ReadingActs
from node.services.screening.settling import SettlingActs
from node.services.screening.stating import StatingActs
from node.services.screening.tracing import TracingActs
from node.services.screening.watching import Watch
from node.tables import (
    Cursor,
    DeletionCertificate,
    Dispute,
    EntryTag,
    Erasure,
    HeldCustody,
    ListedEntry,
    Member,
    MemberKey,
    OwnListing,
    SealedRecord,
)

_ACTIVE = "ACTIVE"
Due = Callable[[Session, int, Now], int]


class ScreeningService(
    StatingActs,
    ImportActs,
    FacingActs,
    FollowingActs,
    PointActs,
    TracingActs,
    ReadingActs,
    SettlingActs,
    DepositActs,
    KeepingActs,
    GivingActs,
    NoticeActs,
):
    """Entries, disputes, points, recalls, erasure and custody of one node."""

    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask, by word."""
        return {
            **super().handlers(),
            TAKE: self.take_custody,
            ASK: self.ask_custody,
            TELL: self.told_custody,
            DROP: self.drop_custody,
        }

    def react(self) -> int:
        """Do what happens by itself: tags, vesting, votes, draws, settling, erasure.

        Each in a transaction of its own: what fails takes nothing of the others back.
        """
        if not self._identity.place.blacklist:
            return 0
        gone = self.destroy_erased()
        if not self._may_send():
            return gone
        # A look costs one reading transaction where nothing is to be done, as on most turns.
        with self._reading() as session:
            works: dict[str, tuple[ColumnElement[bool], Due]] = {
                "tag entries": (_untagged(), self._tag_due),
                "vest stakes": (_stakes_held(), self._vest_due),
                "move disputes": (_disputes_open(), self._move_disputes),
                "erase entries": (_erasures_open(), self._erasures_due),
                "destroy custodies": (
                    _custodies_held(self._kept, now_of(session)),
                    self._destroy_custodies,
                ),
            }
            found = session.execute(select(*(what for what, _ in works.values()))).one()
        done = gone
        for (name, (_, work)), is_due in zip(works.items(), found, strict=True):
            if is_due:
                done += self._attempts.run(name, functools.partial(self._work, work))
        # These call other nodes, outside of any transaction.
        done += self._attempts.run("leave custodies", self._custody_out)
        done += self._attempts.run("hand requests on", self._custody_asks)
        self._attempts.run("empty the log", self._empty_log)
        return done

    def destroy_erased(self) -> int:
        """Destroy what the ledger says is erased, by whatever keys and state: nothing is sent."""
        if not self._identity.place.blacklist:
            return 0
        gone = self._attempts.run("destroy what was certified", self._destroy_certified)
        return gone + self._attempts.run("follow erasures", self._follow_erasures)

    def _work(self, work: Due) -> int:
        with self._writing() as session:
            member = self._identity.member(session)
            return 0 if member is None else work(session, member, self._now(session))

    def _may_send(self) -> bool:
        """Say whether we are an active member whose poster key counts."""
        with self._reading() as session:
            member = self._identity.member(session)
            if member is None:
                return False
            row = session.get(Member, member)
            key = session.get(MemberKey, address_bytes(self._identity.keys.poster))
            usable = key is not None and key.state == _ACTIVE and key.role == "POSTER"
            return usable and row is not None and row.state == _ACTIVE


def _untagged() -> ColumnElement[bool]:
    """Say whether a sealed record may lack its tag."""
    tagged = exists().where(
        EntryTag.entry == SealedRecord.entry, EntryTag.key_epoch == SealedRecord.key_epoch
    )
    return exists().where(SealedRecord.key_epoch > 0, ~tagged)


def _stakes_held() -> ColumnElement[bool]:
    """Say whether a stake of an own listing is bound beyond its challenge window."""
    return exists().where(
        OwnListing.entry == ListedEntry.entry,
        ListedEntry.stake_held.is_(True),
        ListedEntry.posted_at_s <= Cursor.head_time_s - CHALLENGE_WINDOW_S,
    )


def _disputes_open() -> ColumnElement[bool]:
    return exists().where(Dispute.outcome.is_(None))


def _erasures_open() -> ColumnElement[bool]:
    """Say whether an erasure may be to be moved on; a reader's waits while it keeps receipts."""
    stands = exists().where(
        DeletionCertificate.entry == Erasure.entry,
        DeletionCertificate.certificate == Erasure.hash,
    )
    until = Erasure.receipts_until_s
    return exists().where(or_(until.is_(None), until <= Cursor.head_time_s), ~stands)


def _custodies_held(watch: Watch, now: Now) -> ColumnElement[bool]:
    """Say whether the ledger has said anything of a custody that is held, since it was looked at.

    The work takes the writers' lock, for which who evaluates would wait.
    """
    held = HeldCustody.destroyed_at_ms.is_(None)
    return exists().where(held, watch.touched(now, HeldCustody.entry, HeldCustody.consent))
