"""Contracts onto a fresh chain, and the check at every start that the chain is the agreed one."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from node.chain.client import ChainClient, Header, Receipt
from node.chain.codec import (
    BLACKLIST,
    LEDGER,
    LOOKUPS,
    POINTS,
    REGISTRY,
    Contracts,
    contract_abi,
    decode_result,
    encode_call,
    encode_deployment,
)
from node.chain.profile import DEPLOY_GAS, EngineProfile
from node.chain.transactions import address_bytes, sign_legacy
from node.crypto.signer import Signer
from node.errors import ChainStalled, RejectedForGood, WrongChain
from node.screening.profiles import profiles

DEPLOY_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.05
# Calldata of a largest batch costs 120,000 × 40 + 21,000 gas at the most; a quarter on top.
MIN_BLOCK_GAS: Final = 6_000_000
MAX_UINT64: Final = 2**64 - 1
#: Blacklist's constructor makes Points: two codes in one transaction.
BLACKLIST_DEPLOY_GAS: Final = 14_000_000
# Registry and Ledger come first.
_WITH_LEDGER: Final = 2


@dataclass(frozen=True, slots=True)
class Founder:
    """A founding member: public code, first admin's address (20 bytes), its last block."""

    code: str
    admin: bytes
    valid_to: int = MAX_UINT64


@dataclass(frozen=True, slots=True)
class Deployed:
    """Where the contracts stand, and the first block that may hold their logs."""

    contracts: Contracts
    from_block: int


def deploy(
    client: ChainClient,
    signer: Signer,
    founders: Sequence[Founder],
    *,
    profile: EngineProfile,
    key_delay_blocks: int,
    motion_expiry_blocks: int,
    regulator: int | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Deployed:
    """Deploy Registry, then Ledger, and wait until all are mined.

    With `regulator`, the number of the member that sits on no panel and decides where none does,
    the blacklist too: Lookups, and Blacklist, which makes Points.

    Raises `RejectedForGood` DEPLOY_REVERTED, `ChainStalled`, or what the endpoint says.
    """
    chain_id = client.chain_id()
    sender = address_bytes(signer)
    nonce = client.nonce(sender)
    grants = [(item.code, item.admin, item.valid_to) for item in founders]
    registry_code = encode_deployment(
        REGISTRY,
        ("(string,address,uint64)[]", "uint64", "uint64"),
        (grants, key_delay_blocks, motion_expiry_blocks),
    )
    registry = _made_address(sender, nonce)
    codes = [registry_code, encode_deployment(LEDGER, ("address",), (registry,))]
    if regulator is not None:
        codes += _blacklist_codes(registry, _made_address(sender, nonce + 2), regulator)
    hashes = []
    for turn, code in enumerate(codes):
        signed = sign_legacy(
            signer,
            chain_id=chain_id,
            nonce=nonce + turn,
            gas_price_wei=profile.gas_price_wei,
            gas_limit=DEPLOY_GAS if turn < _WITH_LEDGER else BLACKLIST_DEPLOY_GAS,
            receiver=b"",
            calldata=code,
        )
        error = client.send([signed.raw])[0]
        if error is not None:
            raise error
        hashes.append(signed.tx_hash)
    receipts = wait_for_receipts(client, hashes, sleep=sleep)
    made = [item.contract for item in receipts if item.succeeded and item.contract]
    if len(made) != len(codes):
        raise RejectedForGood("a constructor reverted", code="DEPLOY_REVERTED")
    contracts = Contracts(chain_id, made[0], made[1])
    if regulator is not None:
        lookups, blacklist = made[2:]
        # The first that a contract makes has nonce 1 (EIP-161).
        contracts = replace(
            contracts, blacklist=blacklist, lookups=lookups, points=_made_address(blacklist, 1)
        )
    return Deployed(contracts, receipts[0].block_number)


def _made_address(sender: bytes, nonce: int) -> bytes:
    return keccak(rlp.encode([sender, nonce]))[-20:]


def _blacklist_codes(registry: bytes, lookups: bytes, regulator: int) -> list[bytes]:
    """Return the creation bytes of Lookups and of Blacklist with the delivered profiles."""
    types = ("address", "address", "uint32", f"({','.join(['uint16'] * 8)})[]")
    clocks = [profile.on_chain for profile in profiles().values()]
    return [
        encode_deployment(LOOKUPS, ("address",), (registry,)),
        encode_deployment(BLACKLIST, types, (registry, lookups, regulator, clocks)),
    ]


def wait_for_receipts(
    client: ChainClient,
    hashes: Sequence[bytes],
    *,
    sleep: Callable[[float], None] = time.sleep,
    timeout_s: float = DEPLOY_TIMEOUT_S,
) -> list[Receipt]:
    """Return the receipts once all are mined; raises `ChainStalled` after the timeout."""
    deadline = time.monotonic() + timeout_s
    while True:
        receipts = client.receipts(hashes)
        mined = [item for item in receipts if item is not None]
        if len(mined) == len(hashes):
            return mined
        if time.monotonic() > deadline:
            raise ChainStalled(f"{len(hashes) - len(mined)} transactions not mined in time")
        sleep(_POLL_S)


def check_chain(client: ChainClient, contracts: Contracts) -> Header:
    """Probe chain id, the contracts' code and the block gas limit; return the newest block.

    Raises `WrongChain` WRONG_CHAIN, CONTRACT_UNKNOWN, CONTRACT_DIFFERS, CONTRACTS_APART (a
    blacklist of another registry, or points and lookups of another blacklist), PROFILES_DIFFER
    (clocks that this release computes otherwise) or BLOCK_GAS_TOO_LOW.
    """
    found = client.chain_id()
    if found != contracts.chain_id:
        raise WrongChain(
            "WRONG_CHAIN",
            f"the endpoint serves chain {found}, this node belongs to {contracts.chain_id}",
            help="correct the endpoint, or run `kanhe init` for another network elsewhere",
        )
    for name, address in contracts.addresses.items():
        code = client.code(address)
        if not code:
            raise WrongChain(
                "CONTRACT_UNKNOWN",
                f"no contract stands at {name}'s address 0x{address.hex()}",
                help="was the chain started anew? compare the addresses with another member",
            )
        abi = contract_abi(name)
        if abi.runtime_without_immutables(code) != abi.runtime_without_immutables(abi.deployed):
            raise WrongChain(
                "CONTRACT_DIFFERS",
                f"the code at {name}'s address 0x{address.hex()} is not this release's "
                f"(keccak 0x{keccak(code).hex()})",
                help="use the release that the network was founded with",
            )
    if contracts.blacklist:
        _check_together(client, contracts)
        _check_profiles(client, contracts)
    head = client.head()
    if head.gas_limit < MIN_BLOCK_GAS:
        raise WrongChain(
            "BLOCK_GAS_TOO_LOW",
            f"a block takes {head.gas_limit} gas, a full batch may need {MIN_BLOCK_GAS}",
            help="raise the chain's block gas limit",
        )
    return head


def read_regulator(client: ChainClient, contracts: Contracts) -> int:
    """Return the member that the blacklist was deployed with as its regulator."""
    answer = client.view(contracts.blacklist, encode_call(BLACKLIST, "regulator", ()))
    return int(decode_result(BLACKLIST, "regulator", answer)[0])


def _check_together(client: ChainClient, contracts: Contracts) -> None:
    """Refuse contracts of the blacklist that do not name each other and our registry."""
    asked = ((BLACKLIST, REGISTRY), (BLACKLIST, LOOKUPS), (BLACKLIST, POINTS), (LOOKUPS, REGISTRY))
    for name, other in asked:
        word = other.lower()
        answer = client.view(contracts.address(name), encode_call(name, word, ()))
        found = bytes.fromhex(decode_result(name, word, answer)[0].removeprefix("0x"))
        if found != contracts.address(other):
            raise WrongChain(
                "CONTRACTS_APART",
                f"{name} at 0x{contracts.address(name).hex()} works with {other} at "
                f"0x{found.hex()}, not with 0x{contracts.address(other).hex()}",
                help="compare the addresses with another member",
            )


def _check_profiles(client: ChainClient, contracts: Contracts) -> None:
    """Refuse a blacklist whose profiles are not this release's: states are computed from them."""
    for name, profile in profiles().items():
        calldata = encode_call(BLACKLIST, "profileOf", (profile.number,))
        answer = client.view(contracts.blacklist, calldata)
        (found,) = decode_result(BLACKLIST, "profileOf", answer)
        if tuple(found.values()) != profile.on_chain:
            raise WrongChain(
                "PROFILES_DIFFER",
                f"the blacklist's days of {name} are {tuple(found.values())}, this release's are "
                f"{profile.on_chain}",
                help="use the release that the blacklist was deployed with",
            )
