"""The index's service: what a member does by itself as uploader and as replica."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from node.blacklist import current_key_epoch, now_of
from node.committees import EpochCommittee
from node.doors import Doors
from node.errors import Conflict
from node.index_reading import Ask
from node.keyholders import key_check
from node.lookup_calls import LookupCalls
from node.replica import Replica
from node.screening.holding import held_digest
from node.screening.index import IndexHeader
from node.screening.states import MIN_CUT_S, ROOT_CHALLENGE_S
from node.services.index import building, uploading
from node.services.index.building import SIGN, Place
from node.services.index.deposits import (
    DEPOSIT,
    RECORDS,
    UNLIKE_ROWS,
    Held,
    Wanted,
    forget_over,
    keep_fetched,
    missing_of,
    show_records,
    start_anew,
    take_records,
)
from node.services.index.leaving import leave_due
from node.services.index.serving import BUCKET, HEADER, Shelf
from node.services.index.views import VersionView, versions_of
from node.snapshots import remembered
from node.tables import Deposit, IndexCut, IndexRoot
from node.telemetry import logger
from reconcile.model import KanheError, ProtocolError, UsageError, Where

#: Blocks for which records that are missing are waited for in silence.
PATIENCE_BLOCKS: Final = 40
ASKERS: Final = 4
_PLACE: Final = (
    select(IndexCut.key_epoch, IndexRoot.revision)
    .join(IndexRoot, IndexRoot.version == IndexCut.version)
    .where(IndexCut.version == bindparam("version"))
    .order_by(IndexRoot.revision.desc())
    .limit(1)
)
_log = logger("index")


class IndexService:
    """Uploader and replica of one member."""

    def __init__(self, doors: Doors, ask: Ask, *, folder: Path) -> None:
        """Take how a member's node is asked, and where a replica's files lie."""
        self._doors = doors
        self._ask = ask
        self._folder = folder
        self._calls = LookupCalls(doors.identity)
        self._pool = ThreadPoolExecutor(ASKERS, thread_name_prefix="index")
        self._replica: Replica | None = None
        self._shelf: Shelf | None = None
        self._anew: set[int] = set()
        self._unheard: dict[tuple[int, int], int] = {}
        # A start empties the log once: the last process may have died before it did.
        self._destroyed = True

    def close(self) -> None:
        """Close files and threads."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        if self._shelf is not None:
            self._shelf.close()

    # ------------------------------------------------------------------------ by people
    def cut(self, *, actor: str = "node") -> int:
        """Ask for the next cut now; return the version that it will have.

        Raises `ProtocolError` COMMITTEE_UNKNOWN, NOT_IN_COMMITTEE, `Conflict` CUT_TOO_SOON.
        """
        with self._doors.writing() as session:
            member = self._doors.identity.require_member(session)
            epoch = self._epoch(session)
            if epoch.index_of(member) is None:
                raise _refuse("NOT_IN_COMMITTEE", "a member of the committee cuts the log")
            place = building.newest_place(session, epoch.key_epoch)
            from_s = 0 if place is None else place.cut.block_time_s + MIN_CUT_S
            if now_of(session).time_s < from_s:
                raise Conflict(
                    "CUT_TOO_SOON",
                    f"key epoch {epoch.key_epoch} was cut less than {MIN_CUT_S // 60} minutes ago",
                    help="a version is built and signed before the next one is cut",
                )
            last = session.scalar(
                select(IndexCut.version).order_by(IndexCut.version.desc()).limit(1)
            )
            version = (last or 0) + 1
            self._calls.cut(session, epoch.key_epoch, version)
            self._doors.act(session, actor, "index-cut", str(version))
            return version

    def challenge(self, version: int, entry: bytes, *, actor: str = "node") -> None:
        """Stop the newest root of a version, in which an own entry's leaf is not found.

        Raises `UsageError` VERSION_UNKNOWN, ROOT_NOT_PUBLISHED.
        """
        with self._doors.writing() as session:
            cut = session.get(IndexCut, version)
            if cut is None:
                raise UsageError("VERSION_UNKNOWN", f"the log was never cut for version {version}")
            root = building.place_of(session, cut).root
            if root is None:
                raise UsageError("ROOT_NOT_PUBLISHED", f"version {version} has no root yet")
            self._calls.challenge_root(session, version, root.revision, entry)
            self._doors.act(session, actor, "index-challenge", entry.hex(), version=str(version))

    def versions(self, *, limit: int = 50) -> tuple[VersionView, ...]:
        """Return the versions, newest first."""
        replica = self.replica() if self._folder.exists() else None
        with self._doors.reading() as session:
            return versions_of(session, replica, limit)

    # ------------------------------------------------------------------------ by itself
    def react(self) -> int:
        """Seal, leave and check as an uploader; cut, build and publish as a replica."""
        with self._doors.reading() as session:
            member = self._doors.identity.member(session)
            now = now_of(session)
            epochs = []
            for key_epoch in uploading.usable_epochs(session, now) if member else ():
                try:
                    epochs.append(self._doors.committees.of_epoch(session, key_epoch))
                except ProtocolError:
                    continue
        done = 0
        for epoch in epochs:
            assert member is not None, "without a member there are no epochs here"
            for name, work in (
                ("index upload", functools.partial(self._upload, member, epoch)),
                ("index build", functools.partial(self._build, member, epoch)),
            ):
                done += self._doors.attempts.run(f"{name} {epoch.key_epoch}", work)
        return done

    def _upload(self, member: int, epoch: EpochCommittee) -> int:
        done = uploading.seal_due(self._doors, member, epoch, self._ask, self._pool)
        done += leave_due(self._doors, member, epoch, self._ask)
        with self._doors.reading() as session:
            now = now_of(session)
        return done + uploading.check_due(
            self._doors, member, epoch, self._ask, self._calls, now, unheard=self._unheard
        )

    def _build(self, member: int, epoch: EpochCommittee) -> int:
        if epoch.index_of(member) is None:
            return 0
        # Readers wait for whoever writes: in most turns nothing is due, and nothing is written.
        with self._doors.reading() as session:
            now = now_of(session)
            place = building.newest_place(session, epoch.key_epoch)
            version = building.cut_due(session, member, epoch, place, now)
        done = 0
        if version is not None:
            with self._doors.writing() as session:
                done = int(self._calls.cut(session, epoch.key_epoch, version) is not None)
        if place is None:
            return done
        if place.cut.version not in self.replica().versions(epoch.key_epoch):
            with self._doors.reading() as session:
                missing = missing_of(session, place.cut)
            if missing:
                fetched = self._fetch(member, epoch, place)
                if fetched or now.block < place.cut.block_number + PATIENCE_BLOCKS:
                    return done + fetched
            done += self._build_version(place)
        self._settle_served(place, now.time_s)
        if done or not place.due:
            return done
        return self._publish(member, epoch, place)

    def _build_version(self, place: Place) -> int:
        """Build a version; files that are not what the rows say are filled anew, once a version."""
        cut, replica = place.cut, self.replica()
        try:
            with self._doors.writing() as session:
                return building.build_due(session, replica, place)
        except KanheError as error:
            with self._doors.writing() as session:
                unlike = error.code in UNLIKE_ROWS and not missing_of(session, cut)
                if not unlike or cut.version in self._anew:
                    raise
                count = start_anew(session, replica, cut.key_epoch)
                self._doors.act(session, "node", "index-anew", str(cut.version), code=error.code)
            self._anew.add(cut.version)
            _log.warning("the replica's files begin anew", code=error.code, records=count)
            return 1

    def _publish(self, member: int, epoch: EpochCommittee, place: Place) -> int:
        """Gather signatures over the own root and publish it, when it is this member's turn."""
        header = building.own_header(self.replica(), place.cut)
        subject = f"root/{place.cut.version}/{place.revision}"
        with self._doors.reading() as session:
            waits = self._calls.waits(session, subject)
            turn = building.leads(epoch, member, place, now_of(session))
            if header is None or waits or not turn:
                return 0
            identity = self._doors.identity
            signatures, refused = building.gather(
                epoch,
                member,
                header,
                place.revision,
                domain=identity.place.blacklist_domain,
                signer=identity.keys.approver,
                ask=self._ask,
                is_key_of=key_check(session),
            )
        for other, error in refused.items():
            _log.warning("root not signed", by=other, code=error.code, says=error.message)
        if len(signatures) < building.needed(epoch, place.revision):
            return 0
        with self._doors.writing() as session:
            asked = self._calls.publish_root(
                session,
                place.cut.version,
                header.leaf_count,
                header.root,
                signatures,
                revision=place.revision,
            )
        return int(asked is not None)

    def _settle_served(self, place: Place, time_s: int) -> None:
        """Take a live version as the one that is served, and let older files go."""
        root, cut, replica = place.root, place.cut, self.replica()
        live = root is not None and not place.due and time_s > root.block_time_s + ROOT_CHALLENGE_S
        mark = (cut.key_epoch, cut.version)
        if live and replica.current() != mark and cut.version in replica.versions(cut.key_epoch):
            replica.serve(*mark)
            replica.prune()
            with self._doors.writing() as session:
                forgotten = forget_over(session, cut.key_epoch)
            self._destroyed = self._destroyed or forgotten > 0
        # A reader may hold the log for a while: then it is emptied with a later look.
        if self._destroyed and self._doors.database.empty_log():
            self._destroyed = False

    # ------------------------------------------------------------------------ by others
    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other nodes may ask, by word."""
        return {
            DEPOSIT: self.take,
            RECORDS: self.show,
            SIGN: self._sign,
            HEADER: lambda _member, body: self.shelf().header(body),
            BUCKET: lambda _member, body: self.shelf().bucket(body),
        }

    def take(self, member: int, body: bytes) -> bytes:
        """Keep records that a member leaves, and sign to them once they are committed.

        See `take_records`.
        """
        identity = self._doors.identity
        with self._doors.writing() as session:
            taken = take_records(session, member, body, now_ms=identity.clock())
        domain, signer = identity.place.blacklist_domain, identity.keys.approver
        held = Held([], [])
        for one in taken.records:
            signature = b""
            if not isinstance(one, KanheError):
                digest = held_digest(domain, one.entry, taken.key_epoch, one.hash)
                signature = signer.sign_digest(digest)
            held.signatures.append(signature.hex())
            held.refused.append(one.code if isinstance(one, KanheError) else "")
        return msgspec.json.encode(held)

    def show(self, member: int, body: bytes) -> bytes:
        """Show records to another replica that lacks them, and their own to others."""
        with self._doors.reading() as session:
            of_committee = self._epoch(session).index_of(member) is not None
            return show_records(session, body, uploader=None if of_committee else member)

    def _fetch(self, member: int, epoch: EpochCommittee, place: Place) -> int:
        """Ask the other replicas for records of a version that never came here."""
        with self._doors.reading() as session:
            wanted = missing_of(session, place.cut)
        for other in epoch.members:
            if other == member or not wanted:
                continue
            asked = Wanted(epoch.key_epoch, [entry.hex() for entry in wanted])
            try:
                answer = self._ask(other, RECORDS, msgspec.json.encode(asked))
                with self._doors.writing() as session:
                    now_ms = self._doors.identity.clock()
                    kept = keep_fetched(session, place.cut, wanted, answer, now_ms=now_ms)
            except KanheError as error:
                _log.info("records not shown", replica=other, code=error.code)
                continue
            if kept:
                return kept
        return 0

    def _sign(self, member: int, body: bytes) -> bytes:
        with self._doors.reading() as session:
            if self._epoch(session).index_of(member) is None:
                raise _refuse("NOT_IN_COMMITTEE", "roots are signed for committee members alone")
        identity = self._doors.identity
        return building.sign_asked(
            body,
            self._header_of,
            self._due_of,
            identity.place.blacklist_domain,
            identity.keys.approver,
        )

    def _due_of(self, version: int) -> int | None:
        with self._doors.reading() as session:
            cut = session.get(IndexCut, version)
            place = None if cut is None else building.place_of(session, cut)
        return place.revision if place is not None and place.due else None

    def _header_of(self, version: int) -> IndexHeader | None:
        with self._doors.reading() as session:
            cut = session.get(IndexCut, version)
        return None if cut is None else building.own_header(self.replica(), cut)

    # ------------------------------------------------------------------------ inside
    def replica(self) -> Replica:
        """Return this replica's files; the folder is made at its first use."""
        if self._replica is None:
            self._replica = Replica(self._folder)
        return self._replica

    def shelf(self) -> Shelf:
        """Return the versions that are open for readers."""
        if self._shelf is None:
            identity = self._doors.identity
            self._shelf = Shelf(
                self.replica,
                self._place_of,
                identity.place.blacklist_domain,
                identity.keys.approver,
            )
        return self._shelf

    def _place_of(self, version: int) -> tuple[int, int] | None:
        with self._doors.reading() as session:
            row = remembered(
                session,
                ("place", version),
                lambda: session.execute(_PLACE, {"version": version}).first(),
            )
        return None if row is None else (row.key_epoch, row.revision)

    def _epoch(self, session: Session) -> EpochCommittee:
        current = current_key_epoch(session, now_of(session))
        return self._doors.committees.of_epoch(session, max(current, 1))

    def deposits(self, key_epoch: int) -> int:
        """Return how many records lie here for a key epoch."""
        with self._doors.reading() as session:
            query = select(Deposit.entry).where(Deposit.key_epoch == key_epoch)
            return len(session.scalars(query).all())


def _refuse(code: str, says: str) -> ProtocolError:
    return ProtocolError(code, says, where=Where(field="index"), help="nothing was done")
