"""Shared by the drills: the town is founded once a session and copied for each drill."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drill_town import Town, found_town, open_town

from devnet.story import Relation


@dataclass(frozen=True)
class Founded:
    """A founded town at rest: its folder and what it holds. Do not change it."""

    folder: Path
    relation: Relation


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """The town with its opening position agreed, nothing running."""
    folder = tmp_path_factory.mktemp("town") / "founded"
    return Founded(folder, found_town(folder))


@pytest.fixture
def town(founded: Founded, tmp_path: Path) -> Iterator[Town]:
    """A running copy for one drill."""
    opened = open_town(founded.folder, tmp_path / "town", founded.relation)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def agreed(founded: Founded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A running copy in which the first business day is agreed; for drills that only read."""
    folder = tmp_path_factory.mktemp("agreed") / "town"
    opened = open_town(founded.folder, folder, founded.relation)
    opened.run_day(0)
    yield opened
    opened.close()
