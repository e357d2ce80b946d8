"""One run's next step: what this node says on the ledger, and what it keeps.

Judged from final blocks alone: a phase is over when its last block is final, so that all nodes
judge the same words. Each step is one SQL transaction with the word it asks for; after a crash the
same step finds what stands and goes on, or finds its time over and keeps silent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.committees import (
    Run,
    faults_of,
    installed_as,
    load_run,
    outcome_of,
    previous_of,
    shares_hash,
)
from node.crypto.oprf.board import PrivateShare
from node.crypto.oprf.plan import Phase, Plan, Timeline
from node.crypto.oprf.threshold import Committee, ShareHolder
from node.crypto.oprf.words import pack_complaints, pack_deal, pack_shares
from node.crypto.secretfiles import KeptShare
from node.identity import Identity
from node.lookup_calls import LookupCalls
from node.services.committee.parts import Part, draw, forget, keep_share, load_part
from node.tables import CommitteeRun, Incident, KeyEpoch, ShareDelivery
from node.telemetry import logger
from reconcile.model import ProtocolError

JOINED: Final = "JOINED"
HELD: Final = "HELD"
LATE: Final = "LATE"
DEALT: Final = "DEALT"
INSTALLED: Final = "INSTALLED"
RETIRED: Final = "RETIRED"
FAILED: Final = "FAILED"
#: States in which something may still happen.
GOING: Final = (JOINED, HELD, LATE, INSTALLED)
DISQUALIFIED: Final = "DEALER_DISQUALIFIED"
HolderOf = Callable[[Session, bytes], ShareHolder | None]
_log = logger("committee")


@dataclass(frozen=True, slots=True)
class Turn:
    """What a step works with; `holder_of` opens the share that an earlier run gave this node."""

    identity: Identity
    calls: LookupCalls
    member: int
    final_block: int
    holder_of: HolderOf
    backup_folder: Path

    @property
    def now_ms(self) -> int:
        """Return this machine's time."""
        return self.identity.clock()


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did, and the shares that are still to be delivered off the ledger."""

    done: int = 0
    to_send: tuple[PrivateShare, ...] = ()
    plan: Plan | None = None


def advance(session: Session, turn: Turn, row: CommitteeRun) -> Step:
    """Take a run's next step."""
    run = load_run(session, row.run)
    if run is None or run.timeline is None or run.timeline.start > turn.final_block:
        return Step()
    if row.state == JOINED:
        return _play(session, turn, row, run, run.timeline)
    if row.state in {HELD, LATE}:
        return Step(_watch(session, turn, row, run, run.timeline))
    return Step(_retire(session, turn, row))


def _play(session: Session, turn: Turn, row: CommitteeRun, run: Run, timeline: Timeline) -> Step:
    old = None
    if run.plan.resharing:
        old = previous_of(session, run.plan)
    done = _draw(session, turn, row, run, timeline)
    part = load_part(session, turn.identity.keys.ring, row, run, turn.member, old)
    if row.state == FAILED:
        return Step(1)
    if turn.final_block >= timeline.over:
        return Step(_finish(session, turn, row, part, timeline))
    done += _speak(session, turn, part, timeline)
    to_send: tuple[PrivateShare, ...] = ()
    if turn.final_block < timeline.ends(Phase.DEAL):
        to_send = _undelivered(session, turn, part)
    return Step(done, to_send, run.plan)


def _draw(session: Session, turn: Turn, row: CommitteeRun, run: Run, timeline: Timeline) -> int:
    """Draw and deal in one transaction, while a deal can still come in time."""
    if row.secret is not None or run.plan.dealer_index(turn.member) is None:
        return 0
    if run.has_said(turn.member, Phase.DEAL):
        # The polynomials of that deal are on another disk: this node can answer for nothing.
        says = "a deal of this node stands on the ledger, and this copy of its database has none"
        _fail(session, turn, row, "COMMITTEE_STATE_LOST", says)
        return 1
    if turn.final_block >= timeline.ends(Phase.DEAL):
        return 0
    holder = None
    if run.plan.resharing:
        holder = turn.holder_of(session, run.plan.previous)
        if holder is None:
            return 0
    draw(turn.identity.keys.ring, row, run, holder)
    session.flush()
    return 1


def _speak(session: Session, turn: Turn, part: Part, timeline: Timeline) -> int:
    """Ask for the word that is due; what was asked for already is not asked for again."""
    final, run = turn.final_block, part.run
    if part.secret is not None and not run.has_said(turn.member, Phase.DEAL):
        if final < timeline.ends(Phase.DEAL):
            return _say(session, turn, run, Phase.DEAL, pack_deal(part.deal()))
        return 0
    due = next((phase for phase in Phase if final < timeline.ends(phase) and phase > 0), None)
    match due:
        case Phase.COMPLAINT if part.receiver is not None:
            complaints = part.complaints()
            if complaints and not run.has_said(turn.member, Phase.COMPLAINT):
                return _say(session, turn, run, Phase.COMPLAINT, pack_complaints(complaints))
        case Phase.REVEAL:
            reveals = part.reveals()
            if reveals and not run.has_said(turn.member, Phase.REVEAL):
                return _say(session, turn, run, Phase.REVEAL, pack_shares(reveals))
        case Phase.OPENING:
            opening = part.opening()
            if opening is not None and not run.has_said(turn.member, Phase.OPENING):
                return _say(session, turn, run, Phase.OPENING, pack_deal(opening))
        case Phase.EXPOSURE:
            said = {(item.dealer, item.receiver) for item in run.board.exposures}
            new = [item for item in part.exposures() if (item.dealer, item.receiver) not in said]
            if new:
                return _say(session, turn, run, Phase.EXPOSURE, pack_shares(new))
        case _:
            pass
    return 0


def _say(session: Session, turn: Turn, run: Run, phase: Phase, body: bytes) -> int:
    return int(turn.calls.speak(session, run.plan.id, int(phase), body) is not None)


def _undelivered(session: Session, turn: Turn, part: Part) -> tuple[PrivateShare, ...]:
    """Return the shares whose receivers have not taken them; the own one is kept at once."""
    if part.secret is None:
        return ()
    taken = set(
        session.scalars(select(ShareDelivery.receiver).where(ShareDelivery.run == part.run.plan.id))
    )
    missing = [at for at in part.run.plan.session.receivers if at not in taken]
    shares = part.shares(missing)
    for share in shares:
        if share.receiver == part.receiver:
            keep_share(session, turn.identity.keys.ring, share, now_ms=turn.now_ms)
            note_delivery(session, share, now_ms=turn.now_ms)
    return tuple(share for share in shares if share.receiver != part.receiver)


def note_delivery(session: Session, share: PrivateShare, *, now_ms: int) -> None:
    """Keep that a receiver has taken its share."""
    if session.get(ShareDelivery, (share.session, share.receiver)) is None:
        session.add(
            ShareDelivery(run=share.session, receiver=share.receiver, delivered_at_ms=now_ms)
        )
        session.flush()


def _finish(session: Session, turn: Turn, row: CommitteeRun, part: Part, timeline: Timeline) -> int:
    """Keep the share and approve the outcome, or end without a key; name who failed."""
    plan = part.run.plan
    _name_faults(session, turn, part.run)
    if part.receiver is None:
        row.state, row.ended_at_ms = DEALT, turn.now_ms
        forget(session, row)
        return 1
    try:
        holder, committee = part.finish()
    except ProtocolError as error:
        _fail(session, turn, row, error.code, error.message)
        return 1
    # The file comes first and is backed up; a crash before the commit finds it and goes on.
    files = turn.identity.keys.require_files()
    files.keep_share(plan.id, KeptShare(holder.index, bytes(holder.pair.secret)))
    files.back_up(turn.backup_folder, turn.now_ms)
    row.state = HELD
    forget(session, row)
    approve(session, turn.calls, plan, committee, timeline)
    _log.info("share held", epoch=plan.key_epoch, sharing=plan.sharing, node=holder.index)
    return 1


def approve(
    session: Session, calls: LookupCalls, plan: Plan, committee: Committee, timeline: Timeline
) -> int | None:
    """Ask for this member's approval of a run's outcome."""
    return calls.approve_key_epoch(
        session,
        plan.key_epoch,
        plan.threshold,
        plan.members,
        public_key=committee.public,
        shares_hash=shares_hash(committee),
        switch_block=switch_of(session, plan, timeline),
    )


def switch_of(session: Session, plan: Plan, timeline: Timeline) -> int:
    """Return the block from which the key is used: a re-sharing keeps its epoch's."""
    if not plan.resharing:
        return timeline.switch
    row = session.get(KeyEpoch, (plan.key_epoch, plan.sharing - 1))
    return timeline.switch if row is None else row.switch_block


def _watch(session: Session, turn: Turn, row: CommitteeRun, run: Run, timeline: Timeline) -> int:
    """Take the share into use once the ledger has the epoch, or give it up after its time."""
    installed = installed_as(session, run.plan, outcome_of(session, run))
    if installed is not None and installed.block_number <= turn.final_block:
        row.state = INSTALLED
        return 1
    if installed is None and turn.final_block > timeline.switch:
        if may_install(session, run.plan, turn.final_block):
            done = int(row.state != LATE)
            row.state = LATE
            return done
        _destroy(turn, row)
        says = f"the outcome was not approved by block {timeline.switch}"
        _fail(session, turn, row, "KEY_EPOCH_NOT_APPROVED", says)
        return 1
    return 0


def may_install(session: Session, plan: Plan, final_block: int) -> bool:
    """Say whether the ledger still takes approvals of a run whose time to be approved is over.

    A new key's switch block has passed. A re-sharing has none of its own: until another sharing or
    a later key epoch stands, a last approval installs it, and the old shares are destroyed for it.
    """
    if not plan.resharing:
        return False
    shared = select(KeyEpoch.sharing).where(
        KeyEpoch.key_epoch == plan.key_epoch,
        KeyEpoch.sharing >= plan.sharing,
        KeyEpoch.block_number <= final_block,
    )
    followed = select(KeyEpoch.key_epoch).where(
        KeyEpoch.key_epoch > plan.key_epoch, KeyEpoch.block_number <= final_block
    )
    return session.scalar(shared.limit(1)) is None and session.scalar(followed.limit(1)) is None


def _retire(session: Session, turn: Turn, row: CommitteeRun) -> int:
    """Destroy a share that later ones have replaced: t old shares still open everything."""
    newest = session.scalars(
        select(KeyEpoch)
        .where(KeyEpoch.block_number <= turn.final_block)
        .order_by(KeyEpoch.key_epoch.desc(), KeyEpoch.sharing.desc())
    ).all()
    shared_anew = any(
        item.key_epoch == row.key_epoch and item.sharing > row.sharing for item in newest
    )
    followed = any(
        item.key_epoch > row.key_epoch and item.switch_block <= turn.final_block for item in newest
    )
    if not (shared_anew or followed):
        return 0
    _destroy(turn, row)
    row.state, row.ended_at_ms = RETIRED, turn.now_ms
    return 1


def _destroy(turn: Turn, row: CommitteeRun) -> None:
    gone = turn.identity.keys.require_files().destroy_share(row.run, turn.backup_folder)
    _log.info("share destroyed", epoch=row.key_epoch, sharing=row.sharing, copies=gone)


def _fail(session: Session, turn: Turn, row: CommitteeRun, code: str, says: str) -> None:
    row.state, row.error_code, row.error = FAILED, code[:40], says
    row.ended_at_ms = turn.now_ms
    forget(session, row)
    _log.warning("run failed", code=code, says=says)


def _name_faults(session: Session, turn: Turn, run: Run) -> None:
    """Keep an incident for each dealer that failed; the words on the ledger are the evidence."""
    plan = run.plan
    for fault in faults_of(session, run):
        member = plan.dealer_member(fault.dealer)
        fingerprint = f"{DISQUALIFIED}/{plan.id.hex()}/{member}"
        known = session.scalars(select(Incident).where(Incident.fingerprint == fingerprint))
        if known.first() is not None:
            continue
        session.add(
            Incident(
                kind=DISQUALIFIED,
                fingerprint=fingerprint,
                says=f"member {member}, dealer {fault.dealer} of key epoch {plan.key_epoch}, "
                f"{fault.says}. Who does so again does not belong in the committee.",
                evidence={
                    "run": plan.id.hex(),
                    "member": str(member),
                    "words": [
                        {"phase": word.phase, "block": str(word.block), "body": word.body.hex()}
                        for word in run.words
                        if word.member == member
                    ],
                },
                stops_signing=False,
                opened_at_ms=turn.now_ms,
            )
        )
        session.flush()
