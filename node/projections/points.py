"""The log of `Points`: every movement a row, and each member's sums kept beside them."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import and_, case, delete, func, select, update
from sqlalchemy.orm import Session

from node.chain.codec import NO_TEXT, Event, RawLog
from node.screening.states import AuditState
from node.tables import (
    EvaluationAudit,
    PointAccount,
    PointCount,
    PointMovement,
    Settlement,
    SettlementRow,
    TicketRange,
)
from node.tables.base import MAX_BIGINT
from reconcile.model import ZERO32

MINTED: Final = "MINTED"
BURNED: Final = "BURNED"
OWED: Final = "OWED"
DEBT: Final = "debt"
SETTLEMENT: Final = "settlement"
MOVEMENTS: Final = {
    "PointsMinted": MINTED,
    "PointsBurned": BURNED,
    "PointsStaked": "STAKED",
    "PointsReleased": "RELEASED",
    "DebtIncurred": OWED,
}
#: Of the contract's `TicketKind`, in its order.
TICKET_KINDS: Final = ("LOOKUP", "DETAIL", "OWN_RECORD")
ROWS: Final = (PointMovement, PointCount, Settlement, SettlementRow, TicketRange, EvaluationAudit)


def append(session: Session, event: Event, log: RawLog, time_s: int) -> None:
    """Write the row of one event of `Points` and add it to its member's sums."""
    if event.name == "AuditEnded":
        _end_audit(session, event, log, time_s)
        return
    row = _row(event)
    if row is None:
        return
    row.tx_hash, row.block_time_s = log.tx_hash, time_s
    row.block_number, row.log_index = log.block_number, log.log_index
    session.add(row)
    if isinstance(row, PointMovement):
        _move(_account(session, row.member), row)
    elif isinstance(row, PointCount):
        account = _account(session, row.member)
        account.upheld += int(row.upheld)
        account.overturned += int(not row.upheld)
    session.flush()


def rewind(session: Session, block: int) -> None:
    """Delete what follows from blocks above `block`, and add the touched members up again."""
    touched: set[int] = set()
    for found in (
        select(PointMovement.member).where(PointMovement.block_number > block),
        select(PointCount.member).where(PointCount.block_number > block),
    ):
        touched |= set(session.scalars(found.distinct()))
    for model in ROWS:
        columns = model.__table__.c
        session.execute(delete(model).where(columns.block_number > block))
    session.execute(
        update(EvaluationAudit)
        .where(EvaluationAudit.ended_block > block)
        .values(outcome=None, ended_block=None, ended_at_s=None, ended_tx=None)
    )
    session.execute(delete(PointAccount).where(PointAccount.member.in_(touched)))
    session.expire_all()
    for member in touched:
        _add_up(session, member)


def _end_audit(session: Session, event: Event, log: RawLog, time_s: int) -> None:
    row = session.get_one(EvaluationAudit, event.args["audit"])
    row.outcome = AuditState(event.args["outcome"]).name
    row.ended_block, row.ended_at_s, row.ended_tx = log.block_number, time_s, log.tx_hash
    session.flush()


def _account(session: Session, member: int) -> PointAccount:
    account = session.get(PointAccount, member)
    if account is None:
        account = PointAccount(
            member=member, minted=0, burned=0, owed=0, earned=0, upheld=0, overturned=0
        )
        session.add(account)
    return account


def _move(account: PointAccount, movement: PointMovement) -> None:
    amount = movement.amount
    if movement.kind == MINTED:
        account.minted += amount
        account.earned += amount if movement.reason == SETTLEMENT else 0
    elif movement.kind == BURNED:
        account.burned += amount
        account.owed -= amount if movement.reason == DEBT else 0
    elif movement.kind == OWED:
        account.owed += amount


def _add_up(session: Session, member: int) -> None:
    """Make a member's sums from its movements; none where it has none left."""
    kind, reason, amount = PointMovement.kind, PointMovement.reason, PointMovement.amount

    def total(which: Any) -> Any:  # noqa: ANN401 - SQL words
        return func.coalesce(func.sum(case((which, amount), else_=0)), 0)

    minted, burned, owed, paid, earned, movements = session.execute(
        select(
            total(kind == MINTED),
            total(kind == BURNED),
            total(kind == OWED),
            total(and_(kind == BURNED, reason == DEBT)),
            total(and_(kind == MINTED, reason == SETTLEMENT)),
            func.count(),
        ).where(PointMovement.member == member)
    ).one()
    upheld, counts = session.execute(
        select(func.count().filter(PointCount.upheld), func.count()).where(
            PointCount.member == member
        )
    ).one()
    if not movements and not counts:
        return
    session.add(
        PointAccount(
            member=member,
            minted=int(minted),
            burned=int(burned),
            owed=int(owed) - int(paid),
            earned=int(earned),
            upheld=upheld,
            overturned=counts - upheld,
        )
    )
    session.flush()


def _word(reason: bytes) -> str:
    """Return the contract's short text: bytes32, ended by zeros."""
    return reason.rstrip(b"\0").decode("ascii", "replace").replace("\0", NO_TEXT)


def _row(event: Event) -> Any:  # noqa: ANN401 - one of ROWS
    args = event.args
    if event.name in MOVEMENTS:
        if args["amount"] > MAX_BIGINT:
            raise ValueError("more points than there can be")
        return PointMovement(
            member=args["member"],
            kind=MOVEMENTS[event.name],
            amount=args["amount"],
            reason=_word(args["reason"]) if "reason" in args else None,
        )
    match event.name:
        case "EntryCounted":
            return PointCount(member=args["member"], upheld=args["upheld"])
        case "TicketsBought":
            return TicketRange(
                first=args["first"],
                count=args["count"],
                member=args["member"],
                kind=TICKET_KINDS[args["kind"]],
                day=args["day"],
                use=None if args["use"] == ZERO32 else args["use"],
            )
        case "AuditBegun":
            return EvaluationAudit(
                audit=args["audit"],
                member=args["member"],
                ticket=args["ticket"],
                subject=args["subject"],
                blinded=args["blinded"],
                key_epoch=args["keyEpoch"],
            )
        case "PeriodSettled":
            return Settlement(
                reader=args["reader"],
                period=args["period"],
                attestations_root=args["attestationsRoot"],
                paid=args["paid"],
            )
        case "RowSettled":
            return SettlementRow(
                reader=args["reader"],
                period=args["period"],
                uploader=args["uploader"],
                hits=args["hits"],
                burned=args["burned"],
                pair_hits=args["k"],
                paid=args["paid"],
            )
    return None
