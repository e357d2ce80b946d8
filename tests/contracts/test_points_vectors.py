"""The points' vectors that forge compares with the contract's library."""

from scripts import points_vectors


def test_the_committed_vectors_are_what_the_node_computes() -> None:
    """The contracts' tests hold the library to the node's present arithmetic."""
    assert points_vectors.OUTPUT.read_text(encoding="utf-8") == points_vectors.solidity()
