"""What became of transactions, by their locally computed hash.

A transaction is done when its block is final *and* the follower has read that block, so that rows
and outbox agree. Until then its bytes stay ready: when it vanishes (a reorg, a restarted pool) the
same bytes are sent again. Finally reverted, its intent is signed anew, waits, or is refused, as the
contract's error says.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.chain.client import ChainClient, Receipt
from node.chain.profile import EngineProfile
from node.errors import ChainError, Turn
from node.outbox.intents import DONE, HELD, POST, SIGNED, WAITING, refuse
from node.outbox.lanes import UNFINAL, lane_of, note_final
from node.outbox.settling import withdraw
from node.tables import Batch, Block, Cursor, Intent, Transaction

FINAL: Final = "FINAL"
REVERTED: Final = "REVERTED"
REPLACED: Final = "REPLACED"
MINED: Final = "MINED"
SENT: Final = "SENT"
MAX_ATTEMPTS: Final = 12
FIRST_PAUSE_MS: Final = 500
MAX_PAUSE_MS: Final = 300_000
LOOK_UP: Final = 256
# Errors that pass by themselves: a key not yet in force, an epoch not yet acknowledged, …
PASSING: Final = frozenset(
    {
        "AgreementStateNotAllowed",
        "AgreementUnknown",
        "DrawNotDue",
        "EpochNotUsable",
        "KeyNotValid",
        "KeyUnknown",
        "MemberNotActive",
        "OpeningNotClosed",
        "QuorumMissing",
        "SealingGenerationNotUsable",
        "WindowAhead",
        "WindowNotClosed",
    }
)
# What makes a sealed payload useless for ever: its window, epoch or agreement is closed.
RESEAL: Final = frozenset({"WindowClosedAlready", "EpochBehind", "WindowAboveLast"})


@dataclass(frozen=True, slots=True)
class Seen:
    """What the chain says of one transaction; `reverted_by` where it reverted finally."""

    receipt: Receipt | None
    reverted_by: ChainError | None = None


def open_transactions(session: Session) -> list[Transaction]:
    """Return what is not final, oldest first."""
    found = select(Transaction).where(Transaction.state.in_(UNFINAL))
    return list(
        session.scalars(found.order_by(Transaction.address, Transaction.nonce).limit(LOOK_UP))
    )


def seen_in_rows(session: Session, transactions: Sequence[Transaction]) -> dict[bytes, Seen]:
    """Return what the follower has read of them: a receipt would carry every payload again."""
    hashes = [item.tx_hash for item in transactions]
    rows = session.execute(
        select(Batch.tx_hash, Batch.block_number, Block.hash)
        .join(Block, Block.number == Batch.block_number)
        .where(Batch.tx_hash.in_(hashes))
    )
    return {
        tx_hash: Seen(Receipt(tx_hash, number, block_hash, succeeded=True, gas_used=0))
        for tx_hash, number, block_hash in rows
    }


def look_up(
    client: ChainClient, transactions: Sequence[Transaction], final_block: int
) -> dict[bytes, Seen]:
    """Ask the chain about transactions; no SQL transaction is open meanwhile."""
    receipts = client.receipts([item.tx_hash for item in transactions])
    seen: dict[bytes, Seen] = {}
    for transaction, receipt in zip(transactions, receipts, strict=True):
        error = None
        if receipt is not None and not receipt.succeeded and receipt.block_number <= final_block:
            mined = client.transaction(transaction.tx_hash)
            error = None if mined is None else client.replay_error(mined)
            error = error or ChainError("reverted, and would not now", code="REVERTED_ONCE")
        seen[transaction.tx_hash] = Seen(receipt, error)
    return seen


def record(
    session: Session,
    seen: dict[bytes, Seen],
    final_nonces: dict[bytes, int],
    profile: EngineProfile,
    now_ms: int,
) -> list[int]:
    """Write down what was seen; return of each transaction that became final, since when (ms)."""
    cursor = session.get_one(Cursor, 1)
    finished: list[int] = []
    for transaction in open_transactions(session):
        fact = seen.get(transaction.tx_hash)
        if fact is None:
            continue
        receipt = fact.receipt
        if receipt is None:
            if _not_mined(session, transaction, final_nonces, now_ms):
                finished.append(now_ms - transaction.signed_at_ms)
            continue
        transaction.block_number = receipt.block_number
        transaction.block_hash = receipt.block_hash
        if receipt.block_number > cursor.final_block:
            transaction.state = MINED
            continue
        finished.append(now_ms - transaction.signed_at_ms)
        note_final(lane_of(session, transaction.address, profile), profile)
        if receipt.succeeded:
            transaction.state = FINAL
            _succeeded(session, transaction, now_ms)
        else:
            transaction.state = REVERTED
            assert fact.reverted_by is not None or receipt.block_number > 0
            _reverted(session, transaction, fact.reverted_by, now_ms)
    session.flush()
    return finished


def intents_of(session: Session, transaction: Transaction) -> list[Intent]:
    """Return the intents that this transaction carries now."""
    found = select(Intent).where(Intent.tx_hash == transaction.tx_hash, Intent.state == SIGNED)
    return list(session.scalars(found.order_by(Intent.id)))


def _not_mined(
    session: Session, transaction: Transaction, final_nonces: dict[bytes, int], now_ms: int
) -> bool:
    """Handle a transaction in no block: it waits, vanished, or (True) lost its nonce for good."""
    transaction.block_number = transaction.block_hash = None
    if transaction.state == MINED:
        # Its block is gone: due at once.
        transaction.state, transaction.sent_at_ms = SENT, 0
    if final_nonces.get(transaction.address, 0) <= transaction.nonce:
        return False
    transaction.state = REPLACED
    for intent in intents_of(session, transaction):
        intent.state, intent.wake_at_ms = WAITING, now_ms
    return True


def _succeeded(session: Session, transaction: Transaction, now_ms: int) -> None:
    for intent in intents_of(session, transaction):
        # A batch is done when its row is settled with our head: the receipt alone does not say so.
        if intent.call == POST:
            continue
        intent.state, intent.done_at_ms = DONE, now_ms
        intent.error = intent.error_code = None


def _reverted(
    session: Session, transaction: Transaction, error: ChainError | None, now_ms: int
) -> None:
    name = type(error).__name__
    says = "reverted without a reason" if error is None else error.message
    transaction.error = says
    intents = intents_of(session, transaction)
    if len(intents) > 1:
        # All or nothing: which one failed is found by sending them singly.
        for intent in intents:
            intent.state, intent.alone, intent.wake_at_ms = WAITING, True, now_ms
        return
    for intent in intents:
        intent.error, intent.error_code = says, (error.code if error else "REVERTED")[:40]
        _after_revert(session, intent, name, error, now_ms)


def _after_revert(
    session: Session, intent: Intent, name: str, error: ChainError | None, now_ms: int
) -> None:
    turn = Turn.RETRYABLE if error is None else error.turn
    if intent.call == POST and name in RESEAL:
        assert intent.agreement is not None, "a post names its side"
        assert intent.side is not None, "a post names its side"
        assert intent.seq is not None, "a post names its side"
        withdraw(session, intent.agreement, intent.side, intent.seq, intent.error_code or name)
    elif turn is Turn.ALREADY_DONE and intent.call != POST:
        intent.state, intent.done_at_ms = DONE, now_ms
    elif turn is Turn.REJECTED_FOR_GOOD and name not in PASSING and intent.call != POST:
        refuse(session, intent, intent.error_code or name, intent.error or name)
    elif intent.attempts >= MAX_ATTEMPTS:
        _give_up(session, intent)
    else:
        # Signed anew, around the same payload where it is a batch.
        intent.state = WAITING
        intent.wake_at_ms = now_ms + pause_ms(intent.attempts)


def _give_up(session: Session, intent: Intent) -> None:
    """Hold a batch for an operator (its stream depends on it); refuse anything else."""
    if intent.call == POST:
        intent.state = HELD
    else:
        refuse(
            session, intent, intent.error_code or "ATTEMPTS", intent.error or "too many attempts"
        )


def pause_ms(attempts: int) -> int:
    """Return the pause before the next attempt: doubling, bounded."""
    return int(min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** max(0, attempts - 1)))
