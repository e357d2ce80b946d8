"""What the committee's tests share: one town of nodes for all of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "screening"))

from audit_court import Court, open_court
from committee_town import OUTSIDER, Town, make_town

from devnet.local import EmbeddedChain


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take the ceremonies last: they give the town other keys, and destroy old shares."""
    here = Path(__file__).parent
    items.sort(key=lambda item: item.path == here / "test_ceremony.py")


@pytest.fixture(scope="session")
def empty_town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """The members and their servers, before any key."""
    with EmbeddedChain(block_time_s=0) as chain:
        town = make_town(tmp_path_factory.mktemp("town"), chain)
        yield town
        town.close()


@pytest.fixture(scope="session")
def keyed(empty_town: Town) -> Town:
    """The town with its first key epoch begun; further tests may follow it with others."""
    run = empty_town.run()
    empty_town.finish(run)
    empty_town.begin(1)
    return empty_town


@pytest.fixture(scope="session")
def indexed(keyed: Town) -> Town:
    """The town with points, two listed people and a live index; person 3 is listed nowhere."""
    keyed.claim()
    for serial in (1, 2):
        keyed.list(OUTSIDER, serial)
    keyed.publish()
    return keyed


@pytest.fixture
def court(indexed: Town) -> Iterator[Court]:
    """A day with two lookups of member 1's that is over and anchored."""
    made = open_court(indexed)
    yield made
    made.close()
