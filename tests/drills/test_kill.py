"""kill -9 at any moment of a business day: nothing is lost, nothing doubled, the same digests."""

from __future__ import annotations

import subprocess
from pathlib import Path
from random import Random as Chance

import pytest
from conftest import Founded
from drill_processes import MOMENTS, Killer, RunningNode, kanhe, killing, running, start, until
from drill_town import LABEL, Town, check_day, check_streams, copy_homes, passphrase

from devnet.local import EmbeddedChain
from devnet.network import BANK, ENTERPRISE, Network
from devnet.story import DayBooks, Relation
from node.bootstrap import Node, open_node
from reconcile.model import Side

DEATHS = 2
PARTIES = (BANK.slug, ENTERPRISE.slug)
# Either side may be first: the other's attestation then waits for ours.
PROVEN = frozenset({"PROVEN", "AWAITING_US"})


def import_with_deaths(node: RunningNode, books: DayBooks, side: Side, chance: Chance) -> None:
    """Import a book by a command that is killed, too, and given again until it is done."""
    words = ["import", str(books.files[side]), "-a", LABEL, "--window", str(books.window)]
    words += ["--home", str(node.home)]
    for _ in range(2):
        command = start(node.folder, *words)
        try:
            command.wait(timeout=chance.uniform(0.5, 2.5))
        except subprocess.TimeoutExpired:
            command.kill()
            command.wait()
    answer = kanhe(node.folder, *words)
    assert answer.code == 0, answer


def command(node: RunningNode, *words: str, known: frozenset[str]) -> None:
    """Give a command until its answer is seen: `known` errors say that it was taken before."""
    answer = kanhe(node.folder, *words, "-a", LABEL, "--home", str(node.home))
    assert answer.code == 0 or answer.error in known, answer


def drive_day(
    killers: list[Killer], watching: list[Node], relation: Relation, chance: Chance
) -> None:
    """Import, close and attest one business day by commands beside the running nodes.

    In each of the three parts of the day each node dies as often as `DEATHS` says.
    """
    nodes = [killer.node for killer in killers]
    words = ("--window", str(relation.days[0].window))
    allow(killers)
    for side, node in zip(Side, nodes, strict=True):
        import_with_deaths(node, relation.days[0], side, chance)
    allow(killers)
    for node in nodes:
        command(node, "close", *words, known=frozenset({"WINDOW_CLOSED"}))
    for node, seen in zip(nodes, watching, strict=True):
        until(lambda seen=seen: state_of(seen, relation) in PROVEN, "a proof")  # type: ignore[misc]
        command(node, "attest", *words, known=frozenset({"ALREADY_ATTESTED"}))
        allow([killer for killer in killers if killer.node is node])


def allow(killers: list[Killer]) -> None:
    """Let every node die some times more."""
    for killer in killers:
        killer.allow(DEATHS)


def state_of(node: Node, relation: Relation) -> str:
    """Return the first day's state as a node's rows tell it."""
    return node.reconciliation.window_status(relation.agreement, relation.days[0].window).state


def open_again(folder: Path, chain: EmbeddedChain, relation: Relation) -> Town:
    """Open both homes in this process, to judge what the processes left."""
    town = Town(folder, Network(folder, chain), relation)
    for slug in PARTIES:
        town.network.nodes[slug] = open_node(folder / slug, passphrase=passphrase(folder))
    return town


@pytest.mark.parametrize("seed", [1, 2])
def test_nodes_killed_all_day_end_in_the_same_digests(
    founded: Founded, tmp_path: Path, seed: int
) -> None:
    """Both nodes die at many moments, commands too: one digest, each entry once, no gap."""
    folder = tmp_path / "town"
    chain, relation = copy_homes(founded.folder, folder, founded.relation)
    nodes = [RunningNode(folder, slug) for slug in PARTIES]
    watching = [open_node(folder / slug, passphrase=None, running=False) for slug in PARTIES]
    killers = [Killer(node, seed * 10 + place) for place, node in enumerate(nodes)]
    try:
        with running(nodes), killing(killers):
            drive_day(killers, watching, relation, Chance(seed))
            until(
                lambda: all(len(killer.killed_at) == 3 * DEATHS for killer in killers),
                "the last death",
            )
            for killer in killers:
                killer.leave_off()
            until(
                lambda: all(state_of(seen, relation) == "AGREED" for seen in watching),
                "both sides to see the result",
            )
            # They run for good: each takes turns after its last death.
            head = int(chain.rpc("eth_blockNumber"), 16)
            until(lambda: all(seen.tip()["cursor"] > head for seen in watching), "turns")
            assert [node.stop() for node in nodes] == [0, 0]
        town = open_again(folder, chain, relation)
        try:
            town.settle()
            check_day(town)
            check_streams(town)
        finally:
            for node in town.network.everyone:
                node.close()
    finally:
        for seen in watching:
            seen.close()
        chain.stop()
    for killer in killers:
        met = set(killer.killed_at) & set(MOMENTS)
        assert met, "on the slowest machine, too, each node dies at one of the chosen moments"
