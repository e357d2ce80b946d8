"""The relay: the only part that sends.

One step: settle own batches → look transactions up → check lanes → sign → send. Between any two of
them the process may die: what was signed is in the database before it is sent, and what was sent
is found again by its own hash.

    nothing is signed until   the follower stands on the final head,
                              every own record that stands on the ledger is marked posted,
                              no incident stops signing,
                              the chain has counted no transaction of the key that we do not know
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from node.chain.client import ChainClient
from node.chain.codec import Contracts
from node.chain.profile import EngineProfile
from node.chain.texts import LANE_CODES
from node.chain.transactions import address_bytes
from node.crypto.signer import Signer
from node.db import Database, translated
from node.errors import AlreadyDone, ChainBusy, ChainError, RejectedForGood, SequenceMoved
from node.outbox import adoption
from node.outbox.glance import Glance, glance
from node.outbox.intents import refuse
from node.outbox.lanes import OPEN, UNMINED, lane_of, note_busy
from node.outbox.reviving import revive
from node.outbox.settling import settle
from node.outbox.signing import (
    FILLER,
    SignerOf,
    SigningPlace,
    request_parts,
    sign_filler,
    sign_waiting,
)
from node.outbox.standing import mark_standing
from node.outbox.tracking import (
    intents_of,
    look_up,
    open_transactions,
    record,
    seen_in_rows,
)
from node.tables import Cursor, NonceLane, Transaction
from node.telemetry import logger

# No transaction may ask for more than this part of a block.
GAS_SHARE: Final = 2
RESEND_BLOCKS: Final = 8
MIN_RESEND_MS: Final = 2_000
# So many blocks without it after its first send, and a transaction's nonce is filled. Counted in
# blocks and not in time: a halted chain is not the sender's error.
STUCK_BLOCKS: Final = 240
# A key used elsewhere is found at the latest after this pause, and always before a signature.
CHECK_LANES_MS: Final = 2_000
_log = logger("relay")


@dataclass(frozen=True, slots=True)
class RelayStep:
    """What one step did; `held` says in words why nothing is signed.

    `confirm_ms`: of each transaction that became final, how long ago it was signed. `refused`: what
    the endpoint did not take.
    """

    signed: int
    sent: int
    confirmed: int
    waiting: int
    in_flight: int
    held: str | None
    refused: int = 0
    confirm_ms: tuple[int, ...] = ()


def _now_ms() -> int:
    return int(time.time() * 1000)


def _never(_session: Session, _agreement: bytes, _side: int, _epoch: int) -> bool:
    return False


class Relay:
    """Sends for one node. Not to be stepped by two threads at once."""

    def __init__(
        self,
        client: ChainClient,
        database: Database,
        *,
        contracts: Contracts,
        profile: EngineProfile,
        signers: Sequence[Signer],
        signer_of: SignerOf,
        opens_epoch: adoption.OpensEpoch = _never,
        now_ms: Callable[[], int] = _now_ms,
        boundary: Callable[[str], None] = lambda _name: None,
    ) -> None:
        """Take the keys that send (`signers`) and which sends what (`signer_of` a lane's name)."""
        self._client = client
        self._sessions = database.writing
        self._reading = database.reading
        self._contracts = contracts
        self._profile = profile
        self._signers = {address_bytes(item): item for item in signers}
        self._signer_of = signer_of
        self._opens_epoch = opens_epoch
        self._now_ms = now_ms
        self._boundary = boundary
        self._gas_cap = 0
        self._stood = False
        self._checked_at_ms = 0
        self._first_sent: dict[bytes, int] = {}
        self._tracked_at: tuple[bytes, int] | None = None
        self._settled_at: tuple[object, int | None] | None = None
        self._resend_ms = max(MIN_RESEND_MS, int(profile.block_time_s * 1000 * RESEND_BLOCKS))

    def step(self) -> RelayStep:
        """Do one round; raises `ChainError`s of the endpoint, the caller tries again later."""
        seen = self._look()
        signed = sent = refused = 0
        confirmed: list[int] = []
        if seen.held is None:
            moved, confirmed = self._bring_in_line(seen)
            seen = self._look() if moved else seen
            if seen.waiting or self._now_ms() - self._checked_at_ms >= CHECK_LANES_MS:
                self._check_lanes()
                seen = self._look()
            if seen.restored:
                self._stand_again()
            if seen.waiting and seen.held is None:
                signed = self._sign()
        if seen.held is None and (signed or seen.unmined):
            sent, refused = self._send()
        if signed or sent:
            seen = self._look()
        return RelayStep(
            signed=signed,
            sent=sent,
            confirmed=len(confirmed),
            waiting=seen.waiting + seen.signed,
            in_flight=seen.in_flight,
            held=seen.held,
            refused=refused,
            confirm_ms=tuple(confirmed),
        )

    def _look(self) -> Glance:
        with translated(), self._reading() as session:
            seen = glance(session, self._profile)
        if seen.stopped:
            # Once the incident is closed, everything is looked at again.
            self._stood = False
        return seen

    def _bring_in_line(self, seen: Glance) -> tuple[bool, list[int]]:
        """Settle and track; say whether rows moved, and in how many ms each became final."""
        moved = not self._stood
        if not self._stood:
            self._revive()
        settled_at = (seen.at, seen.newest_ready)
        if not self._stood or (seen.newest_ready and settled_at != self._settled_at):
            moved = self._settle() > 0 or moved
            self._settled_at = settled_at
        # What was seen as final or gone by then is not looked for.
        confirmed = self._track() if seen.in_flight or moved else []
        return moved or bool(confirmed), confirmed

    def _revive(self) -> None:
        """Send again what a change below final took off the chain; at a start and after one."""
        nonces = {address: self._client.nonce(address) for address in self._signers}
        with translated(), self._sessions.begin() as session:
            if revive(session, nonces):
                self._tracked_at = None
        self._boundary("relay.revived")

    def _settle(self) -> int:
        with translated(), self._sessions.begin() as session:
            moved = settle(session, self._now_ms())
            if moved or not self._stood:
                final_block = session.get_one(Cursor, 1).final_block
                mark_standing(session, final_block, self._now_ms())
        self._stood = True
        self._boundary("relay.settled")
        return moved

    # ------------------------------------------------------------------------- looking up
    def _track(self) -> list[int]:
        with translated(), self._reading() as session:
            pending = open_transactions(session)
            cursor = session.get_one(Cursor, 1)
            now_at = (cursor.block_hash, cursor.final_block)
            if not pending or now_at == self._tracked_at:
                return []
            seen = seen_in_rows(session, pending)
        final = max(cursor.final_block, 0)
        rest = [item for item in pending if item.tx_hash not in seen]
        seen |= look_up(self._client, rest, cursor.final_block)
        nonces = {
            address: self._client.nonce(address, final)
            for address in {item.address for item in pending}
        }
        self._boundary("relay.looked_up")
        with translated(), self._sessions.begin() as session:
            confirmed = record(session, seen, nonces, self._profile, self._now_ms())
            settle(session, self._now_ms())
        self._tracked_at = now_at
        self._boundary("relay.recorded")
        return confirmed

    # ------------------------------------------------------------------------- lanes
    def _check_lanes(self) -> None:
        """Stop every lane whose key the chain has seen more of than this database."""
        self._checked_at_ms = self._now_ms()
        for address in self._signers:
            with translated(), self._reading() as session:
                lane = session.get(NonceLane, address)
                next_nonce = 0 if lane is None else lane.next_nonce
                stopped = lane is not None and lane.state != OPEN
            counted = self._client.nonce(address)
            if counted > next_nonce and not stopped:
                self._take_up(address, next_nonce, counted)

    @property
    def stood(self) -> bool:
        """Say whether everything of ours that stands has been marked; nothing is sealed before."""
        return self._stood

    def _stand_again(self) -> None:
        with translated(), self._sessions.begin() as session:
            adoption.stand_again(session, self._now_ms())
        self._boundary("relay.stood_again")

    def _take_up(self, address: bytes, next_nonce: int, counted: int) -> None:
        with translated(), self._reading() as session:
            cursor = session.get_one(Cursor, 1)
            known = adoption.known_hashes(session, address)
        _log.warning("chain nonce above ours", counted=counted, ours=next_nonce)
        unknown = adoption.find_unknown(
            self._client, address, known, cursor.deployed_block, cursor.block_number
        )
        if len(unknown) < counted - next_nonce:
            # Some stand in blocks that the follower has not read, or before the contracts: the
            # former come with the next step, the latter are found from the first block on.
            earlier = adoption.find_unknown(
                self._client, address, known, 0, max(cursor.deployed_block - 1, 0)
            )
            unknown = earlier + unknown
        if not unknown:
            return
        succeeded = adoption.succeeded_of(self._client, unknown)
        with translated(), self._sessions.begin() as session:
            lane = lane_of(session, address, self._profile)
            adoption.take_up(
                session,
                self._contracts,
                lane,
                list(zip(unknown, succeeded, strict=True)),
                self._opens_epoch,
                self._now_ms(),
            )
        self._boundary("relay.took_up")

    # ------------------------------------------------------------------------- signing
    def _sign(self) -> int:
        if not self._gas_cap:
            self._gas_cap = self._client.head().gas_limit // GAS_SHARE
        with translated(), self._sessions.begin() as session:
            signed = sign_waiting(session, self._place(), self._now_ms())
            self._boundary("relay.signing")
        self._boundary("relay.signed")
        return signed

    def _place(self) -> SigningPlace:
        return SigningPlace(self._contracts, self._profile, self._signer_of, self._gas_cap)

    # ------------------------------------------------------------------------- sending
    def _send(self) -> tuple[int, int]:
        now_ms = self._now_ms()
        with translated(), self._reading() as session:
            due = session.scalars(
                select(Transaction)
                .where(Transaction.state.in_(UNMINED))
                .order_by(Transaction.address, Transaction.nonce)
            ).all()
            # A nonce that is being filled goes to its filler alone.
            filled = {(item.address, item.nonce) for item in due if item.purpose == FILLER}
            due = [
                item
                for item in due
                if item.purpose == FILLER or (item.address, item.nonce) not in filled
            ]
            head = session.get_one(Cursor, 1).head_block
            firsts = {item.tx_hash: self._first_sent.get(item.tx_hash, head) for item in due}
            stuck = [item for item in due if head - firsts[item.tx_hash] >= STUCK_BLOCKS]
            due = [item for item in due if self._due(item, now_ms)]
            parts = request_parts([(item.tx_hash, item.address, item.raw) for item in due])
        self._first_sent = firsts
        if stuck:
            self._fill(stuck[0], now_ms)
        sent = asked = 0
        for part in parts:
            answers = self._client.send([raw for _, _, raw in part])
            self._boundary("relay.sent")
            with translated(), self._sessions.begin() as session:
                for (tx_hash, _, _), answer in zip(part, answers, strict=True):
                    asked += 1
                    sent += self._note_sent(session, tx_hash, answer, now_ms)
            self._boundary("relay.noted")
            if any(isinstance(answer, ChainBusy) for answer in answers):
                break
        return sent, asked - sent

    def _due(self, item: Transaction, now_ms: int) -> bool:
        if item.state == "SIGNED":
            return item.sent_at_ms is None or now_ms - item.sent_at_ms >= MIN_RESEND_MS
        return now_ms - (item.sent_at_ms or 0) >= self._resend_ms

    def _note_sent(
        self, session: Session, tx_hash: bytes, answer: ChainError | None, now_ms: int
    ) -> int:
        item = session.get_one(Transaction, tx_hash)
        if item.state not in UNMINED:
            return 0
        item.attempts += 1
        item.sent_at_ms = now_ms
        # "already known" and "nonce too low" mean: look my hash up. The next step does.
        if answer is None or isinstance(answer, AlreadyDone | SequenceMoved):
            item.state, item.error = "SENT", None if answer is None else answer.message
            return 1
        item.error = answer.message
        _log.info("not taken", code=answer.code, nonce=item.nonce)
        lane = lane_of(session, item.address, self._profile)
        if isinstance(answer, ChainBusy):
            note_busy(lane)
        elif isinstance(answer, RejectedForGood) and answer.code not in LANE_CODES:
            self._rejected(session, item, answer, now_ms)
        return 0

    def _rejected(
        self, session: Session, item: Transaction, answer: ChainError, now_ms: int
    ) -> None:
        """Give a call up that no endpoint will ever take, and fill its nonce."""
        for intent in intents_of(session, item):
            if intent.call == "post":
                intent.state, intent.error_code = "HELD", answer.code[:40]
                intent.error = answer.message
            else:
                refuse(session, intent, answer.code, answer.message)
        item.state = "REPLACED"
        sign_filler(session, self._place(), item, self._signers[item.address], now_ms)

    def _fill(self, stuck: Transaction, now_ms: int) -> None:
        """Fill a nonce that is stuck; its own bytes may still win, either way it is found."""
        self._first_sent.pop(stuck.tx_hash, None)
        if stuck.purpose == FILLER or self._client.nonce(stuck.address) != stuck.nonce:
            return
        _log.warning("filling a stuck nonce", nonce=stuck.nonce)
        with translated(), self._sessions.begin() as session:
            item = session.get_one(Transaction, stuck.tx_hash)
            sign_filler(session, self._place(), item, self._signers[item.address], now_ms)
        self._boundary("relay.filled")
