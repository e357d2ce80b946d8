"""The committee's service: runs are proposed and joined by people, the rest happens by itself."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from node.blacklist import current_key_epoch, now_of
from node.committees import EpochCommittee, Run, installed_as, load_run, outcome_of
from node.crypto.oprf import group
from node.crypto.oprf.plan import Phase, Plan
from node.crypto.oprf.threshold import ShareHolder
from node.doors import Doors
from node.errors import NotFound
from node.lookup_calls import LookupCalls
from node.peers.client import PREFIX
from node.services.committee import ceremony
from node.services.committee.ceremony import GOING, INSTALLED, JOINED, Step, Turn, note_delivery
from node.services.committee.messages import message_of, read_message, refuse
from node.services.committee.parts import keep_share
from node.services.committee.planning import MARGIN_BLOCKS, final_block, next_plan
from node.services.committee.views import EpochView, RunView, epoch_views, run_views
from node.tables import CommitteeRun, CommitteeWord
from node.telemetry import logger
from reconcile.model import KanheError, ProtocolError, UsageError, Where

#: What other nodes send shares to.
SHARE: Final = "committee/share"
FIRST_PAUSE_MS: Final = 500
MAX_PAUSE_MS: Final = 30_000
DELIVERY_TIMEOUT_S: Final = 2.0
_log = logger("committee")


@dataclass(slots=True)
class _Pause:
    times: int
    wake_at_ms: int


class CommitteeService:
    """One member's part in the committee."""

    def __init__(self, doors: Doors, *, confirmations: int, backup_folder: Path) -> None:
        """Take what all services have; `confirmations` blocks on top make a block final."""
        self._doors = doors
        self._identity = doors.identity
        self._committees = doors.committees
        self._writing = doors.writing
        self._reading = doors.reading
        self._confirmations = confirmations
        self._backup_folder = backup_folder
        self._calls = LookupCalls(doors.identity)
        self._holders: dict[bytes, ShareHolder] = {}
        self._pauses: dict[tuple[bytes, int], _Pause] = {}

    # ------------------------------------------------------------------------ by people
    def propose(
        self,
        members: Sequence[int],
        threshold: int,
        *,
        reshare: bool = False,
        phase_blocks: int | None = None,
        approve_blocks: int | None = None,
        actor: str = "node",
    ) -> bytes:
        """Propose a run, and join it: the next key epoch's key, or the present one shared anew.

        Raises `UsageError` PHASE_TOO_SHORT, COMMITTEE_MEMBER, `ProtocolError` PLAN_MALFORMED,
        OPRF_COMMITTEE_SHAPE, COMMITTEE_UNKNOWN. Returns the run's id.
        """
        least = self._confirmations + MARGIN_BLOCKS
        blocks = 2 * least if phase_blocks is None else phase_blocks
        with self._writing() as session:
            plan = next_plan(
                session,
                self._identity.place,
                self._committees,
                tuple(sorted(members)),
                threshold,
                confirmations=self._confirmations,
                reshare=reshare,
                phase_blocks=blocks,
                approve_blocks=4 * blocks if approve_blocks is None else approve_blocks,
            )
            self._join(session, plan, actor)
            return plan.id

    def join(self, run: bytes, *, actor: str = "node") -> None:
        """Take part in a run that another member proposed; raises as `propose`, RUN_UNKNOWN."""
        with self._writing() as session:
            found = _require_run(session, run)
            expected = next_plan(
                session,
                self._identity.place,
                self._committees,
                found.plan.members,
                found.plan.threshold,
                confirmations=self._confirmations,
                reshare=found.plan.resharing,
                phase_blocks=found.plan.phase_blocks,
                approve_blocks=found.plan.approve_blocks,
                attempt=found.plan.attempt,
            )
            if expected != found.plan:
                raise ProtocolError(
                    "PLAN_STALE",
                    "the run is of another key epoch or sharing than the next one",
                    where=Where(field="plan"),
                    help="the committee changed meanwhile; propose a new run",
                )
            self._join(session, found.plan, actor)

    def approve(self, run: bytes, *, actor: str = "node") -> None:
        """Approve a finished run's outcome as a full member outside of its committee.

        The outcome is computed here from the ledger's words. Raises RUN_UNKNOWN, RUN_NOT_OVER,
        KEY_EPOCH_INSTALLED, or what the run failed with.
        """
        with self._writing() as session:
            found = _require_run(session, run)
            timeline = found.timeline
            if timeline is None or final_block(session) < timeline.over:
                raise ProtocolError(
                    "RUN_NOT_OVER",
                    "the run's last phase is not over",
                    help="`kanhe committee list` shows the block in which it ends",
                )
            committee = outcome_of(session, found)
            if installed_as(session, found.plan, committee) is not None:
                raise UsageError(
                    "KEY_EPOCH_INSTALLED", "the outcome of this run is in force already"
                )
            ceremony.approve(session, self._calls, found.plan, committee, timeline)
            self._doors.act(session, actor, "key-epoch-approve", run.hex())

    def runs(self) -> tuple[RunView, ...]:
        """Return every run, newest first."""
        with self._reading() as session:
            return run_views(session)

    def epochs(self) -> tuple[EpochView, ...]:
        """Return every key epoch, newest first."""
        with self._reading() as session:
            return epoch_views(session, current_key_epoch(session, now_of(session)))

    def find_run(self, text: str) -> bytes:
        """Return the run that an id or its beginning means; `UsageError` RUN_UNKNOWN."""
        wanted = text.lower().removeprefix("0x")
        with self._reading() as session:
            rows = session.scalars(select(CommitteeWord.session).distinct()).all()
        found = [item for item in rows if wanted and item.hex().startswith(wanted)]
        if len(found) == 1:
            return found[0]
        raise UsageError(
            "RUN_UNKNOWN",
            f"{text!r} means {len(found)} runs",
            help="`kanhe committee list` shows them",
        )

    # ------------------------------------------------------------------------ by itself
    def react(self) -> int:
        """Take the next step of every run of ours; return how much was done."""
        with self._reading() as session:
            rows = session.scalars(
                select(CommitteeRun.run).where(CommitteeRun.state.in_(GOING))
            ).all()
        done = 0
        for run in rows:
            step = self._doors.attempts.run(
                f"run {run.hex()[:16]}", functools.partial(self._step, run)
            )
            done += step
        return done

    def _step(self, run: bytes) -> int:
        with self._writing() as session:
            row = session.get(CommitteeRun, run)
            if row is None or row.state not in GOING:
                return 0
            step = ceremony.advance(session, self._turn(session), row)
        if row.state != INSTALLED:
            self._holders.pop(run, None)
        return step.done + self._deliver(step)

    def _deliver(self, step: Step) -> int:
        """Send shares to their receivers, outside of any transaction; who is away is asked later.

        A share that does not arrive is no fault of this turn: its receiver complains on the ledger,
        and the share is revealed there.
        """
        sent = 0
        for share in step.to_send:
            assert step.plan is not None, "shares come with their plan"
            key = (share.session, share.receiver)
            pause = self._pauses.get(key)
            if pause is not None and self._identity.clock() < pause.wake_at_ms:
                continue
            member = step.plan.members[share.receiver - 1]
            try:
                self._doors.peers.client.call(
                    member,
                    PREFIX + SHARE,
                    msgspec.json.encode(message_of(share)),
                    timeout_s=DELIVERY_TIMEOUT_S,
                )
            except KanheError as error:
                self._rest(key, member, error)
                continue
            self._pauses.pop(key, None)
            with self._writing() as session:
                note_delivery(session, share, now_ms=self._identity.clock())
            sent += 1
        return sent

    def _rest(self, key: tuple[bytes, int], member: int, error: KanheError) -> None:
        before = self._pauses.get(key)
        times = 1 if before is None else before.times + 1
        pause_ms = min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** min(times - 1, 16))
        self._pauses[key] = _Pause(times, self._identity.clock() + pause_ms)
        if times == 1:
            _log.warning("share waits", member=member, code=error.code, says=error.message)

    # ------------------------------------------------------------------------ by others
    def handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other nodes may ask, by word."""
        return {SHARE: self.take_share}

    def take_share(self, member: int, body: bytes) -> bytes:
        """Keep a dealer's share before its receipt is acknowledged; the first one counts.

        Raises `ProtocolError` SHARE_MALFORMED, RUN_NOT_JOINED (ask again: this node may be behind),
        SHARE_FOREIGN, SHARE_LATE or SHARE_DIFFERS.
        """
        share = read_message(body)
        with self._writing() as session:
            row = session.get(CommitteeRun, share.session)
            found = load_run(session, share.session)
            if row is None or row.state != JOINED or found is None or found.timeline is None:
                raise refuse("RUN_NOT_JOINED", "this node takes no shares of this run now")
            ours = found.plan.receiver_index(self._identity.require_member(session))
            if found.plan.dealer_index(member) != share.dealer or ours != share.receiver:
                raise refuse("SHARE_FOREIGN", "the share is not from its sender to this node")
            if final_block(session) >= found.timeline.ends(Phase.DEAL):
                raise refuse("SHARE_LATE", "the time for shares is over; answer on the ledger")
            kept = keep_share(
                session, self._identity.keys.ring, share, now_ms=self._identity.clock()
            )
            if kept != share:
                raise refuse("SHARE_DIFFERS", "another share of this dealer came first")
        return b"{}"

    # ------------------------------------------------------------------------ for services
    def holder(self, session: Session, key_epoch: int) -> tuple[ShareHolder, EpochCommittee]:
        """Return this node's share of an epoch's key, and the committee that it is of.

        Raises `ProtocolError` COMMITTEE_UNKNOWN, NOT_IN_COMMITTEE or SHARE_MISSING.
        """
        epoch = self._committees.of_epoch(session, key_epoch)
        member = self._identity.require_member(session)
        if epoch.index_of(member) is None:
            raise refuse("NOT_IN_COMMITTEE", f"this node holds no share of key epoch {key_epoch}")
        holder = self._holder_of(session, epoch.run)
        if holder is None:
            raise refuse(
                "SHARE_MISSING",
                f"this node's share of key epoch {key_epoch} is not in its key store",
            )
        return holder, epoch

    def _holder_of(self, _session: Session, run: bytes) -> ShareHolder | None:
        """Open a share once a process: its file is stretched, and stretched slowly."""
        found = self._holders.get(run)
        if found is None:
            kept = self._identity.keys.require_files().share(run)
            if kept is None:
                return None
            found = ShareHolder.of(kept.index, group.scalar(kept.secret, "share"))
            self._holders[run] = found
        return found

    # ------------------------------------------------------------------------ inside
    def _join(self, session: Session, plan: Plan, actor: str) -> None:
        member = self._identity.require_member(session)
        if plan.receiver_index(member) is None and plan.dealer_index(member) is None:
            raise UsageError(
                "COMMITTEE_MEMBER",
                "this node's member takes no part in the run",
                help="full members outside of the committee approve its outcome instead",
            )
        self._identity.keys.require_files()
        if session.get(CommitteeRun, plan.id) is None:
            session.add(
                CommitteeRun(
                    run=plan.id,
                    plan=plan.pack(),
                    key_epoch=plan.key_epoch,
                    sharing=plan.sharing,
                    state=JOINED,
                    joined_at_ms=self._identity.clock(),
                )
            )
        self._calls.speak(session, plan.id, int(Phase.JOIN), plan.pack())
        self._doors.act(session, actor, "run-join", plan.id.hex())

    def _turn(self, session: Session) -> Turn:
        return Turn(
            identity=self._identity,
            calls=self._calls,
            member=self._identity.require_member(session),
            final_block=final_block(session),
            holder_of=self._holder_of,
            backup_folder=self._backup_folder,
        )


def _require_run(session: Session, run: bytes) -> Run:
    found = load_run(session, run)
    if found is None:
        raise NotFound(
            "RUN_UNKNOWN",
            f"the ledger knows no run {run.hex()[:16]}…",
            help="let the node catch up; `kanhe committee list` shows the runs",
        )
    return found
