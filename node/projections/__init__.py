"""The sink behind the follower: logs become rows, and rows go back where a fork says so.

Every row here is a pure function of the chain's log and of the keys this node holds. Poison (a log
that does not decode, a payload that does not open, a header that lies) is kept with its reason and
the stream goes on. A sequence that skips or a head that differs cannot come from our contract: it
is an incident, since either the endpoint lies or the code at the address is another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import delete, select
from sqlalchemy.exc import DataError, IntegrityError, NoResultFound
from sqlalchemy.orm import Session

from node.chain.codec import (
    BATCH_POSTED_TOPIC,
    BLACKLIST,
    LEDGER,
    LOOKUPS,
    POINTS,
    BatchPosted,
    Contracts,
    Event,
    RawLog,
    decode_batch_posted,
    decode_event,
    is_text,
)
from node.projections import blacklist, control, data, lookups, points, windows
from node.projections.reading import SEALED, BatchReader
from node.tables import (
    AgreedResult,
    Attestation,
    Batch,
    BlacklistFact,
    ChainEvent,
    Closing,
    Incident,
    PostedEntry,
    derived_tables,
)
from node.telemetry import logger
from reconcile.model import ZERO32, ProtocolError

EVIDENCE_ROWS: Final = 256
ADMITTED: Final = "MemberAdmitted"
#: The blacklist's contracts, each with what writes its rows.
SCREENING: Final = {
    BLACKLIST: blacklist.append,
    LOOKUPS: lookups.append,
    POINTS: points.append,
}
#: What a fact raises that our contract cannot have said: it is kept as an oddity, and the stream
#: goes on. What no column holds is the driver's `OverflowError`, or a server's `DataError`.
_CONTRADICTIONS: Final = (
    NoResultFound,
    IntegrityError,
    DataError,
    IndexError,
    OverflowError,
    ValueError,
)
_log = logger("projections")


def _now_ms() -> int:
    return int(time.time() * 1000)


class Projections:
    """Turns logs into rows for one node; the follower calls `apply` and `rewind`."""

    def __init__(
        self,
        contracts: Contracts,
        read: BatchReader,
        *,
        now_ms: Callable[[], int] = _now_ms,
        moved: Callable[[bytes | None, int], None] = lambda _agreement, _block: None,
    ) -> None:
        """Take whose logs these are and how a batch is read.

        `moved` is told which agreement each log is about, None for all of them, and its block.
        """
        self._contracts = contracts
        self._read = read
        self._now_ms = now_ms
        self._moved = moved

    # ------------------------------------------------------------------------- forward
    def apply(self, session: Session, logs: Sequence[RawLog], times: Mapping[int, int]) -> None:
        """Write the rows of these logs, in order."""
        for log in logs:
            time_s = times[log.block_number]
            try:
                self._apply_one(session, log, time_s)
            except ProtocolError as error:
                self._quarantine(session, log, "POISON", error.message)
            except _CONTRADICTIONS as error:
                self._quarantine(session, log, "CONTRADICTION", str(error).splitlines()[0])
        session.flush()

    def _apply_one(self, session: Session, log: RawLog, time_s: int) -> None:
        contract = self._contracts.name(log.address)
        if contract == LEDGER and log.topics[:1] == (BATCH_POSTED_TOPIC,):
            batch = decode_batch_posted(log)
            self._moved(batch.agreement, log.block_number)
            self._add_batch(session, batch, log, time_s)
            return
        event = decode_event(contract, log)
        if event is None:
            return
        if contract not in SCREENING:
            named = event.args.get("agreement", ZERO32)
            # Without a name it is about a member: about its agreements, whichever they are.
            self._moved(None if named == ZERO32 else named, log.block_number)
        # A fact that contradicts the earlier ones leaves nothing half done.
        with session.begin_nested():
            if contract in SCREENING:
                SCREENING[contract](session, event, log, time_s)
            elif event.name in control.DATA_EVENTS:
                self._add_data(session, event, log, time_s)
            else:
                control.append(session, event, log, time_s)
        if event.name == ADMITTED and not is_text(event.args["codeText"]):
            says = (
                f"the code of member {event.args['member']} is no text; it is shown by its number"
            )
            self._quarantine(session, log, "POISON", says)

    def _add_batch(self, session: Session, batch: BatchPosted, log: RawLog, time_s: int) -> None:
        stream = data.stream_of(session, self._contracts, batch.agreement, batch.side)
        broken = data.break_of(stream, batch)
        if broken is not None:
            self._report_break(session, stream.last_seq, batch, log, broken)
            if session.get(Batch, (batch.agreement, batch.side, batch.seq)) is not None:
                return
        data.add_batch(session, stream, batch, log, time_s, broken=broken, read=self._read)

    def _add_data(self, session: Session, event: Event, log: RawLog, time_s: int) -> None:
        if event.name == "WindowClosed":
            agreement, side = event.args["agreement"], event.args["side"]
            stream = data.stream_of(session, self._contracts, agreement, side)
            windows.add_closing(session, stream, event, log, time_s)
        elif event.name == "ResultAttested":
            windows.add_attestation(session, event, log, time_s)
        else:
            windows.add_agreed(session, event, log, time_s)

    # ------------------------------------------------------------------------- incidents
    def _report_break(
        self, session: Session, last_seq: int, batch: BatchPosted, log: RawLog, kind: str
    ) -> None:
        place = f"{batch.agreement.hex()}/{batch.side}/{batch.seq}"
        self._incident(
            session,
            kind=kind,
            fingerprint=f"{kind}/{place}/{batch.head.hex()}",
            agreement=batch.agreement,
            side=batch.side,
            seq=batch.seq,
            log=log,
            says=f"batch {batch.seq} of side {batch.side} does not follow batch {last_seq}: {kind}."
            " Our contract cannot do that: is the endpoint honest, is the code ours?",
            stops=True,
        )

    def _quarantine(self, session: Session, log: RawLog, kind: str, says: str) -> None:
        _log.warning("quarantined", block=log.block_number, kind=kind)
        place = f"{log.block_hash.hex()}/{log.log_index}"
        self._incident(
            session,
            kind=kind,
            fingerprint=f"{kind}/{place}",
            log=log,
            says=f"a log of block {log.block_number} makes no sense: {says}",
            # What does not decode may be a later release's; what contradicts cannot be honest.
            stops=kind != "POISON",
        )

    def _incident(
        self,
        session: Session,
        *,
        kind: str,
        fingerprint: str,
        says: str,
        stops: bool,
        log: RawLog,
        agreement: bytes | None = None,
        side: int | None = None,
        seq: int | None = None,
    ) -> None:
        known = select(Incident.id).where(Incident.fingerprint == fingerprint)
        if session.scalar(known) is not None:
            return
        session.add(
            Incident(
                kind=kind,
                fingerprint=fingerprint,
                agreement=agreement,
                side=side,
                seq=seq,
                block_number=log.block_number,
                says=says,
                evidence={
                    "tx": log.tx_hash.hex(),
                    "block": log.block_hash.hex(),
                    "log_index": log.log_index,
                    "topics": [topic.hex() for topic in log.topics],
                    "data": log.data[:4096].hex(),
                },
                stops_signing=stops,
                opened_at_ms=self._now_ms(),
            )
        )

    # ------------------------------------------------------------------------- backward
    def rewind(self, session: Session, block: int) -> dict[str, Any]:
        """Delete what follows from blocks above `block`; return what was lost, as evidence."""
        session.flush()
        gone = session.scalars(
            select(Batch).where(Batch.block_number > block).order_by(Batch.block_number)
        ).all()
        closings = session.scalars(select(Closing).where(Closing.block_number > block)).all()
        evidence = {
            "batches": [_batch_evidence(batch) for batch in gone[:EVIDENCE_ROWS]],
            "closings": [
                {"agreement": c.agreement.hex(), "side": c.side, "window": c.window}
                for c in closings[:EVIDENCE_ROWS]
            ],
        }
        touched = {(batch.agreement, batch.side) for batch in gone}
        touched |= {(closing.agreement, closing.side) for closing in closings}
        firsts: dict[data.Key, int] = {}
        for batch in gone:
            key = (batch.agreement, batch.side)
            firsts[key] = min(batch.seq, firsts.get(key, batch.seq))
        amended = self._amended_above(session, block, firsts)
        for (agreement, side), first in firsts.items():
            for model in data.RECORD_TABLES:
                columns = model.__table__.c
                session.execute(
                    delete(model).where(
                        columns.agreement == agreement,
                        columns.side == side,
                        columns.seq >= first,
                        columns.block_number > block,
                    )
                )
        for table in (Batch, Closing, Attestation, AgreedResult):
            columns = table.__table__.c
            session.execute(delete(table).where(columns.block_number > block))
        lost: list[ChainEvent | BlacklistFact] = [
            *control.rewind(session, block),
            *blacklist.rewind(session, block),
        ]
        lookups.rewind(session, block)
        points.rewind(session, block)
        evidence["events"] = [
            {"name": fact.name, "tx": fact.tx_hash.hex(), "block": fact.block_number}
            for fact in lost[:EVIDENCE_ROWS]
        ]
        session.expire_all()
        data.note_rebuild(session)
        for (agreement, side), refs in amended.items():
            data.mark_latest(session, agreement, side, refs)
        for agreement, side in touched:
            data.rebuild_stream(session, self._contracts, agreement, side)
        return evidence

    def _amended_above(
        self, session: Session, block: int, firsts: Mapping[data.Key, int]
    ) -> dict[data.Key, set[str]]:
        """Return the refs whose later versions are about to go."""
        return {
            (agreement, side): set(
                session.scalars(
                    select(PostedEntry.entry_ref).where(
                        PostedEntry.agreement == agreement,
                        PostedEntry.side == side,
                        PostedEntry.seq >= first,
                        PostedEntry.block_number > block,
                        PostedEntry.version > 0,
                    )
                )
            )
            for (agreement, side), first in firsts.items()
        }

    # ------------------------------------------------------------------------- again
    def reopen(self, session: Session, agreement: bytes, side: int) -> int:
        """Read a side again from its first SEALED batch, once a key is here; return how many.

        A batch's validity depends on the earlier ones, so everything from there is judged again.
        """
        first = session.scalar(
            select(Batch.seq)
            .where(Batch.agreement == agreement, Batch.side == side, Batch.state == SEALED)
            .order_by(Batch.seq)
            .limit(1)
        )
        if first is None:
            return 0
        data.note_rebuild(session)
        for model in data.RECORD_TABLES:
            columns = model.__table__.c
            session.execute(
                delete(model).where(
                    columns.agreement == agreement, columns.side == side, columns.seq >= first
                )
            )
        rows = session.scalars(
            select(Batch)
            .where(Batch.agreement == agreement, Batch.side == side, Batch.seq >= first)
            .order_by(Batch.seq)
        ).all()
        for row in rows:
            row.state, row.entry_count, row.repeat_count, row.decision_count = SEALED, 0, 0, 0
            # What only a batch that counts says: read anew, it may count no more.
            row.complete_until_ms = row.generation = None
        data.rebuild_stream(session, self._contracts, agreement, side)
        stream = data.stream_of(session, self._contracts, agreement, side)
        for row in session.scalars(
            select(Batch)
            .where(Batch.agreement == agreement, Batch.side == side, Batch.seq >= first)
            .order_by(Batch.seq)
        ).all():
            stream.sealed_count -= 1
            data.write_reading(session, stream, row, self._read(session, _posted(row)))
        return len(rows)

    def drop_derived(self, session: Session) -> None:
        """Empty every derived table; the follower then replays from the first block."""
        for table in reversed(derived_tables()):
            session.execute(delete(table))
        session.expire_all()
        data.note_rebuild(session)


def _posted(row: Batch) -> BatchPosted:
    return BatchPosted(
        row.agreement,
        row.side,
        row.seq,
        row.window,
        row.epoch,
        row.commitment,
        row.head,
        row.payload,
    )


def _batch_evidence(batch: Batch) -> dict[str, Any]:
    return {
        "agreement": batch.agreement.hex(),
        "side": batch.side,
        "seq": batch.seq,
        "head": batch.head.hex(),
        "commitment": batch.commitment.hex(),
        "tx": batch.tx_hash.hex(),
        "block": batch.block_number,
    }
