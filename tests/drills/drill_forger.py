"""A counterparty that does not play by the rules: it has its keys, and writes what it likes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select, update
from sqlalchemy.orm import undefer

from node.agreements import facts_of
from node.bootstrap import Node
from node.calls import Calls
from node.chain.codec import encode_call
from node.chain.transactions import address_bytes
from node.crypto.sealing import seal_batch
from node.identity import chain_time_s
from node.services.posting.sealing import tip_of, usable_epoch
from node.tables import ReportRow, SealedPayload
from reconcile.commitment.header import BatchHeader, PlainBatch, build_batch, join_items
from reconcile.commitment.heads import BatchPlace, next_head
from reconcile.model import Direction, Entry, Side
from reconcile.report import report_digest

Lie = Callable[[BatchHeader], BatchHeader]


@dataclass(frozen=True)
class Forged:
    """A batch that its side would never seal, ready to be posted."""

    seq: int
    window: int
    epoch: int
    prev_head: bytes
    head: bytes
    commitment: bytes
    payload: bytes


def forge(
    node: Node,
    agreement: bytes,
    side: Side,
    window: int,
    *,
    skip: int = 0,
    lie: Lie = lambda header: header,
    spoil: bool = False,
) -> Forged:
    """Seal one entry under a header that lies, or spoil the payload so that nobody opens it."""
    with node.sessions() as session:
        facts = facts_of(session, agreement, node.member)
        stream = node.identity.place.stream(agreement, side)
        tip = tip_of(session, stream)
        now_s = chain_time_s(session)
        epoch = usable_epoch(session, node.keys.ring, facts, side, chain_time_s=now_s)
    assert epoch is not None
    seq = tip.seq + 1 + skip
    entry = Entry(f"FORGED-{seq}", 0, Direction.IN, 12_345, "CNY", window // 8)
    honest = build_batch(agreement=agreement, side=side, seq=seq, window=window, records=[entry])
    header = lie(honest.header)
    items = (msgspec.msgpack.encode(header), *honest.items[1:])
    plain = PlainBatch(header, honest.records, items, join_items(items))
    place = BatchPlace(stream, seq, window, epoch.epoch)
    sealed = seal_batch(plain, bytes(32) if spoil else epoch.key, place)
    payload_hash = hashlib.sha256(sealed.payload).digest()
    head = next_head(tip.head, seq, window, epoch.epoch, sealed.commitment, payload_hash)
    return Forged(seq, window, epoch.epoch, tip.head, head, sealed.commitment, sealed.payload)


def post_forged(node: Node, agreement: bytes, side: Side, forged: Forged) -> None:
    """Hand a forged batch to the node's own outbox."""
    with node.sessions.begin() as session:
        row = SealedPayload(
            agreement=agreement,
            side=int(side),
            seq=forged.seq,
            window=forged.window,
            epoch=forged.epoch,
            prev_head=forged.prev_head,
            head=forged.head,
            commitment=forged.commitment,
            payload=forged.payload,
            record_count=1,
            generation=0,
            state="READY",
            sealed_at_ms=node.clock(),
        )
        session.add(row)
        session.flush()
        row.intent_id = Calls(node.identity).post(session, row)


def try_to_post(node: Node, agreement: bytes, side: Side, forged: Forged) -> None:
    """Ask the contract what it would say; raises the `ContractError` it reverts with."""
    arguments = (
        agreement,
        int(side),
        forged.seq,
        forged.window,
        forged.prev_head,
        forged.commitment,
        forged.epoch,
        forged.payload,
    )
    node.client.view(
        node.target.contracts.ledger,
        encode_call("Ledger", "post", arguments),
        sender=address_bytes(node.keys.poster),
    )


def lie_about_report(node: Node, agreement: bytes, window: int) -> None:
    """Leave a break out of the stored proof, as a side that hides one would; the rest stands."""
    with node.sessions.begin() as session:
        row = session.scalars(
            select(ReportRow)
            .where(ReportRow.agreement == agreement, ReportRow.window == window)
            .order_by(ReportRow.id.desc())
            .options(undefer(ReportRow.report))
        ).first()
        assert row is not None
        report: dict[str, Any] = msgspec.json.decode(row.report)
        report["breaks"] = report["breaks"][1:]
        session.execute(
            update(ReportRow)
            .where(ReportRow.id == row.id)
            .values(report=msgspec.json.encode(report), digest=report_digest(report))
        )


def other_totals(header: BatchHeader) -> BatchHeader:
    """Return a header whose sum is one minor unit off."""
    first = header.totals[0]
    lied = msgspec.structs.replace(first, in_minor=str(int(first.in_minor) + 1))
    return msgspec.structs.replace(header, totals=(lied,))


def other_count(header: BatchHeader) -> BatchHeader:
    """Return a header that counts a record more."""
    return msgspec.structs.replace(header, count=header.count + 1)


__all__ = [
    "Forged",
    "forge",
    "lie_about_report",
    "other_count",
    "other_totals",
    "post_forged",
    "try_to_post",
]
