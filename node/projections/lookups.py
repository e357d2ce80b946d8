"""The log of `Lookups`: one event, one row; a revocation is noted on its consent."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import delete, update
from sqlalchemy.orm import Session

from node.chain.codec import Event, RawLog
from node.screening.consents import consent_key
from node.tables import (
    CommitteeWord,
    KeyEpoch,
    KeyEpochApproval,
    LookupLog,
    RecordedConsent,
)

ROWS: Final = (KeyEpoch, KeyEpochApproval, CommitteeWord, LookupLog, RecordedConsent)


def append(session: Session, event: Event, log: RawLog, time_s: int) -> None:
    """Write the row of one event of `Lookups`."""
    args = event.args
    if event.name == "ConsentRevoked":
        consent = session.get_one(RecordedConsent, consent_key(args["reader"], args["consent"]))
        consent.revoked_block = log.block_number
        consent.revoked_at_s, consent.revoked_tx = time_s, log.tx_hash
    else:
        row = _row(event)
        if row is None:
            return
        row.tx_hash, row.block_time_s = log.tx_hash, time_s
        row.block_number, row.log_index = log.block_number, log.log_index
        session.add(row)
    session.flush()


def rewind(session: Session, block: int) -> None:
    """Delete what follows from blocks above `block`."""
    for model in ROWS:
        columns = model.__table__.c
        session.execute(delete(model).where(columns.block_number > block))
    session.execute(
        update(RecordedConsent)
        .where(RecordedConsent.revoked_block > block)
        .values(revoked_block=None, revoked_at_s=None, revoked_tx=None)
    )


def _row(event: Event) -> Any:  # noqa: ANN401 - one of ROWS
    args = event.args
    match event.name:
        case "KeyEpochInstalled":
            return KeyEpoch(
                key_epoch=args["keyEpoch"],
                sharing=args["sharing"],
                threshold=args["threshold"],
                members=list(args["members"]),
                public_key=args["publicKey"],
                shares_hash=args["sharesHash"],
                switch_block=args["switchBlock"],
            )
        case "KeyEpochProposed":
            return KeyEpochApproval(
                digest=args["digest"], member=args["member"], key_epoch=args["keyEpoch"]
            )
        case "CommitteeSpoke":
            return CommitteeWord(
                session=args["session"],
                member=args["member"],
                phase=args["phase"],
                body=args["body"],
            )
        case "LookupLogAnchored":
            return LookupLog(
                member=args["member"], day=args["day"], root=args["root"], count=args["count"]
            )
        case "ConsentRecorded":
            return RecordedConsent(
                consent=consent_key(args["reader"], args["consent"]),
                reader=args["reader"],
                level=args["level"],
                valid_to_s=args["validTo_s"],
            )
    return None
