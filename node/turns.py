"""The order of a turn: follower → projections → sealing → relay → matching → the blacklist."""

from __future__ import annotations

import time
from typing import Final, Protocol

from node.attempts import Attempts
from node.chain.client import ChainClient, Header
from node.chain.follower import Follower, Step
from node.db import Database, translated
from node.identity import Clock, what_waits
from node.lookup_parts import LookupParts
from node.measuring import Meter, StepResult
from node.moves import Moves
from node.outbox import Relay, RelayStep
from node.peers.peering import Peering
from node.projections.reopening import Reopening
from node.services.network import NetworkService
from node.services.posting import PostingService
from node.services.reconciliation import ReconciliationService
from node.services.screening import ScreeningService
from node.snapshots import Changes
from node.stillness import Stillness
from reconcile.report.memory import no_collection

LOOK_AGAIN_MS: Final = 1_000
# While a run is put off, so that it comes no later than it must.
LOOK_RESTING_MS: Final = 50
MS_PER_S: Final = 1_000


class Host(Protocol):
    """The node whose turns these are."""

    database: Database
    client: ChainClient
    clock: Clock
    attempts: Attempts
    moves: Moves
    meter: Meter
    follower: Follower
    relay: Relay
    reopening: Reopening
    network: NetworkService
    posting: PostingService
    reconciliation: ReconciliationService
    parts: LookupParts
    peers: Peering
    screening: ScreeningService


class Turns:
    """One node's turns, each deterministic; for one thread at a time.

    What is remembered here is what need not be looked at: a restart looks at everything.
    """

    def __init__(self, host: Host) -> None:
        """Take the node's parts."""
        self._host = host
        self._seen: tuple[int, int] | None = None
        self._look_again_ms, self._look_again_s = 0, 0.0
        self._stillness = Stillness(Changes(host.database.engine))

    def step(self) -> StepResult:
        """Take one turn, or none where nothing moved since one that found nothing to do.

        Raises `ChainError` when the chain does not answer; the caller takes the next turn later.
        """
        host = self._host
        with no_collection(), host.database.commits.of_turn(), host.database.reading.shared():
            head = host.client.head()
            still = self._stillness.lasts(head, host.clock())
            return self._turn(head) if still is None else still

    def look_around(self) -> None:
        """Look at everything in the next turn."""
        self._host.moves.all_moved()
        self._seen = None
        self._stillness.end()

    def look_again(self) -> None:
        """Let the next turn ask what is due, as after `LOOK_AGAIN_MS`."""
        self._look_again_ms = 0
        self._stillness.end()

    def close(self) -> None:
        """Give the connection up."""
        self._stillness.close()

    def _turn(self, head: Header) -> StepResult:
        host = self._host
        stood = host.relay.stood
        self._stillness.end()
        followed = host.follower.step(head)
        if followed.rewound_to is not None:
            host.moves.all_moved()
        reactions, sent = self._react((followed.cursor, followed.final))
        host.meter.turn(rewound=followed.rewound_to is not None, sent=sent)
        # What this node does by itself begins with the turn after the one that marked what stands.
        begins = host.relay.stood and not stood
        if begins:
            # What was read before this start may not be final yet.
            host.moves.moved(None, followed.cursor)
            self.look_around()
        moved = followed.logs or followed.rewound_to is not None or reactions or begins
        busy = sent.signed or sent.sent or sent.confirmed or sent.waiting or sent.in_flight
        at_rest = followed.caught_up and not (moved or busy)
        return self._result(head, followed, sent, reactions, at_rest=at_rest)

    def _result(
        self, head: Header, followed: Step, sent: RelayStep, reactions: int, *, at_rest: bool
    ) -> StepResult:
        host = self._host
        # A run that waits for the other side's book is still to come, and needs no block.
        rests = host.reconciliation.resting
        sealing = finality = False
        if at_rest:
            with translated(), host.database.reading() as session:
                sealing, finality = what_waits(session, followed.final)
        idle = at_rest and not (sealing or finality)
        if at_rest and not (sealing or rests):
            # What waits for a block alone is looked for when one comes.
            now_ms = host.clock()
            self._stillness.begin(head, now_ms, self._look_again_ms, idle=idle)
        return StepResult(
            blocks=followed.blocks,
            events=followed.logs,
            reactions=reactions,
            sent=sent.sent,
            confirmed=sent.confirmed,
            idle=idle and not rests,
            rests=idle and rests,
        )

    def _react(self, seen: tuple[int, int]) -> tuple[int, RelayStep]:
        host = self._host
        now_ms = host.clock()
        # Now and then without a new block too: clocks run, and other processes write.
        # By both clocks: the machine's may be set back by an hour.
        early = now_ms < self._look_again_ms and time.monotonic() < self._look_again_s
        if seen == self._seen and early and host.relay.stood:
            reactions = host.posting.seal_due()
            return reactions, self._send()
        with host.moves.looking(final=seen[1], now_ms=now_ms):
            reactions = self._seal()
            # What is sealed leaves before anything is matched: the others wait for it.
            sent = self._send()
            reactions += self._match(seen, reactions)
            return reactions + self._screen(), sent

    def _seal(self) -> int:
        host = self._host
        reopened = host.reopening.step()
        if reopened:
            host.moves.all_moved()
        reactions = reopened + host.network.react()
        # The first turn after a start: the relay marks what stands before anything is sealed.
        return reactions + (host.posting.react() if host.relay.stood else 0)

    def _send(self) -> RelayStep:
        sent = self._host.relay.step()
        self._host.moves.sent(sent.waiting + sent.in_flight)
        return sent

    def _match(self, seen: tuple[int, int], reactions: int) -> int:
        host = self._host
        matched = host.reconciliation.react()
        if matched or not self._look_again_ms:
            host.meter.matched()
        resting = host.reconciliation.resting
        self._seen = None if reactions + matched else seen
        pause_ms = LOOK_RESTING_MS if resting else LOOK_AGAIN_MS
        self._look_again_ms = host.clock() + pause_ms
        self._look_again_s = time.monotonic() + pause_ms / MS_PER_S
        return matched

    def _screen(self) -> int:
        """Do the blacklist's part last: books never wait for it, nor for the members it asks."""
        host = self._host
        if not host.relay.stood or not host.parts.anything():
            return host.screening.destroy_erased()  # sends nothing: it waits for no lane
        with host.attempts.letting_go_first(host.peers.courtesy.of_turn()):
            done = host.screening.react() + host.parts.react()
        if done:
            self._seen = None
        return done
