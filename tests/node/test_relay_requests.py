"""Requests to the chain's endpoint are as large as it takes, and no larger."""

from __future__ import annotations

from devnet.local import EmbeddedChain
from node.chain.client import ChainClient
from node.errors import ChainError
from node.outbox.signing import REQUEST_BYTES, request_parts

RAW_BYTES = 120_400


def test_a_day_of_full_batches_goes_out_in_requests_that_are_answered(
    instant_chain: EmbeddedChain,
) -> None:
    """Twenty full batches are cut in order, and the endpoint answers each call of each request."""
    items = [(bytes([at]) * 32, bytes(20), bytes([at]) * RAW_BYTES) for at in range(20)]
    parts = request_parts(items)
    assert [item for part in parts for item in part] == items
    assert all(2 * sum(len(raw) for _, _, raw in part) <= REQUEST_BYTES for part in parts)
    client = ChainClient([instant_chain.url])
    try:
        for part in parts:
            answers = client.batch([("web3_sha3", [raw]) for _, _, raw in part])
            assert not [answer for answer in answers if isinstance(answer, ChainError)]
    finally:
        client.close()
