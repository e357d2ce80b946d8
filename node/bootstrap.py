"""The composition root: one institution's node from its home folder and the settings.

Nothing is kept in memory that a restart would miss; `kill -9` anywhere costs one turn.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

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
    system_clock,
    tip_figures,
)
from node.lookup_parts import LookupParts, note_regulator_of
from node.measuring import Meter, StepResult
from node.moves import Moves
from node.outbox import Relay
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
from node.turns import Turns
from reconcile.model import OutsideError

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
        client = ChainClient(
            (place.url, *place.more_urls),
            timeout_s=chosen.rpc_timeout_s,
            before=database.reading.let_go,
        )
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
            database,
            self.projections,
            contracts=contracts,
            profile=self.profile,
            from_block=target.from_block,
            now_ms=clock,
        )
        self.relay = Relay(
            client,
            database,
            contracts=contracts,
            profile=self.profile,
            signers=(keys.admin, keys.poster),
            signer_of=self._sender,
            opens_epoch=self.opening.opens_epoch,
            now_ms=clock,
        )
        self._build_services()
        self.turns = Turns(self)

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
        """Take one turn (`Turns.step`); raises `ChainError` when the chain does not answer."""
        return self.turns.step()

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
        self.database.facts.forget()
        with translated(), self.database.writing.begin() as session:
            self.projections.drop_derived(session)
        self.follower.catch_up()
        self.network.react()
        while self.reopening.step():
            pass
        self.turns.look_around()

    def close(self) -> None:
        """Close connections; give the home up."""
        self.parts.close()
        self.turns.close()
        self.client.close()
        self.database.close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None
