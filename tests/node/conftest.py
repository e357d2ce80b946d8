"""Shared by the node's tests: a migrated database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.db import Database, open_database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A migrated SQLite database in a file."""
    opened = open_database(f"sqlite:///{tmp_path / 'kanhe.db'}")
    opened.upgrade()
    yield opened
    opened.close()
