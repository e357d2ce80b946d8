"""Closings, attestations and agreed results: one event, one row."""

from __future__ import annotations

from sqlalchemy.orm import Session

from node.chain.codec import Event, RawLog
from node.projections.data import close_stream
from node.tables import AgreedResult, Attestation, Closing, StreamState


def add_closing(
    session: Session, stream: StreamState, event: Event, log: RawLog, time_s: int
) -> None:
    """Write `WindowClosed`."""
    args = event.args
    closing = Closing(
        agreement=args["agreement"],
        side=args["side"],
        window=args["window"],
        last_seq=args["lastSeq"],
        head=args["head"],
        by_default=args["byDefault"],
        tx_hash=log.tx_hash,
        block_time_s=time_s,
        block_number=log.block_number,
        log_index=log.log_index,
    )
    session.add(closing)
    close_stream(stream, closing)


def add_attestation(session: Session, event: Event, log: RawLog, time_s: int) -> None:
    """Write `ResultAttested`."""
    args = event.args
    session.add(
        Attestation(
            agreement=args["agreement"],
            side=args["side"],
            window=args["window"],
            revision=args["revision"],
            servicer_head=args["servicerHead"],
            owner_head=args["ownerHead"],
            previous_agreed_digest=args["previousAgreedDigest"],
            digest=args["digest"],
            flags=args["flags"],
            signature=args["signature"],
            signer=bytes.fromhex(args["approver"].removeprefix("0x")),
            tx_hash=log.tx_hash,
            block_time_s=time_s,
            block_number=log.block_number,
            log_index=log.log_index,
        )
    )


def add_agreed(session: Session, event: Event, log: RawLog, time_s: int) -> None:
    """Write `ResultAgreed`."""
    args = event.args
    session.add(
        AgreedResult(
            agreement=args["agreement"],
            window=args["window"],
            digest=args["digest"],
            state="ONE_SIDED" if args["oneSided"] else "AGREED",
            tx_hash=log.tx_hash,
            block_time_s=time_s,
            block_number=log.block_number,
            log_index=log.log_index,
        )
    )
