"""Three members and a regulator with a blacklist on a real chain, and its views beside our rows."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from eth_utils.crypto import keccak
from ledger_party import CONFIRMATIONS, PAUSE_MS, Party
from ledger_world import World, found_world
from sqlalchemy import select

from devnet.local import EmbeddedChain
from node.audits import due_s, openable_until_s, state_of_audit
from node.blacklist import Now, account_of, note_regulator, now_of, phase_now, state_of
from node.chain.codec import (
    BLACKLIST,
    LOOKUPS,
    POINTS,
    RawLog,
    decode_result,
    encode_call,
)
from node.crypto.eip712 import Domain, Fields
from node.screening.holding import RECORD_FIELDS
from node.screening.states import DAY_S, OPENABLE_DAYS
from node.tables import Dispute, EvaluationAudit, ListedEntry
from reconcile.model import ZERO32

REGULATOR: Final = 4
COMMITTEE: Final = (1, 2, 3)
THRESHOLD: Final = 2
CN_2013: Final = 1
SWITCH_BLOCKS: Final = 40
ROUNDS: Final = 30


@dataclass
class BlacklistWorld:
    """A world of four founders; party `n` is member n + 1, the last one is the regulator."""

    world: World
    asked: int = 0
    busy: set[int] = field(default_factory=set)

    @property
    def chain(self) -> EmbeddedChain:
        """Return the chain."""
        return self.world.chain

    @property
    def parties(self) -> list[Party]:
        """Return everyone."""
        return self.world.parties

    def ask(self, member: int, contract: str, call: str, *args: object) -> None:
        """Let a member make a call; it goes out with the next settling."""
        self.asked += 1
        self.busy.add(member)
        lane = "admin" if call == "approveKeyEpoch" else "registry"
        subject = f"{call}/{self.asked}"
        self.parties[member - 1].ask(contract, call, args, subject=subject, lane_key=lane)

    def settle(self) -> None:
        """Send what was asked for and let it become final; who asked for nothing reads later."""
        for _ in range(ROUNDS):
            parties = [self.parties[member - 1] for member in sorted(self.busy)]
            for party in parties:
                party.step()
                party.skew_ms += PAUSE_MS
            self.chain.mine(CONFIRMATIONS)
            steps = [(party.follower.catch_up(), party.relay.step())[1] for party in parties]
            if not any(step.waiting or step.in_flight for step in steps):
                self.busy.clear()
                return
        raise AssertionError(f"not done after {ROUNDS} rounds: {steps}")

    def pass_days(self, days: float) -> None:
        """Let so much of the chain's time go by."""
        self.chain.rpc("evm_increaseTime", int(days * DAY_S))
        self.chain.mine()

    def view(self, contract: str, function: str, *args: object, at_s: int | None = None) -> Any:  # noqa: ANN401 - decoded
        """Ask a contract's view, in a block of the time `at_s` where it is given."""
        address = "0x" + self.world.deployed.contracts.address(contract).hex()
        call = {"to": address, "data": "0x" + encode_call(contract, function, args).hex()}
        block = {} if at_s is None else {"time": hex(at_s)}
        answer = self.chain.rpc("eth_call", call, "latest", {}, block)
        return decode_result(contract, function, bytes.fromhex(answer[2:]))[0]

    # ------------------------------------------------------------------------- acts
    def today(self) -> int:
        """Return the chain's day."""
        return self.world.client.head().time_s // DAY_S

    def list(self, member: int, name: str, *, days: int = 300, old: bytes = ZERO32) -> bytes:
        """Post an entry's ticket; return its id, which follows from its name."""
        entry, today = keccak(text=name), self.today()
        days_of = (today - 11, today, today + days)
        args = (entry, keccak(text=f"{name}/salt"), CN_2013, *days_of, old)
        self.ask(member, BLACKLIST, "list", *args)
        return entry

    def tag(self, member: int, entry: bytes, key_epoch: int) -> None:
        """Tag an entry with a record that two of the committee hold."""
        record = keccak(entry)
        values = (entry, key_epoch, record)
        signatures = self.sign((1, 2), BLACKLIST, "RecordHeld", RECORD_FIELDS, values)
        self.ask(member, BLACKLIST, "tag", entry, key_epoch, record, signatures)

    def begin_epoch(self, key_epoch: int) -> None:
        """Install a key epoch by everyone's ADMIN, and let it begin."""
        switch = self.world.client.head().number + SWITCH_BLOCKS
        words = (hashlib.sha256(bytes([key_epoch])).digest(), hashlib.sha256(b"s").digest(), switch)
        for member in range(1, REGULATOR + 1):
            words_of = (key_epoch, THRESHOLD, COMMITTEE, *words)
            self.ask(member, LOOKUPS, "approveKeyEpoch", *words_of)
        self.settle()
        self.chain.mine(SWITCH_BLOCKS)

    def sign(
        self,
        members: Sequence[int],
        contract: str,
        name: str,
        fields: Fields,
        values: tuple[int | bytes, ...],
    ) -> list[bytes]:
        """Sign a typed digest with members' APPROVERs, ascending."""
        contracts = self.world.deployed.contracts
        domain = Domain(contracts.chain_id, contracts.address(contract))
        digest = domain.digest_of(name, fields, values)
        return [self.parties[m - 1].approver.sign_digest(digest) for m in sorted(members)]

    # ------------------------------------------------------------------------- the log
    def logs(self, up_to: int) -> list[RawLog]:
        """Return every log of our contracts up to a block."""
        addresses = list(self.world.deployed.contracts.addresses.values())
        return self.world.client.logs(addresses, self.world.deployed.from_block, up_to)

    def times(self, logs: Sequence[RawLog]) -> dict[int, int]:
        """Return the blocks' times by number."""
        headers = self.world.client.headers(sorted({log.block_number for log in logs}))
        return {item.number: item.time_s for item in headers if item is not None}

    # ------------------------------------------------------------------------- checking
    def check_against_views(self, party: int = 0) -> list[str]:
        """Hold every state, phase and account of our rows beside the contract's view.

        Return the states of all entries, in order of posting.
        """
        self.parties[party].step()
        states = []
        with self.parties[party].database.reading() as session:
            now = now_of(session)
            order = (ListedEntry.block_number, ListedEntry.log_index)
            for row in session.scalars(select(ListedEntry).order_by(*order)):
                state = state_of(session, row, now)
                assert int(state) == self.view(BLACKLIST, "stateOf", row.entry), row.entry
                stored = self.view(BLACKLIST, "entryOf", row.entry)
                assert stored["stakeHeld"] == row.stake_held
                assert stored["dispute"] == (row.dispute or 0)
                openable_s = (stored["expiresDay"] + OPENABLE_DAYS) * DAY_S
                assert openable_until_s(session, row) == openable_s
                states.append(state.name)
            for dispute in session.scalars(select(Dispute)):
                phase = phase_now(session, dispute, now)
                assert int(phase) == self.view(BLACKLIST, "phaseOf", dispute.dispute)
            total = 0
            for member in range(1, REGULATOR + 1):
                account, stored = (
                    account_of(session, member),
                    self.view(POINTS, "accountOf", member),
                )
                ours = {
                    "balance": account.balance,
                    "staked": account.staked,
                    "debt": account.debt,
                    "earned": account.earned,
                    "entries": account.entries,
                    "upheld": account.upheld,
                    "overturned": account.overturned,
                }
                assert ours == {name: stored[name] for name in ours}
                assert account.accuracy == self.view(POINTS, "accuracyOf", member)
                total += account.balance
            supply = self.view(POINTS, "totalMinted") - self.view(POINTS, "totalBurned")
            assert total == supply
        return states

    def check_the_future(self, days: Sequence[int]) -> set[str]:
        """Hold states and phases beside the views in blocks of later times, to the second.

        `days` after now, one second before and one after each; return every word that was seen.
        """
        party, seen = self.parties[0], set()
        party.step()
        with party.database.reading() as session:
            now = now_of(session)
            entries = session.scalars(select(ListedEntry)).all()
            disputes = session.scalars(select(Dispute)).all()
            for at_s in [now.time_s + day * DAY_S + more for day in days for more in (-1, 0, 1)]:
                then = Now(now.block, at_s)
                for row in entries:
                    state = state_of(session, row, then)
                    assert int(state) == self.view(BLACKLIST, "stateOf", row.entry, at_s=at_s)
                    seen.add(state.name)
                for dispute in disputes:
                    phase = phase_now(session, dispute, then)
                    assert int(phase) == self.view(BLACKLIST, "phaseOf", dispute.dispute, at_s=at_s)
                    seen.add(phase.name)
        return seen

    def check_audits(self, days: Sequence[int]) -> set[str]:
        """Hold audits beside the views so many days from now, and to the second of their ends."""
        party, seen = self.parties[0], set()
        party.step()
        with party.database.reading() as session:
            now = now_of(session)
            rows = session.scalars(select(EvaluationAudit)).all()
            ends = [due_s(row) + more for row in rows for more in (0, 1)]
            times = [now.time_s + day * DAY_S for day in days]
            for at_s in (*times, *(end for end in ends if end > now.time_s)):
                for row in rows:
                    state = state_of_audit(row, Now(now.block, at_s))
                    assert int(state) == self.view(POINTS, "auditStateOf", row.audit, at_s=at_s)
                    if at_s in times:
                        seen.add(state.name)
        return seen

    def close(self) -> None:
        """Close what is open."""
        self.world.close()


def found_blacklist(chain: EmbeddedChain, folder: Path) -> BlacklistWorld:
    """Found a network of four with a blacklist, its first key epoch begun, allowances taken."""
    found = found_world(chain, folder, agreement=False, members=REGULATOR, regulator=REGULATOR)
    made = BlacklistWorld(found)
    for party in made.parties:
        with party.database.writing.begin() as session:
            note_regulator(session, REGULATOR)
    for member in range(1, REGULATOR + 1):
        made.ask(member, POINTS, "claimAllowance")
    made.begin_epoch(1)
    return made
