"""RFC 6962 inclusion vectors against the deployed contract, negative cases included."""

import base64
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from devnet.local import EmbeddedChain
from node.chain.codec import LEDGER, contract_abi, decode_result, encode_call, encode_deployment

HASH_BYTES = 32
MAX_UINT64 = 2**64 - 1
MINED_WITHIN_S = 10.0


class DeployedLedger:
    """A ledger on an embedded chain, asked by eth_call."""

    def __init__(self, chain: EmbeddedChain) -> None:
        self.chain = chain
        code = encode_deployment(LEDGER, ("address",), (bytes(20),))
        sender = chain.rpc("eth_accounts")[0]
        sent = {"from": sender, "data": "0x" + code.hex(), "gas": hex(8_000_000)}
        tx_hash = chain.rpc("eth_sendTransaction", sent)
        self.address = self._mined(tx_hash)["contractAddress"]

    def _mined(self, tx_hash: str) -> dict[str, Any]:
        deadline = time.monotonic() + MINED_WITHIN_S
        while time.monotonic() < deadline:
            receipt: dict[str, Any] | None = self.chain.rpc("eth_getTransactionReceipt", tx_hash)
            if receipt is not None:
                return receipt
            time.sleep(0.01)
        pytest.fail(f"not mined within {MINED_WITHIN_S} s: {tx_hash}")

    def verify_inclusion(
        self, leaf: bytes, index: int, count: int, path: list[bytes], root: bytes
    ) -> bool:
        """Ask the contract."""
        data = encode_call(LEDGER, "verifyInclusion", (leaf, index, count, path, root))
        call = {"to": self.address, "data": "0x" + data.hex()}
        answer = bytes.fromhex(self.chain.rpc("eth_call", call, "latest")[2:])
        return bool(decode_result(LEDGER, "verifyInclusion", answer)[0])


@pytest.fixture(scope="module")
def ledger() -> Iterator[DeployedLedger]:
    """A ledger on a chain that mines at once."""
    with EmbeddedChain(block_time_s=0) as chain:
        yield DeployedLedger(chain)


def hashes(texts: list[str] | None) -> list[bytes]:
    """Decode base64 words."""
    return [base64.b64decode(text) for text in texts or []]


def test_published_vectors(ledger: DeployedLedger, samples: Path) -> None:
    """Every published vector is judged as published; a word of another length cannot be encoded."""
    vectors: list[dict[str, Any]] = json.loads(
        (samples / "vectors" / "rfc6962-inclusion.json").read_text()
    )
    judged = {True: 0, False: 0}
    for vector in vectors:
        leaf, root, *path = hashes([vector["leafHash"], vector["root"], *(vector["proof"] or [])])
        index, count = vector["leafIdx"], vector["treeSize"]
        expressible = all(len(word) == HASH_BYTES for word in (leaf, root, *path))
        if not expressible or max(index, count) > MAX_UINT64:
            assert vector["wantErr"], vector["name"]
            continue
        found = ledger.verify_inclusion(leaf, index, count, path, root)
        assert found is not vector["wantErr"], vector["name"]
        judged[found] += 1
    assert judged[True] > 0
    assert judged[False] > judged[True]


def test_immutables_are_where_the_artifact_says(ledger: DeployedLedger) -> None:
    """Deployed code equals the artifact's once the listed immutables are masked."""
    text = ledger.chain.rpc("eth_getCode", ledger.address, "latest")
    abi = contract_abi(LEDGER)
    assert abi.runtime_without_immutables(bytes.fromhex(text[2:])) == abi.deployed
