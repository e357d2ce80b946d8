"""The plan of the next run: which key epoch and sharing, who deals, how long a phase lasts."""

from __future__ import annotations

from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from node.blacklist import newest_sharing
from node.committees import Committees
from node.crypto.oprf.plan import Plan
from node.identity import Place
from node.services.committee.ceremony import FAILED, LATE
from node.tables import CommitteeRun, KeyEpoch, Member
from node.tables.tip import tip_of
from reconcile.model import UsageError, Where

#: A word has to be final before its phase ends, and so many blocks more to be mined at all.
MARGIN_BLOCKS: Final = 8


def next_plan(
    session: Session,
    place: Place,
    committees: Committees,
    members: tuple[int, ...],
    threshold: int,
    *,
    confirmations: int,
    reshare: bool,
    phase_blocks: int,
    approve_blocks: int,
    attempt: int | None = None,
) -> Plan:
    """Return the plan of the next run as this node sees it, its bounds checked.

    Raises `ProtocolError` NO_BLACKLIST, PLAN_MALFORMED, OPRF_COMMITTEE_SHAPE, COMMITTEE_UNKNOWN,
    `UsageError` PHASE_TOO_SHORT, COMMITTEE_MEMBER, NOTHING_TO_RESHARE.
    """
    place.require_blacklist()
    if phase_blocks < confirmations + MARGIN_BLOCKS:
        raise UsageError(
            "PHASE_TOO_SHORT",
            f"a phase of {phase_blocks} blocks ends before its words are final",
            where=Where(field="phase_blocks"),
            help=f"take at least {confirmations + MARGIN_BLOCKS}",
        )
    for member in members:
        row = session.get(Member, member)
        if row is None or row.kind != "FULL" or row.state != "ACTIVE":
            raise UsageError(
                "COMMITTEE_MEMBER",
                f"{member} is no active full member",
                where=Where(field="members"),
                help="`kanhe member list` shows them",
            )
    dealers: tuple[int, ...] = ()
    number, sharing, old_threshold, previous = 0, 0, 0, b""
    last = session.scalar(select(func.max(KeyEpoch.key_epoch))) or 0
    newest = newest_sharing(session, last)
    if not reshare:
        number = last + 1
    elif newest is None:
        raise UsageError("NOTHING_TO_RESHARE", "there is no key epoch yet")
    else:
        epoch = committees.of_epoch(session, last)
        number, sharing, dealers = last, newest.sharing + 1, epoch.members
        old_threshold, previous = newest.threshold, epoch.run
    return Plan(
        place.chain_id,
        place.lookups,
        number,
        sharing,
        failed_attempts(session, number, sharing) if attempt is None else attempt,
        threshold,
        members,
        phase_blocks,
        approve_blocks,
        dealers,
        old_threshold,
        previous,
    )


def failed_attempts(session: Session, key_epoch: int, sharing: int) -> int:
    """Return how many runs of a sharing failed or are late: a further one has another id."""
    rows = session.scalar(
        select(func.count())
        .select_from(CommitteeRun)
        .where(
            CommitteeRun.key_epoch == key_epoch,
            CommitteeRun.sharing == sharing,
            CommitteeRun.state.in_((FAILED, LATE)),
        )
    )
    return rows or 0


def final_block(session: Session) -> int:
    """Return the newest final block that was read, -1 before the first."""
    cursor = tip_of(session)
    return -1 if cursor is None else cursor.final_block
