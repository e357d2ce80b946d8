"""Shared by the desk's tests: one network for all, and copies of its databases to damage."""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from desk_town import ENTRIES, FIRST_DAY, Reader, Replica, Town, reader_of

from devnet.network import build_network
from devnet.story import agree_on, close_day, import_day, open_relations, plan_days
from node.db import open_database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the acts last: they close and sign a window that the pages' tests find open."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path == here / "test_acts.py")


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Four institutions; one of their three agreements lives through two business days."""
    folder = tmp_path_factory.mktemp("town")
    relations = plan_days(folder / "books", seed=7, entries=ENTRIES, day=FIRST_DAY)
    relation = relations[0]
    network = build_network(folder / "network", say=lambda _: None, hurried=True)
    try:
        open_relations(network, relations, lambda _: None)
        import_day(network, relation, relation.days[0], lambda _: None)
        network.settle("day one to be posted")
        close_day(network, relation, relation.days[0].window)
        agree_on(network, [(relation, relation.days[0].window)])
        import_day(network, relation, relation.days[1], lambda _: None)
        network.settle("day two to be posted")
        yield Town(network, relation, folder)
    finally:
        network.close()


@pytest.fixture
def replica(town: Town, tmp_path: Path) -> Iterator[Replica]:
    """A copy that a test may damage: the network's own database stays as it is."""
    path = tmp_path / "copy.db"
    source = sqlite3.connect(town.firm.home / "kanhe.db")
    with sqlite3.connect(path) as target:
        source.backup(target)
    source.close()
    target.close()
    database = open_database(f"sqlite:///{path}")
    yield Replica(town.firm, database, time.time_ns() // 1_000_000)
    database.close()


@pytest.fixture
def reader(replica: Replica) -> Iterator[Reader]:
    """A person with every role at the desk over the copy."""
    with reader_of(replica) as found:
        yield found
