"""Shared by the node's tests: a migrated database, and a world of two institutions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ledger_world import World, found_world

from devnet.local import EmbeddedChain
from node.db import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database in a file."""
    opened = open_database(f"sqlite:///{tmp_path / 'kanhe.db'}")
    opened.upgrade()
    yield opened
    opened.close()


@pytest.fixture
def world(instant_chain: EmbeddedChain, tmp_path: Path) -> Iterator[World]:
    """Two institutions with an open agreement, epoch keys acknowledged, on a fresh chain."""
    founded = found_world(instant_chain, tmp_path)
    yield founded
    founded.close()
