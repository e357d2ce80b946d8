from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.commitment.tree import (
    EMPTY_ROOT,
    inclusion_path,
    leaf_hash,
    merkle_root,
    node_hash,
    root_from_path,
    verify_inclusion,
)

ROOT = Path(__file__).resolve().parents[3]
VECTORS = ROOT.parent / "shared" / "samples" / "vectors" / "rfc6962-inclusion.json"
LEAVES = [leaf_hash(bytes([number])) for number in range(70)]


def split_root(leaves: list[bytes]) -> bytes:
    """RFC 6962's own recursive definition, to hold the level-by-level one against."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    size = 1
    while size * 2 < len(leaves):
        size *= 2
    return node_hash(split_root(leaves[:size]), split_root(leaves[size:]))


def test_the_empty_tree_is_the_hash_of_nothing() -> None:
    """No leaves give SHA-256 of nothing, one leaf gives itself."""
    assert merkle_root([]) == EMPTY_ROOT == hashlib.sha256(b"").digest()
    assert merkle_root([LEAVES[0]]) == LEAVES[0]


def test_a_leaf_that_is_no_hash_is_a_mistake() -> None:
    """Data in place of leaf hashes is refused, since it would make another tree."""
    with pytest.raises(AssertionError):
        merkle_root([b"data"])


@given(st.integers(0, 70))
def test_the_root_is_the_definition_of_the_rfc(count: int) -> None:
    """Joining level by level gives the tree of RFC 6962, section 2.1, for every size."""
    assert merkle_root(LEAVES[:count]) == split_root(LEAVES[:count])


@given(st.integers(1, 70), st.data())
def test_every_leaf_has_a_path_that_proves_it(count: int, data: st.DataObject) -> None:
    """A path leads to the root from its own leaf, index and count, and from no other."""
    leaves = LEAVES[:count]
    index = data.draw(st.integers(0, count - 1))
    root = merkle_root(leaves)
    path = inclusion_path(leaves, index)
    assert verify_inclusion(leaves[index], index, count, path, root)
    other = data.draw(st.integers(0, 69).filter(lambda number: number != index))
    assert not verify_inclusion(LEAVES[other], index, count, path, root)
    assert not verify_inclusion(leaves[index], other, count, path, root)
    assert not verify_inclusion(leaves[index], index, count, (*path, LEAVES[0]), root)
    if path:
        assert not verify_inclusion(leaves[index], index, count, path[:-1], root)


@given(st.integers(2, 70), st.data())
def test_a_flipped_bit_of_a_path_is_found(count: int, data: st.DataObject) -> None:
    """No path with one bit changed proves the leaf."""
    index = data.draw(st.integers(0, count - 1))
    path = list(inclusion_path(LEAVES[:count], index))
    at = data.draw(st.integers(0, len(path) - 1))
    bit = data.draw(st.integers(0, 255))
    path[at] = (int.from_bytes(path[at], "big") ^ (1 << bit)).to_bytes(32, "big")
    assert not verify_inclusion(LEAVES[index], index, count, path, merkle_root(LEAVES[:count]))


@pytest.mark.parametrize(
    ("index", "count", "path"),
    [(0, 0, ()), (-1, 1, ()), (1, 1, ()), (0, 1, (bytes(32),)), (0, 2, (b"short",)), (0, 2, ())],
)
def test_a_path_that_cannot_be_is_no_path(index: int, count: int, path: tuple[bytes, ...]) -> None:
    """Impossible positions, lengths and siblings lead to no root."""
    assert root_from_path(LEAVES[0], index, count, path) is None


def test_the_published_vectors_hold(request: pytest.FixtureRequest) -> None:
    """The RFC 6962 inclusion vectors, positive and negative, are judged as published."""
    request.getfixturevalue("samples")
    cases = json.loads(VECTORS.read_bytes())
    assert {case["wantErr"] for case in cases} == {True, False}
    for case in cases:
        path = [base64.b64decode(node) for node in case["proof"] or ()]
        leaf, root = (base64.b64decode(case[name] or "") for name in ("leafHash", "root"))
        found = verify_inclusion(leaf, case["leafIdx"], case["treeSize"], path, root)
        assert found is not case["wantErr"], case["name"]
