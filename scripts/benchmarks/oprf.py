"""Private lookups beside the bare group operation: blind, t proven evaluations, verify, combine.

All parties run on one core, one after the other, so a lookup's cost is what the whole committee and
the reader spend on it. The peer is the evaluation itself, `rbcl`'s scalar multiplication, as often
as the aim allows a lookup to cost: a ratio below 1 is an aim that is reached.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import rbcl

from node.crypto.oprf import group, modes, shamir, threshold
from node.crypto.oprf.modes import Mode
from node.crypto.oprf.threshold import Committee, ShareHolder
from scripts.bench import Measurement, compare, timed

LOOKUPS: Final = 100
BATCH: Final = 100
EVALUATIONS: Final = 4_000
#: A machine's speed drifts by a fifth within seconds: short runs beside the peer's, and many.
MIN_RUNS: Final = 25


@dataclass(frozen=True)
class Aim:
    """A committee, a batch size, and how many bare evaluations a lookup may cost."""

    t: int
    n: int
    batch: int
    evaluations: int


AIMS: Final = (Aim(2, 3, 1, 28), Aim(2, 3, BATCH, 18), Aim(3, 5, 1, 50), Aim(3, 5, BATCH, 24))


def deal(t: int, n: int) -> tuple[Committee, list[ShareHolder]]:
    """Share a key; how it was made does not matter to the speed of lookups."""
    polynomial = shamir.random_polynomial(t - 1)
    holders = [ShareHolder.of(at, shamir.share_of(polynomial, at)) for at in range(1, n + 1)]
    shares = {holder.index: holder.pair.public for holder in holders}
    return Committee(t, group.scale_base(polynomial[0]), shares), holders


def look_up(committee: Committee, holders: Sequence[ShareHolder], inputs: Sequence[bytes]) -> None:
    """Play reader and t nodes for one batch; every proof is made and verified."""
    blinded = [modes.blind(Mode.VOPRF, data) for data in inputs]
    elements = [item.element for item in blinded]
    answers = [
        threshold.evaluate_share(holder, elements) for holder in holders[: committee.threshold]
    ]
    found = threshold.finalize_shares(committee, blinded, answers)
    assert len(found.outputs) == len(inputs)


def bare(count: int) -> None:
    """Evaluate `count` times, nothing else."""
    key, point = group.random_scalar(), group.hash_to_group(b"bench", b"bench")
    for _ in range(count):
        rbcl.crypto_scalarmult_ristretto255(key, point)


def bench_oprf(options: argparse.Namespace) -> list[Measurement]:
    """Measure threshold lookups one by one and in batches."""
    speed = EVALUATIONS / statistics.median(timed(lambda: bare(EVALUATIONS)) for _ in range(3))
    results = []
    for aim in AIMS:
        committee, holders = deal(aim.t, aim.n)
        inputs = [f"CN-RID|{number}".encode() for number in range(LOOKUPS)]
        parts = [inputs[at : at + aim.batch] for at in range(0, LOOKUPS, aim.batch)]

        def ours(
            committee: Committee = committee,
            holders: list[ShareHolder] = holders,
            parts: list[list[bytes]] = parts,
        ) -> None:
            for part in parts:
                look_up(committee, holders, part)

        found = compare(
            f"lookup {aim.t} of {aim.n}, batches of {aim.batch}",
            LOOKUPS,
            ours,
            f"{aim.evaluations} bare evaluations",
            lambda count=aim.evaluations * LOOKUPS: bare(count),
            runs=max(options.runs, MIN_RUNS),
        )
        # Of each run and the peer's right after it, not of the medians: both had the same machine.
        pairs = zip(found.runs, found.peer_runs, strict=True)
        costs = statistics.median(mine / theirs for mine, theirs in pairs) * aim.evaluations
        found.extra = {
            "E (bare evaluations/s)": round(speed),
            "costs, in bare evaluations": round(costs, 1),
        }
        results.append(found)
    return results
