"""Lends nodes that were founded once, and takes them and their chain back as they were."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from devnet.local import EmbeddedChain
from node.bootstrap import Node, open_node
from tests import databases

DATABASE: Final = "kanhe.db"


@contextmanager
def lent(
    chain: EmbeddedChain, nodes: list[Node], folder: Path, *, passphrase: str
) -> Iterator[None]:
    """Open nodes at rest anew, in the chain's present; afterwards all is what it was before.

    `nodes` holds the opened ones meanwhile. Their homes and databases are kept in `folder`.
    """
    for node in nodes:
        node.close()
        _copy(node.home, folder / node.name)
    snapshot = chain.rpc("evm_snapshot")
    try:
        _to_the_present(chain)
        for at, node in enumerate(nodes):
            nodes[at] = open_node(node.home, passphrase=passphrase, settings=node.settings)
        yield
    finally:
        for node in nodes:
            node.close()
        chain.rpc("evm_revert", snapshot)
        for node in nodes:
            _copy(folder / node.name, node.home)


def _to_the_present(chain: EmbeddedChain) -> None:
    """Date the next block by the machine's clock: a chain that went back goes on in the past."""
    if int(chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) < time.time() - 1:
        chain.pass_s(0)


def _copy(source: Path, target: Path) -> None:
    """Copy a closed home over another, its database wherever it lies."""
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(f"{DATABASE}*"))
    databases.copy(source / DATABASE, target / DATABASE)
