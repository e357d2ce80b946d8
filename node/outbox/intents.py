"""Intents: one contract call this node wants made, written with the rows that want it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.chain.codec import encode_call
from node.errors import Conflict
from node.tables import Intent, SealedPayload

WAITING: Final = "WAITING"
SIGNED: Final = "SIGNED"
DONE: Final = "DONE"
REFUSED: Final = "REFUSED"
HELD: Final = "HELD"
READY: Final = "READY"
POST: Final = "post"
ADMIN_LANE: Final = "admin"
REGISTRY_LANE: Final = "registry"


def append_intent(
    session: Session,
    *,
    kind: str,
    contract: str,
    call: str,
    args: Sequence[object],
    subject: str,
    lane_key: str,
    agreement: bytes | None = None,
    side: int | None = None,
    seq: int | None = None,
    window: int | None = None,
    person_id: int | None = None,
    now_ms: int | None = None,
) -> int:
    """Ask for a call, inside the caller's SQL transaction; return the intent's id.

    `contract` is Registry or Ledger, `args` are the call's. The same subject with the same call is
    the same intent; a refused one gives its subject up. The bytes of `post` are built from the
    sealed payload when it is signed, so they are not kept twice. Raises `Conflict` INTENT_CONFLICT
    for another call under a living subject, `ProtocolError` CALL_ARGUMENTS.
    """
    calldata = b"" if call == POST else encode_call(contract, call, args)
    standing = session.scalars(select(Intent).where(Intent.subject == subject)).first()
    if standing is not None and standing.state == REFUSED:
        standing.subject = f"{subject[:200]}#refused-{standing.id}"
        session.flush()
    elif standing is not None:
        if standing.calldata != calldata:
            raise Conflict(
                "INTENT_CONFLICT",
                f"{subject} was asked for with other arguments",
                help="wait until it is done or refused",
            )
        return standing.id
    intent = Intent(
        kind=kind,
        subject=subject,
        lane_key=lane_key,
        agreement=agreement,
        side=side,
        seq=seq,
        window=window,
        contract=contract,
        call=call,
        calldata=calldata,
        state=WAITING,
        created_at_ms=int(time.time() * 1000) if now_ms is None else now_ms,
        person_id=person_id,
    )
    session.add(intent)
    session.flush()
    return intent.id


def refuse(session: Session, intent: Intent, code: str, says: str) -> None:
    """Give an intent up for good; its subject becomes free."""
    intent.state, intent.error_code, intent.error = REFUSED, code[:40], says
    intent.subject = f"{intent.subject[:200]}#refused-{intent.id}"
    session.flush()


def release(session: Session, intent_id: int) -> None:
    """Let an intent go on that was HELD, after a person has mended what held it.

    Raises `Conflict` INTENT_NOT_HELD.
    """
    intent = session.get(Intent, intent_id)
    if intent is None or intent.state != HELD:
        raise Conflict("INTENT_NOT_HELD", f"intent {intent_id} is not held", help="see the ledger")
    intent.state, intent.attempts, intent.wake_at_ms = WAITING, 0, 0
    session.flush()


def payload_of(session: Session, intent: Intent) -> SealedPayload | None:
    """Return the READY payload that a `post` intent sends."""
    return session.scalars(
        select(SealedPayload).where(
            SealedPayload.agreement == intent.agreement,
            SealedPayload.side == intent.side,
            SealedPayload.seq == intent.seq,
            SealedPayload.state == READY,
        )
    ).first()


def call_bytes(session: Session, intent: Intent) -> tuple[bytes, int] | None:
    """Return an intent's calldata and its payload's size; None when its payload was withdrawn."""
    if intent.call != POST:
        return intent.calldata, 0
    payload = payload_of(session, intent)
    if payload is None:
        return None
    return encode_call(intent.contract, POST, batch_args(payload)), len(payload.payload)


def batch_args(payload: SealedPayload) -> tuple[object, ...]:
    """Return what `post` takes, and one item of `postMany`."""
    return (
        payload.agreement,
        payload.side,
        payload.seq,
        payload.window,
        payload.prev_head,
        payload.commitment,
        payload.epoch,
        payload.payload,
    )
