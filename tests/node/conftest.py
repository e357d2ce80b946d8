"""Shared by the node's tests: a migrated database, and a world of two institutions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_party import no_boundary
from ledger_world import World, copy_databases, found_world, restore_databases

from devnet.local import EmbeddedChain
from node.db import Database, open_database
from node.tables.upgrading import upgrade
from tests.databases import address_of


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A migrated database: a SQLite file, or on the server that the environment names."""
    opened = open_database(address_of(tmp_path / "kanhe.db"))
    upgrade(opened)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Two institutions with an open agreement, epoch keys acknowledged; do not change it."""
    folder = tmp_path_factory.mktemp("founded")
    with EmbeddedChain(block_time_s=0) as chain:
        world = found_world(chain, folder)
        copy_databases(world, folder / "copies")
        yield world
        world.close()


@pytest.fixture
def world(founded: World) -> Iterator[World]:
    """The founded world; chain and databases go back to it afterwards."""
    snapshot = founded.chain.rpc("evm_snapshot")
    yield founded
    founded.chain.rpc("evm_revert", snapshot)
    for party in founded.parties:
        party.boundary = no_boundary
    restore_databases(founded, founded.servicer.folder / "copies")
