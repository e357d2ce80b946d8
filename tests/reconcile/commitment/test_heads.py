from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.heads import (
    BatchPlace,
    Stream,
    commit,
    commitment_of,
    epoch_key_commitment,
    head0,
    next_head,
    salted_leaf,
    salted_leaves,
)
from reconcile.commitment.tree import merkle_root
from reconcile.model import Side

CONTRACT, AGREEMENT = b"\x11" * 20, b"\x22" * 32
STREAM = Stream(31_337, CONTRACT, AGREEMENT, Side.OWNER)


def test_the_first_head_is_the_page_of_the_ledger() -> None:
    """Head 0 hashes tag, chain id as uint256, contract, agreement and side in this order."""
    spelled = b"kanhe/head/1" + (31_337).to_bytes(32, "big") + CONTRACT + AGREEMENT + b"\x01"
    assert head0(31_337, CONTRACT, AGREEMENT, Side.OWNER) == hashlib.sha256(spelled).digest()
    assert STREAM.head0 != head0(31_337, CONTRACT, AGREEMENT, Side.SERVICER)


def test_the_next_head_is_the_page_of_the_ledger() -> None:
    """A head hashes 32, 8, 4, 4, 32 and 32 bytes, big-endian."""
    commitment, payload = b"\x33" * 32, b"\x44" * 32
    spelled = STREAM.head0 + bytes(7) + b"\x05" + b"\x00\x02\x89\x58" + bytes(3) + b"\x01"
    expected = hashlib.sha256(spelled + commitment + payload).digest()
    assert next_head(STREAM.head0, 5, 0x28958, 1, commitment, payload) == expected


def test_the_golden_heads() -> None:
    """Head and key commitment cannot drift: their hex is written down here."""
    head = next_head(STREAM.head0, 1, 166_232, 1, bytes(32), bytes(32))
    assert (STREAM.head0.hex(), head.hex()) == (
        "4479cff0921e666b3d5d0043c8754e10b9d040325ccfb7e5413ef17ac0fdc6ff",
        "c9896da9363c9938f021f077ba6a2e352acfaa7bad3257c8770ba28087241bef",
    )
    assert epoch_key_commitment(AGREEMENT, Side.OWNER, 1, bytes(32)).hex() == (
        "5465f78b87e41ecf1bf85aab2a82692533c7fc27dddca500916fc9a80a14129f"
    )


def test_a_commitment_binds_count_and_root() -> None:
    """The count is part of the commitment, so a tree cannot pass for one of another size."""
    items = [b"header", b"one", b"two"]
    salts = bytes(range(48))
    leaves = [salted_leaf(salts[16 * i : 16 * i + 16], item) for i, item in enumerate(items)]
    assert salted_leaves(salts, items) == leaves
    assert leaves[0] == hashlib.sha256(b"\x00" + salts[:16] + b"header").digest()
    expected = hashlib.sha256(b"\x02" + (3).to_bytes(8, "big") + merkle_root(leaves)).digest()
    assert commit(salts, items) == expected == commitment_of(3, merkle_root(leaves))
    assert commitment_of(4, merkle_root(leaves)) != expected


@given(st.lists(st.binary(max_size=30), min_size=1, max_size=9), st.data())
def test_a_changed_item_changes_the_commitment(items: list[bytes], data: st.DataObject) -> None:
    """Any other list of items under the same salts has another commitment."""
    salts = data.draw(st.binary(min_size=16 * len(items), max_size=16 * len(items)))
    other = data.draw(
        st.lists(st.binary(max_size=30), min_size=len(items), max_size=len(items)).filter(
            lambda drawn: drawn != items
        )
    )
    assert commit(salts, items) != commit(salts, other)


def test_two_streams_never_share_a_place() -> None:
    """Fields of another width are a mistake: two streams would share one encoding."""
    with pytest.raises(AssertionError):
        Stream(1, CONTRACT[:-1], AGREEMENT, Side.OWNER)
    with pytest.raises(AssertionError):
        Stream(1, CONTRACT, AGREEMENT + b"\x00", Side.OWNER)
    with pytest.raises(AssertionError):
        BatchPlace(STREAM, 0, 1, 1)
    assert BatchPlace(STREAM, 1, 2, 3).numbers.hex() == "00000000000000010000000200000003"
