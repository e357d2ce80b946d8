"""What differs between chain engines: when a block is final, what gas costs, how much is taken.

Never the `finalized` tag: some engines equate it with latest, some return null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.errors import ConfigError, Where

GWEI: Final = 10**9
# Gas by formula (ledger.md): never `eth_estimateGas` per batch. Measured executions, rounded up.
POST_GAS: Final = 70_000
POST_GAS_PER_BYTE: Final = 26
CALL_GAS: Final = {
    "open": 600_000,
    "accept": 300_000,
    "proposeTerms": 400_000,
    "publishKey": 400_000,
    "acknowledgeKey": 120_000,
    "rejectKey": 120_000,
    "closeWindow": 150_000,
    "closeByDefault": 180_000,
    "attest": 300_000,
    "end": 200_000,
    # Of the blacklist: what loops over members, rows or recipients takes the most it may need.
    "approveKeyEpoch": 2_000_000,
    "draw": 5_000_000,
    "openRecall": 2_000_000,
    "settle": 4_000_000,
    "list": 200_000,
    # Expired days are counted out first: a hundred of them by a tag, all that the contract takes
    # at once by the others.
    "tag": 300_000,
    "cut": 1_300_000,
    "settleExpiry": 1_300_000,
}
DEFAULT_GAS: Final = 600_000
DEPLOY_GAS: Final = 8_000_000
_BASE_GAS: Final = 21_000
_ZERO_BYTE_GAS: Final = 10
_BYTE_GAS: Final = 40
# EIP-7825: engines that cap a transaction's gas do so here; blocks may be far larger.
FILLER_GAS: Final = 21_000


@dataclass(frozen=True, slots=True)
class EngineProfile:
    """One engine. A block is final when `confirmations` blocks stand on it (0: at once)."""

    name: str
    confirmations: int
    block_time_s: float
    gas_price_wei: int
    in_flight: int
    in_flight_max: int
    drill_only: bool = False

    def final_block(self, head: int) -> int:
        """Return the highest final block under a head, -1 for none."""
        return head - self.confirmations


PROFILES: Final = {
    profile.name: profile
    for profile in (
        # Interval mining every 0.25 s, 12 blocks: final after 3 s.
        EngineProfile("embedded", 12, 0.25, 0, 32, 256),
        # Only for unit tests: every transaction is a block.
        EngineProfile("instant", 0, 0.0, 0, 32, 256, drill_only=True),
        # A miner's least tip is 1 gwei and peers ignore cheaper ones: 10 gwei.
        EngineProfile("clique", 12, 1.0, 10 * GWEI, 64, 512, drill_only=True),
        # Besu QBFT and CometBFT: a block never changes. Besu's default pool takes about 4.
        EngineProfile("bft", 0, 1.0, 0, 4, 600),
    )
}


def engine_profile(name: str) -> EngineProfile:
    """Return a profile by name; `ConfigError` CHAIN_PROFILE lists the names."""
    profile = PROFILES.get(name)
    if profile is None:
        raise ConfigError(
            "CHAIN_PROFILE",
            f"no engine profile is called {name!r}",
            where=Where(field="chain_profile"),
            help=f"one of: {', '.join(sorted(PROFILES))}",
        )
    return profile


def gas_limit(call: str, calldata: bytes, *, payload_bytes: int = 0, cap: int) -> int:
    """Return max(1.2 × execution, 21,000 + 10 per zero byte + 40 per other byte), at most `cap`."""
    execution = CALL_GAS.get(call, DEFAULT_GAS)
    if payload_bytes:
        execution = POST_GAS + POST_GAS_PER_BYTE * payload_bytes
    zeros = calldata.count(0)
    floor = _BASE_GAS + _ZERO_BYTE_GAS * zeros + _BYTE_GAS * (len(calldata) - zeros)
    return min(max(execution * 6 // 5, floor), cap)
