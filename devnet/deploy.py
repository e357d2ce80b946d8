"""Founds a network on the embedded chain: contracts, founders, key delay, motion expiry.

The deployer is a throw-away key: it has no power afterwards, since the contracts have no owner.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from devnet.local import EmbeddedChain
from node.bootstrap import ChainTarget
from node.chain.client import ChainClient
from node.chain.deploy import Founder
from node.chain.deploy import deploy as deploy_contracts
from node.chain.profile import engine_profile
from node.crypto.signer import LocalSigner

# On the embedded chain a block takes a quarter second: new approvers count after one second.
KEY_DELAY_BLOCKS: Final = 4
MOTION_EXPIRY_BLOCKS: Final = 40_000


def deploy(
    chain: EmbeddedChain, founders: Sequence[Founder], *, regulator: int | None = None
) -> ChainTarget:
    """Deploy the contracts, the blacklist's where its `regulator` is named; return where they are.

    Errors are those of `node.chain.deploy`.
    """
    profile = "embedded" if chain.block_time_s else "instant"
    client = ChainClient([chain.url])
    done = deploy_contracts(
        client,
        LocalSigner.generate(),
        founders,
        profile=engine_profile(profile),
        key_delay_blocks=KEY_DELAY_BLOCKS,
        motion_expiry_blocks=MOTION_EXPIRY_BLOCKS,
        regulator=regulator,
    )
    contracts = done.contracts
    return ChainTarget(
        url=chain.url,
        chain_id=contracts.chain_id,
        registry=_shown(contracts.registry),
        ledger=_shown(contracts.ledger),
        profile=profile,
        from_block=done.from_block,
        blacklist=_shown(contracts.blacklist),
        lookups=_shown(contracts.lookups),
        points=_shown(contracts.points),
    )


def _shown(address: bytes) -> str:
    return f"0x{address.hex()}" if address else ""
