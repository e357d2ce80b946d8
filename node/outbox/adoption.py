"""Own transactions that this database did not know: after a restore, or with a copied key.

They are found by scanning blocks by sender, since engines offer no search. Each is judged; the lane
stays stopped until an operator has seen the list. If one of them is none of ours, the key is
declared used elsewhere: an incident that stops all signing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from node.chain.client import ChainClient, SeenTransaction
from node.chain.codec import BLACKLIST, LEDGER, LOOKUPS, POINTS, Contracts, decode_call
from node.errors import ChainError, Conflict
from node.outbox.lanes import OPEN, STOPPED
from node.outbox.standing import mark_standing
from node.tables import (
    Adoption,
    Attestation,
    Batch,
    Closing,
    Cursor,
    Incident,
    Member,
    MemberKey,
    NodeFact,
    NonceLane,
    OwnBallot,
    OwnListing,
    Transaction,
)

ADOPTABLE: Final = "ADOPTABLE"
FOREIGN: Final = "FOREIGN"
SCAN_BLOCKS: Final = 50
SCREENING: Final = frozenset({BLACKLIST, LOOKUPS, POINTS})
#: What a POSTER asks of the blacklist's contracts for a person, or by itself.
SCREENING_CALLS: Final = frozenset(
    {
        "acknowledgeRecall",
        "anchorLog",
        "answer",
        "buyDetailTicket",
        "buyTickets",
        "certifyDeletion",
        "challengeRoot",
        "claimAllowance",
        "commitBallot",
        "contest",
        "cut",
        "decide",
        "draw",
        "extendAnswer",
        "lapse",
        "list",
        "openDispute",
        "openRecall",
        "publishRoot",
        "recordConsent",
        "revealBallot",
        "revokeConsent",
        "settle",
        "settleExpiry",
        "speak",
        "tag",
        "vest",
        "withdraw",
    }
)
TO_CONFIRM: Final = "ADOPTION_TO_CONFIRM"
USED_ELSEWHERE: Final = "KEY_USED_ELSEWHERE"
# The fact under which this copy's generation stands; every batch header says it.
GENERATION: Final = "generation"
# The fact that this database may be older than what its keys have sent: nothing is sealed until
# all of that is final, read, and every record that stands is marked posted.
RESTORED: Final = "restored"
# The block up to which this database may have forgotten evaluations; a node that was restored, or
# finds calls of its own that it does not know, learns it in its next turn.
FORGETS_TO: Final = "forgets_to"
NOT_KNOWN: Final = ""
# (session, agreement, side, epoch) → whether this node can open that epoch key.
OpensEpoch = Callable[[Session, bytes, int, int], bool]


def find_unknown(
    client: ChainClient, address: bytes, known: frozenset[bytes], first: int, last: int
) -> list[SeenTransaction]:
    """Return the key's transactions in blocks `first` … `last` that are not in `known`."""
    found: list[SeenTransaction] = []
    for start in range(first, last + 1, SCAN_BLOCKS):
        blocks = range(start, min(start + SCAN_BLOCKS, last + 1))
        for transactions in client.block_transactions(blocks):
            found.extend(
                item
                for item in transactions
                if item.sender == address and item.tx_hash not in known
            )
    return found


def known_hashes(session: Session, address: bytes) -> frozenset[bytes]:
    """Return every transaction of a key that this database knows."""
    mine = select(Transaction.tx_hash).where(Transaction.address == address)
    return frozenset(session.scalars(mine))


def take_up(
    session: Session,
    contracts: Contracts,
    lane: NonceLane,
    unknown: list[tuple[SeenTransaction, bool]],
    opens_epoch: OpensEpoch,
    now_ms: int,
) -> None:
    """Stop the lane and list what was found; pairs are (transaction, succeeded)."""
    verdicts = []
    for seen, succeeded in unknown:
        verdict, what = judge(session, contracts, seen, succeeded, opens_epoch)
        verdicts.append(verdict)
        row = session.get(Adoption, seen.tx_hash) or Adoption(tx_hash=seen.tx_hash)
        row.address, row.nonce = seen.sender, seen.nonce
        row.block_number = seen.block_number or 0
        row.verdict, row.what = verdict, what
        row.details = {"receiver": seen.receiver.hex(), "value_wei": str(seen.value_wei)}
        row.found_at_ms = row.found_at_ms or now_ms
        session.add(row)
    lane.state, lane.checked_at_ms = STOPPED, now_ms
    note_restored(session)
    if FOREIGN in verdicts:
        lane.reason = USED_ELSEWHERE
        _declare_used_elsewhere(session, lane, unknown, now_ms)
    else:
        lane.reason = TO_CONFIRM
    session.flush()


def judge(
    session: Session,
    contracts: Contracts,
    seen: SeenTransaction,
    succeeded: bool,
    opens_epoch: OpensEpoch,
) -> tuple[str, str]:
    """Return whether an unknown transaction may be adopted, and what it is in words."""
    if not succeeded:
        return ADOPTABLE, "reverted: it changed nothing"
    if seen.receiver == seen.sender and not seen.calldata and seen.value_wei == 0:
        return ADOPTABLE, "a filler: zero to self"
    if seen.receiver in {contracts.address(name) for name in SCREENING & set(contracts.addresses)}:
        return _judge_screening(session, contracts.name(seen.receiver), seen)
    call = None if seen.receiver != contracts.ledger else decode_call(LEDGER, seen.calldata)
    if call is None:
        return FOREIGN, f"a call of 0x{seen.receiver.hex()} that this node does not make"
    name, args = call
    rule = _RULES.get(name)
    if rule is None:
        return FOREIGN, f"{name}: this node would have asked a person first"
    return (ADOPTABLE if rule(session, args, seen.tx_hash, opens_epoch) else FOREIGN), name


def _judge_screening(session: Session, contract: str, seen: SeenTransaction) -> tuple[str, str]:
    """Judge a call of the blacklist's contracts: a person asked for each, a person sees the list.

    What was lost with the rows of the other copy (a salt, a hidden vote) is said in words.
    """
    call = decode_call(contract, seen.calldata)
    if call is None or call[0] not in SCREENING_CALLS:
        return FOREIGN, f"a call of {contract} that this node does not make"
    name, args = call
    if name == "list" and session.get(OwnListing, args["entry"]) is None:
        return (
            ADOPTABLE,
            f"list: this copy holds no statement of {args['entry'].hex()}: withdraw it",
        )
    if name == "commitBallot" and session.get(OwnBallot, args["dispute"]) is None:
        return ADOPTABLE, f"commitBallot: the vote in dispute {args['dispute']} cannot be opened"
    return ADOPTABLE, name


Rule = Callable[[Session, Mapping[str, Any], bytes, OpensEpoch], bool]


def _batch(session: Session, args: Mapping[str, Any], tx_hash: bytes, _opens: OpensEpoch) -> bool:
    row = session.get(Batch, (args["agreement"], args["side"], args["seq"]))
    return row is not None and row.tx_hash == tx_hash and row.state == "VALID"


def _batches(session: Session, args: Mapping[str, Any], tx_hash: bytes, opens: OpensEpoch) -> bool:
    return all(_batch(session, item, tx_hash, opens) for item in args["batches"])


def _epoch(session: Session, args: Mapping[str, Any], _tx: bytes, opens: OpensEpoch) -> bool:
    return opens(session, args["agreement"], args["side"], args["epoch"])


def _closing(session: Session, args: Mapping[str, Any], tx_hash: bytes, _opens: OpensEpoch) -> bool:
    # The contract took it only at the head it had stored then.
    row = session.get(Closing, (args["agreement"], args["side"], args["window"]))
    return row is not None and row.tx_hash == tx_hash


def _acknowledgement(
    _session: Session, _args: Mapping[str, Any], _tx: bytes, _opens: OpensEpoch
) -> bool:
    return True


def _attestation(
    session: Session, args: Mapping[str, Any], tx_hash: bytes, _opens: OpensEpoch
) -> bool:
    row = session.get(
        Attestation, (args["agreement"], args["side"], args["window"], args["revision"])
    )
    if row is None or row.tx_hash != tx_hash or row.signer is None:
        return False
    key = session.get(MemberKey, row.signer)
    return key is not None and session.get(Member, key.member) is not None


_RULES: Final[Mapping[str, Rule]] = {
    "post": _batch,
    "postMany": _batches,
    "publishKey": _epoch,
    "closeWindow": _closing,
    "acknowledgeKey": _acknowledgement,
    "attest": _attestation,
}


def _declare_used_elsewhere(
    session: Session, lane: NonceLane, unknown: list[tuple[SeenTransaction, bool]], now_ms: int
) -> None:
    fingerprint = f"{USED_ELSEWHERE}/{lane.address.hex()}/{unknown[-1][0].tx_hash.hex()}"
    if session.scalar(select(Incident.id).where(Incident.fingerprint == fingerprint)) is not None:
        return
    session.add(
        Incident(
            kind=USED_ELSEWHERE,
            fingerprint=fingerprint,
            says=f"the key 0x{lane.address.hex()} sent what this node did not sign: end it in the "
            "registry and mark it compromised, or stop the other copy of this node.",
            evidence={"transactions": [seen.tx_hash.hex() for seen, _ in unknown]},
            stops_signing=True,
            opened_at_ms=now_ms,
        )
    )


def confirm_adoption(
    session: Session, address: bytes, *, person_id: int | None, now_ms: int
) -> int:
    """Let a stopped lane go on after a person has seen the list; return the new generation.

    The lane's nonce moves behind the adopted transactions and its generation rises, so that batches
    of this copy are told from those of the older one. Raises `Conflict` NOTHING_TO_ADOPT.
    """
    lane = session.get(NonceLane, address)
    rows = session.scalars(
        select(Adoption)
        .where(Adoption.address == address, Adoption.confirmed_at_ms.is_(None))
        .order_by(Adoption.nonce)
    ).all()
    if lane is None or lane.reason != TO_CONFIRM or not rows:
        raise Conflict(
            "NOTHING_TO_ADOPT",
            f"no list of transactions of 0x{address.hex()} waits for a confirmation",
            help="see `kanhe outbox list`",
        )
    cursor = session.get_one(Cursor, 1)
    for row in rows:
        row.confirmed_at_ms, row.confirmed_by = now_ms, person_id
        if session.get(Transaction, row.tx_hash) is None:
            session.add(_adopted(row, cursor.seen_at_ms))
    lane.next_nonce = max(lane.next_nonce, rows[-1].nonce + 1)
    lane.state, lane.reason = OPEN, None
    lane.generation += 1
    _raise_generation(session, [row.tx_hash for row in rows])
    note_restored(session)
    session.flush()
    return lane.generation


def note_restored(session: Session) -> None:
    """Let nothing be sealed until `stand_again` has caught up with the ledger.

    What this node evaluated since the copy was made it does not know either.
    """
    if session.get(NodeFact, RESTORED) is None:
        session.add(NodeFact(name=RESTORED, value="1"))
    session.merge(NodeFact(name=FORGETS_TO, value=NOT_KNOWN))


def catches_up(session: Session) -> bool:
    """Say whether sealing waits: a record that the other copy posted would be posted twice."""
    return session.get(NodeFact, RESTORED) is not None


def stand_again(session: Session, now_ms: int) -> bool:
    """Mark what stands and let sealing go on, once every key sends and its calls are final."""
    fact = session.get(NodeFact, RESTORED)
    cursor = session.get(Cursor, 1)
    if fact is None or cursor is None:
        return False
    stopped = session.scalar(select(exists().where(NonceLane.state == STOPPED)))
    newest = session.scalar(select(func.max(Adoption.block_number)))
    if stopped or (newest or 0) > cursor.final_block:
        return False
    mark_standing(session, cursor.final_block, now_ms)
    session.delete(fact)
    return True


def _raise_generation(session: Session, adopted: Sequence[bytes]) -> None:
    """Let what is sealed from now on say a higher generation than this copy or the other did."""
    fact = session.get(NodeFact, GENERATION)
    theirs = session.scalar(select(func.max(Batch.generation)).where(Batch.tx_hash.in_(adopted)))
    value = str(max(0 if fact is None else int(fact.value), theirs or 0) + 1)
    if fact is None:
        session.add(NodeFact(name=GENERATION, value=value))
    else:
        fact.value = value


def _adopted(row: Adoption, at_ms: int) -> Transaction:
    return Transaction(
        tx_hash=row.tx_hash,
        address=row.address,
        nonce=row.nonce,
        purpose="CALL",
        raw=b"",
        gas_limit=0,
        gas_price_wei=0,
        state="ADOPTED",
        attempts=0,
        signed_at_ms=at_ms,
        block_number=row.block_number,
    )


def succeeded_of(client: ChainClient, unknown: list[SeenTransaction]) -> list[bool]:
    """Return per transaction whether it succeeded; raises `ChainError` where one vanished."""
    receipts = client.receipts([item.tx_hash for item in unknown])
    if any(receipt is None for receipt in receipts):
        raise ChainError("a block vanished while it was scanned", code="CHAIN_MOVED")
    return [receipt is not None and receipt.succeeded for receipt in receipts]
