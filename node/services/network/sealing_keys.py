"""What happens by itself: sealing keys are published, epoch keys published and answered.

A key is published only after a backup that holds it is on the disk: a crash between the two
leaves an unpublished key, which the next turn backs up and publishes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from node.agreements import ACTIVE, Facts
from node.calls import Calls
from node.crypto.keys import EpochKey as EpochSecret
from node.crypto.keys import SealingKey as SealingSecret
from node.crypto.keys import SealingPublicKey
from node.identity import Identity, chain_time_s
from node.keyring import EPOCH, GENERAL, NO_SIDE, SEALING
from node.tables import EpochKey, LocalKey, Member, SealingKey
from reconcile.model import ProtocolError, Side

DAY_S: Final = 86_400
# The registry takes at most 31 days; a generation lives a month less the delay of its block.
SEALING_LIFE_S: Final = 30 * DAY_S
# The next generation is published while the old one still serves for a week.
RENEW_BEFORE_S: Final = 7 * DAY_S
DOES_NOT_OPEN: Final = 1
DOES_NOT_MATCH: Final = 2
PUBLISHED: Final = "PUBLISHED"
REJECTED: Final = "REJECTED"
MEMBER_ACTIVE: Final = "ACTIVE"


@dataclass(frozen=True, slots=True)
class Turn:
    """What one reaction works with."""

    identity: Identity
    calls: Calls
    member: int
    backup_folder: Path

    @property
    def now_ms(self) -> int:
        """Return this machine's time."""
        return self.identity.clock()


_NEWEST: Final = (
    select(SealingKey)
    .where(SealingKey.member == bindparam("member"), SealingKey.agreement == bindparam("agreement"))
    .order_by(SealingKey.generation.desc())
    .limit(1)
)


def newest_sealing_key(session: Session, member: int, agreement: bytes) -> SealingKey | None:
    """Return a member's newest sealing key for an agreement (zeros: the general one)."""
    return session.scalars(_NEWEST, {"member": member, "agreement": agreement}).one_or_none()


def publish_sealing(session: Session, turn: Turn, agreement: bytes = GENERAL) -> bool:
    """Publish the first or next generation where it is due; True when something was begun."""
    now_s = chain_time_s(session)
    newest = newest_sealing_key(session, turn.member, agreement)
    ring = turn.identity.keys.ring
    held = newest is not None and ring.find(session, SEALING, agreement, NO_SIDE, newest.generation)
    ends = None if newest is None else newest.ends_at_s
    lasting = ends is None or ends - now_s > RENEW_BEFORE_S
    if newest is not None and held and lasting:
        return False
    generation = 1 if newest is None else newest.generation + 1
    if turn.calls.pending(session, turn.calls.sealing_subject(turn.member, agreement, generation)):
        return False
    row = ring.find(session, SEALING, agreement, NO_SIDE, generation)
    if row is None:
        key = SealingSecret.generate()
        row = ring.keep(
            session,
            purpose=SEALING,
            agreement=agreement,
            side=NO_SIDE,
            generation=generation,
            public=key.public.data,
            secret=key.secret,
            now_ms=turn.now_ms,
        )
    _back_up(session, turn, row)
    turn.calls.publish_sealing_key(
        session,
        turn.member,
        agreement,
        generation,
        ends_at_s=max(now_s, turn.now_ms // 1000) + SEALING_LIFE_S,
        public_key=row.public,
    )
    return True


def _back_up(session: Session, turn: Turn, row: LocalKey) -> None:
    if row.backed_up_at_ms is None:
        turn.identity.keys.ring.back_up(session, turn.backup_folder, now_ms=turn.now_ms)


def publish_epoch(session: Session, turn: Turn, facts: Facts, side: Side) -> bool:
    """Publish a side's first epoch key once every reader can be sealed to; True when begun."""
    if facts.state != ACTIVE:
        return False
    last = session.execute(
        select(EpochKey)
        .where(EpochKey.agreement == facts.agreement, EpochKey.side == int(side))
        .order_by(EpochKey.epoch.desc())
        .limit(1)
    ).scalar_one_or_none()
    if last is not None and not _renewal_due(session, turn, facts, last):
        return False
    epoch = 1 if last is None else last.epoch + 1
    if turn.calls.pending(session, turn.calls.epoch_subject(facts.agreement, side, epoch)):
        return False
    recipients = _recipients(session, facts)
    if recipients is None:
        return False
    stream = turn.identity.place.stream(facts.agreement, side)
    ring = turn.identity.keys.ring
    row = ring.find(session, EPOCH, facts.agreement, int(side), epoch)
    secret = (
        EpochSecret.generate(stream, epoch)
        if row is None
        else EpochSecret(stream, epoch, ring.open(row))
    )
    row = ring.keep(
        session,
        purpose=EPOCH,
        agreement=facts.agreement,
        side=int(side),
        generation=epoch,
        public=secret.commitment,
        secret=secret.key,
        now_ms=turn.now_ms,
    )
    _back_up(session, turn, row)
    wraps = tuple(
        (
            key.member,
            key.generation,
            secret.wrap(key.member, key.generation, SealingPublicKey.parse(key.public_key)),
        )
        for key in recipients
    )
    turn.calls.publish_key(session, facts.agreement, side, epoch, secret.commitment, wraps)
    return True


def _renewal_due(session: Session, turn: Turn, facts: Facts, last: EpochKey) -> bool:
    """Say whether the next epoch is due: the last was rejected, or its readers' keys moved on."""
    if last.state == REJECTED:
        return True
    own = newest_sealing_key(session, turn.member, facts.agreement)
    wrapped = [int(wrap["generation"]) for wrap in last.wraps if wrap["recipient"] == turn.member]
    return own is not None and bool(wrapped) and own.generation > wrapped[0]


def _recipients(session: Session, facts: Facts) -> Sequence[SealingKey] | None:
    """Return the readers' newest keys in the ledger's order, None while a party has none yet."""
    found: list[SealingKey] = []
    for member in facts.parties:
        if member == 0:
            continue
        key = newest_sealing_key(session, member, facts.agreement)
        if key is None:
            return None
        found.append(key)
    for observer in sorted(facts.observers):
        row = session.get(Member, observer)
        key = newest_sealing_key(session, observer, facts.agreement)
        # An observer without a key, or suspended, cannot stop the stream (EpochKeys.sol).
        if key is not None and row is not None and row.state == MEMBER_ACTIVE:
            found.append(key)
    return found


def answer_epochs(session: Session, turn: Turn, facts: Facts) -> int:
    """Acknowledge or reject the other side's epoch keys that wait for an answer."""
    if facts.our_side is None or facts.represented is not None:
        return 0
    side = facts.our_side.other
    waiting = session.execute(
        select(EpochKey).where(
            EpochKey.agreement == facts.agreement,
            EpochKey.side == int(side),
            EpochKey.state == PUBLISHED,
        )
    ).scalars()
    answered = 0
    for row in list(waiting):
        subject = turn.calls.answer_subject(facts.agreement, side, row.epoch)
        if turn.calls.pending(session, subject):
            continue
        try:
            keep_opened(session, turn, facts.agreement, side, row)
        except ProtocolError as error:
            reason = DOES_NOT_MATCH if error.code == "KEY_COMMITMENT" else DOES_NOT_OPEN
            turn.calls.reject_key(session, facts.agreement, side, row.epoch, reason)
        else:
            turn.calls.acknowledge_key(session, facts.agreement, side, row.epoch)
        answered += 1
    return answered


def keep_opened(session: Session, turn: Turn, agreement: bytes, side: Side, row: EpochKey) -> bytes:
    """Open a wrap for this member and keep the epoch key; raises `ProtocolError`."""
    ring = turn.identity.keys.ring
    held = ring.epoch_key(session, agreement, int(side), row.epoch)
    if held is not None:
        return held
    key = unwrap(session, turn.identity, turn.member, agreement, side, row)
    ring.keep(
        session,
        purpose=EPOCH,
        agreement=agreement,
        side=int(side),
        generation=row.epoch,
        public=row.key_commitment,
        secret=key,
        now_ms=turn.now_ms,
    )
    return key


def unwrap(
    session: Session,
    identity: Identity,
    member: int,
    agreement: bytes,
    side: Side,
    row: EpochKey,
) -> bytes:
    """Return an epoch key from its wrap for this member.

    Raises `ProtocolError` WRAP_NOT_OPENED or KEY_COMMITMENT.
    """
    keys = identity.keys.ring.sealing_keys(session, agreement)
    for wrap in row.wraps:
        generation = int(wrap["generation"])
        if int(wrap["recipient"]) != member or generation not in keys:
            continue
        opened = EpochSecret.unwrap(
            identity.place.stream(agreement, side),
            row.epoch,
            bytes.fromhex(wrap["hpke"].removeprefix("0x")),
            recipient=member,
            generation=generation,
            key=keys[generation],
            commitment=row.key_commitment,
        )
        return opened.key
    raise ProtocolError(
        "WRAP_NOT_OPENED",
        f"epoch {row.epoch} of side {side.word} is not sealed to a key this node holds",
        help="Reject the key on the ledger; its side publishes the next epoch.",
    )
