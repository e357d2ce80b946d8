"""What a fork looks like, and what is kept of one that took back what was final."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from node.chain.client import Header
from node.errors import ChainError
from node.tables import Block, Cursor, Incident


def check_linked(headers: Sequence[Header], first: int, last: int) -> None:
    """Raise `ChainError` CHAIN_MOVED unless these are all blocks from first to last, in line."""
    if [item.number for item in headers] != list(range(first, last + 1)):
        raise ChainError("blocks vanished while they were read", code="CHAIN_MOVED")
    for before, after in itertools.pairwise(headers):
        if after.parent_hash != before.hash:
            raise ChainError("the chain was reorganised while it was read", code="CHAIN_MOVED")


def fork_incident(
    cursor: Cursor, fork: Block, head: Header, evidence: dict[str, Any], *, now_ms: int
) -> Incident:
    """Return the incident of a change below what was final; it stops signing."""
    evidence["head"] = {"number": head.number, "hash": head.hash.hex()}
    return Incident(
        kind="REORG_BELOW_FINAL",
        fingerprint=f"REORG_BELOW_FINAL/{fork.number}/{cursor.block_hash.hex()}",
        block_number=fork.number,
        says=f"the chain changed below block {cursor.final_block}, which was final: "
        f"it forked after {fork.number}. Nothing is signed until this is closed.",
        evidence=evidence,
        stops_signing=True,
        opened_at_ms=now_ms,
    )


def block_evidence(block: Block) -> dict[str, Any]:
    """Return a block as evidence names it."""
    return {"number": block.number, "hash": block.hash.hex(), "parent": block.parent_hash.hex()}
