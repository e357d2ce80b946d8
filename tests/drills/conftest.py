"""Shared by the drills: the town is founded once a test run and copied for each drill."""

from __future__ import annotations

import fcntl
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
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


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Relation]) -> Founded:
    """Make a town's folder once a run: the other workers wait for the first and read its work."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent
    folder, made = root / name, root / f"{name}.relation"
    with (root / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            # What a worker left that failed or died half-way.
            shutil.rmtree(folder, ignore_errors=True)
            made.write_bytes(pickle.dumps(make(folder)))
        relation = pickle.loads(made.read_bytes())  # noqa: S301 - written a moment ago, by us
    return Founded(folder, relation)


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """The town with its opening position agreed, nothing running."""
    return once(tmp_path_factory, "founded-town", found_town)


@pytest.fixture(scope="session")
def founded_day(founded: Founded, tmp_path_factory: pytest.TempPathFactory) -> Founded:
    """The town with its first business day agreed, nothing running."""

    def run_day(folder: Path) -> Relation:
        opened = open_town(founded.folder, folder, founded.relation)
        try:
            opened.run_day(0)
            opened.settle()
        finally:
            opened.close()
        return opened.relation

    return once(tmp_path_factory, "founded-day", run_day)


@pytest.fixture
def town(founded: Founded, tmp_path: Path) -> Iterator[Town]:
    """A running copy for one drill."""
    opened = open_town(founded.folder, tmp_path / "town", founded.relation)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def agreed(founded_day: Founded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A running copy in which the first business day is agreed; for drills that only read."""
    folder = tmp_path_factory.mktemp("agreed") / "town"
    opened = open_town(founded_day.folder, folder, founded_day.relation)
    yield opened
    opened.close()
