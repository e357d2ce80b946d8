"""The composition root: one institution's node from its home folder and the settings.

`Node.step()` is one deterministic turn: follower → projections → sealing → relay → matching.
Nothing is kept in memory that a restart would miss; `kill -9` anywhere costs one turn.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TextIO

from sqlalchemy.orm import Session, sessionmaker

from node.attempts import Attempts
from node.blacklist_calls import BlacklistCalls
from node.calls import Calls
from node.chain.client import ChainClient
from node.chain.deploy import check_chain
from node.chain.follower import Follower
from node.chain.profile import engine_profile
from node.crypto.signer import Signer
from node.db import Database, open_database, translated
from node.home import (
    ChainTarget,
    HomeInfo,
    home_info,
    init_home,
    locked,
    locked_keys,
    open_keys,
    target_of,
    write_target,
)
from node.identity import (
    Clock,
    Identity,
    NodeKeys,
    anything_waits,
    system_clock,
    tip_figures,
)
from node.lookup_parts import LookupParts, note_regulator_of
from node.measuring import Meter, StepResult
from node.moves import Moves
from node.outbox import Relay, RelayStep
from node.outbox.intents import ADMIN_LANE
from node.peers.peering import Peering
from node.profiles import own_profiles
from node.projections import Projections
from node.projections.reading import BatchOpener
from node.projections.reopening import Reopening
from node.services.breaks import BreakService
from node.services.network import NetworkService
from node.services.network.opening import Opening
from node.services.posting import PostingService
from node.services.proofs import ProofService
from node.services.reconciliation import ReconciliationService
from node.services.reconciliation.service import Reactions
from node.services.screening import ScreeningService
from node.settings import Settings
from node.tables.upgrading import upgrade
from node.taking_turns import AtRest, take_turns
from node.telemetry import Metrics
from reconcile.model import OutsideError
from reconcile.report.memory import no_collection

__all__ = [
    "ChainTarget",
    "HomeInfo",
    "Node",
    "StepResult",
    "home_info",
    "init_home",
    "open_node",
    "write_target",
]

LOOK_AGAIN_MS: Final = 1_000
# While a run is put off, so that it comes no later than it must.
LOOK_RESTING_MS: Final = 50


def open_node(
    home: Path,
    *,
    passphrase: str | None,
    settings: Settings | None = None,
    clock: Clock | None = None,
    target: ChainTarget | None = None,
    running: bool = True,
) -> Node:
    """Open a home: keys, database, chain, services.

    `running` takes the home's lock, probes the chain and reads up to its head. Without it services
    read and write rows, and a running node sends; without a passphrase nothing is opened.

    Raises `UsageError` HOME_NOT_FOUND, CHAIN_NOT_SET, `InputError` KEYSTORE_PASSPHRASE,
    `OutsideError` HOME_IN_USE, DATABASE_*, CHAIN_UNREACHABLE, `ProtocolError` WRONG_CHAIN,
    CONTRACT_UNKNOWN.
    """
    chosen = settings or Settings(home=home)
    place = target or target_of(home, chosen)
    info = home_info(home)
    with contextlib.ExitStack() as stack:
        lock = stack.enter_context(locked(home)) if running else None
        keys = locked_keys(home) if passphrase is None else open_keys(home, passphrase)
        # The home's own database, unless the settings name another one.
        url = chosen.database_url or f"sqlite:///{home / 'kanhe.db'}"
        database = open_database(url)
        stack.callback(database.close)
        upgrade(database)
        client = ChainClient((place.url, *place.more_urls), timeout_s=chosen.rpc_timeout_s)
        stack.callback(client.close)
        if running:
            check_chain(client, place.contracts)
        node = Node(
            home=home,
            name=info.name,
            settings=chosen,
            target=place,
            database=database,
            client=client,
            keys=keys,
            clock=clock or system_clock,
            lock=lock,
        )
        if running and node.follower.grew():
            # The blacklist's logs lie among blocks that were read without them.
            node.rebuild()
        elif running:
            node.follower.catch_up()
        if running:
            note_regulator_of(database, client, place.contracts)
        stack.pop_all()
        return node


class Node:
    """One institution's node. `step()` and `run()` are for one thread at a time."""

    def __init__(
        self,
        *,
        home: Path,
        name: str,
        settings: Settings,
        target: ChainTarget,
        database: Database,
        client: ChainClient,
        keys: NodeKeys,
        clock: Clock,
        lock: TextIO | None,
    ) -> None:
        self.home = home
        self.name = name
        self.settings = settings
        self.target = target
        self.database = database
        self.client = client
        self.keys = keys
        self.clock = clock
        self._lock = lock
        self._seen: tuple[int, int] | None = None
        self._look_again_ms = 0
        self.moves = Moves(database.commits)
        contracts = target.contracts
        self.profile = engine_profile(target.profile)
        self.identity = Identity(keys, target.place, clock)
        self.peers = Peering(home, database, self.identity, timeout_s=settings.peer_timeout_s)
        self.attempts = Attempts(database, clock)
        self.meter = Meter(database)
        self.opening = Opening(self.identity)
        self.projections = Projections(
            contracts,
            BatchOpener(contracts, key_of=self.opening.epoch_key, rules_of=self.opening.rules),
            now_ms=clock,
            moved=self.moves.moved,
        )
        self.reopening = Reopening(
            database, self.projections, self.attempts, self.opening.opens_now, self.moves
        )
        self.follower = Follower(
            client,
            database.writing,
            self.projections,
            contracts=contracts,
            profile=self.profile,
            from_block=target.from_block,
            now_ms=clock,
        )
        self.relay = Relay(
            client,
            database.writing,
            contracts=contracts,
            profile=self.profile,
            signers=(keys.admin, keys.poster),
            signer_of=self._sender,
            opens_epoch=self.opening.opens_epoch,
            now_ms=clock,
        )
        self._build_services()

    def _build_services(self) -> None:
        calls = Calls(self.identity)
        self.network = NetworkService(
            self.database,
            self.identity,
            calls,
            attempts=self.attempts,
            moves=self.moves,
            backup_folder=self.home / "backup",
        )
        self.posting = PostingService(
            self.database,
            self.identity,
            calls,
            attempts=self.attempts,
            rules_of=self.opening.rules,
            queue_limit=self.settings.queue_limit,
            outbox_limit=self.settings.outbox_limit,
            own_profiles=lambda: own_profiles(self.settings.profiles),
        )
        self.reconciliation = ReconciliationService(
            self.database,
            self.identity,
            calls,
            Reactions(
                queue_sections=self.posting.queue_within, close_window=self.posting.close_window
            ),
            attempts=self.attempts,
            moves=self.moves,
        )
        self.breaks = BreakService(
            self.database, self.identity, queue_decision=self.posting.queue_within
        )
        self.parts = LookupParts(self)
        self.committee, self.lookups = self.parts.committee, self.parts.lookups
        self.proofs = ProofService(self.database, self.identity, key_of=self.opening.epoch_key)
        self.screening = ScreeningService(
            self.database,
            self.identity,
            BlacklistCalls(self.identity),
            attempts=self.attempts,
            authorities=self.parts.authorities,
            peers=self.peers,
        )

    def _sender(self, lane_key: str) -> Signer | None:
        return self.keys.admin if lane_key == ADMIN_LANE else self.keys.poster

    @property
    def metrics(self) -> Metrics:
        """Return this node's Prometheus figures."""
        return self.meter.metrics

    def peer_handlers(self) -> Mapping[str, Callable[[int, bytes], bytes]]:
        """Return what other members' nodes may ask of this one, by word."""
        return {**self.parts.handlers(), **self.screening.handlers()}

    @property
    def sessions(self) -> sessionmaker[Session]:
        """Return the factory of sessions that may write."""
        return self.database.writing

    @property
    def member(self) -> int | None:
        """Return this node's member number, None until the chain says so."""
        with translated(), self.database.reading() as session:
            return self.identity.member(session)

    def step(self) -> StepResult:
        """Take one turn: follower → projections → sealing → relay → matching → the blacklist.

        Raises `ChainError` when the chain does not answer; the caller takes the next turn later.
        """
        stood = self.relay.stood
        with no_collection(), self.database.commits.of_turn():
            followed = self.follower.step()
            if followed.rewound_to is not None:
                self.moves.all_moved()
            reactions, sent = self._react((followed.cursor, followed.final))
            self.meter.turn(rewound=followed.rewound_to is not None, sent=sent)
        # What this node does by itself begins with the turn after the one that marked what stands.
        begins = self.relay.stood and not stood
        if begins:
            # What was read before this start may not be final yet.
            self.moves.moved(None, followed.cursor)
            self._look_around()
        moved = followed.logs or followed.rewound_to is not None or reactions or begins
        busy = sent.signed or sent.sent or sent.confirmed or sent.waiting or sent.in_flight
        # A run that waits for the other side's book is still to come, and needs no block.
        rests = self.reconciliation.resting
        still = followed.caught_up and not (moved or busy) and not self._waits(followed.final)
        return StepResult(
            blocks=followed.blocks,
            events=followed.logs,
            reactions=reactions,
            sent=sent.sent,
            confirmed=sent.confirmed,
            idle=still and not rests,
            rests=still and rests,
        )

    def _react(self, seen: tuple[int, int]) -> tuple[int, RelayStep]:
        now_ms = self.clock()
        # Now and then without a new block too: clocks run, and other processes write.
        if seen == self._seen and now_ms < self._look_again_ms and self.relay.stood:
            reactions = self.posting.seal_due()
            return reactions, self._send()
        with self.moves.looking(final=seen[1], now_ms=now_ms):
            reactions = self._seal()
            # What is sealed leaves before anything is matched: the others wait for it.
            sent = self._send()
            reactions += self._match(seen, reactions)
            return reactions + self._screen(), sent

    def _seal(self) -> int:
        reopened = self.reopening.step()
        if reopened:
            self.moves.all_moved()
        reactions = reopened + self.network.react()
        # The first turn after a start: the relay marks what stands before anything is sealed.
        return reactions + (self.posting.react() if self.relay.stood else 0)

    def _send(self) -> RelayStep:
        sent = self.relay.step()
        self.moves.sent(sent.waiting + sent.in_flight)
        return sent

    def _screen(self) -> int:
        """Do the blacklist's part last: books never wait for it, nor for the members it asks."""
        if not self.relay.stood or not self.parts.anything():
            return self.screening.destroy_erased()  # sends nothing: it waits for no lane
        done = self.screening.react() + self.parts.react()
        if done:
            self._seen = None
        return done

    def _match(self, seen: tuple[int, int], reactions: int) -> int:
        matched = self.reconciliation.react()
        if matched or not self._look_again_ms:
            self.meter.matched()
        resting = self.reconciliation.resting
        self._seen = None if reactions + matched else seen
        self._look_again_ms = self.clock() + (LOOK_RESTING_MS if resting else LOOK_AGAIN_MS)
        return matched

    def _waits(self, final_block: int) -> bool:
        with translated(), self.database.reading() as session:
            return anything_waits(session, final_block)

    def run(
        self, stop: threading.Event, *, interval_s: float | None = None, at_rest: AtRest = None
    ) -> None:
        """Take turns until `stop` is set (`take_turns`); what fails is logged and tried again."""
        pause_s = self.settings.poll_interval_s if interval_s is None else interval_s
        take_turns(self.step, stop, pause_s, self.meter, self.attempts, at_rest=at_rest)

    def settle(self, *, timeout_s: float = 30.0) -> None:
        """Take turns until nothing moves; `OutsideError` SETTLE_TIMEOUT."""
        deadline = time.monotonic() + timeout_s
        while not self.step().idle:
            if time.monotonic() > deadline:
                raise OutsideError("SETTLE_TIMEOUT", f"not at rest after {timeout_s:.0f} s")
            time.sleep(self.settings.poll_interval_s)

    def tip(self) -> Mapping[str, Any]:
        """Return head, lag, outbox and queue, as /healthz and the desk show them."""
        with translated(), self.database.reading() as session:
            figures = tip_figures(session, self.clock())
            member = self.identity.member(session)
        queue = self.posting.queue_depth().records
        return {"member": member, "chain_id": self.target.chain_id, **figures, "queue": queue}

    def rebuild(self) -> None:
        """Drop every derived row and replay the chain from the first block."""
        with translated(), self.database.writing.begin() as session:
            self.projections.drop_derived(session)
        self.follower.catch_up()
        self.network.react()
        while self.reopening.step():
            pass
        self._look_around()

    def _look_around(self) -> None:
        self.moves.all_moved()
        self._seen = None

    def close(self) -> None:
        """Close connections; give the home up."""
        self.parts.close()
        self.client.close()
        self.database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
